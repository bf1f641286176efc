"""The interface of captioners: all that an evaluation, a server or a training knows of a model."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from rediff.data.dialogue import CAPTION_PROMPT, Dialogue

if TYPE_CHECKING:
    from rediff.decoding.recorder import OnStep
    from rediff.decoding.sampler import Sampler
    from rediff.decoding.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRequest:
    """One picture to describe, or to answer a question about.

    `dialogue`: the turns up to the answer that is asked for; None means the captioner's
    own request of a description. `id` and `aliases`: names of the picture, for captioners that
    look captions up or report to others. `original`: reads the bytes of the picture's file, for
    captioners that send pictures on.
    """

    image: Image.Image
    dialogue: Dialogue | None = None
    id: str = ""
    aliases: tuple[str, ...] = ()
    original: Callable[[], bytes] | None = None

    def asked(self, prompt: str = CAPTION_PROMPT) -> Dialogue:
        """The dialogue, or `prompt` where there is none."""
        return (prompt,) if self.dialogue is None else self.dialogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The options that a captioner offers, and its defaults.

    `kind`: how it writes, as "diffusion". `length`: tokens of a caption at most, None if unknown.
    `sampler`: the sampler that it decodes with. `takes_samplers`: whether it decodes with any of
    our samplers. `takes_steps`: whether it decodes within a budget of denoising steps; `steps` is
    the default, None for one step a token.
    """

    kind: str
    length: int | None
    sampler: str
    takes_samplers: bool = False
    takes_steps: bool = False
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How to decode. A captioner ignores options that its capabilities do not offer.

    `sampler` and `steps`: None for the captioner's defaults. `trace`: whether to record every
    denoising step. `prefill`: the beginning of an answer, which the model continues or revises.
    `guidance`: scale of classifier-free guidance, 0 for none (see `PromptedDenoiser`). `on_step`:
    called after every denoising step. `timed`: whether to time the phases of a caption, for which
    a GPU is waited for in every step. Raises ValueError for a scale that is not finite.
    """

    sampler: Sampler | None = None
    steps: int | None = None
    trace: bool = False
    prefill: str | None = None
    guidance: float = 0.0
    on_step: OnStep | None = None
    timed: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.guidance):
            raise ValueError(f"guidance must be a finite number, got {self.guidance}")


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption.

    `tokens`: tokens written, without eos. `nfe`: forward passes, a prompt's own among them. Both
    are None where they are not known. `seconds`: wall time of the batch divided by its rows.
    `computed`: positions that ran through the text model in all passes; `flops`: operations by the
    model's sizes, its picture's among them; both None where they are not known. `truncated`:
    whether no eos was written. `trace`: the denoising steps, where they were asked for.
    `reasoning`: the model's thinking, which is not part of `text`. `phases`: seconds by
    `timing.PHASES`, where asked for.
    """

    text: str
    tokens: int | None = None
    nfe: int | None = None
    seconds: float = 0.0
    computed: int | None = None
    flops: int | None = None
    truncated: bool = False
    trace: Trace | None = None
    reasoning: str | None = None
    phases: Mapping[str, float] | None = None

    def _repr_html_(self) -> str:
        """For notebooks: the text, and its cost."""
        counts = {"tokens": self.tokens, "forward passes": self.nfe}
        took = [f"{count} {what}" for what, count in counts.items() if count is not None]
        notes = ", ".join([*took, f"{self.seconds:.2f} s"])
        return f"<p>{html.escape(self.text)}</p><p><small>{notes}</small></p>"


@dataclass(frozen=True, slots=True)
class Failure:
    """No caption, and a clause that says why."""

    error: str


class Captioner(Protocol):
    """Describes pictures, and answers questions about them."""

    @property
    def capabilities(self) -> Capabilities: ...

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption or a failure for each request, in order.

        Args:
            requests: the pictures, as one batch.
            decoding: how to decode; options that `capabilities` does not offer are ignored.

        Raises:
            ValueError: if the whole batch cannot be captioned; a caller may then ask one by one.
        """
        ...

    def close(self) -> None:
        """Releases the captioner's resources: memory, connections, processes."""
        ...
