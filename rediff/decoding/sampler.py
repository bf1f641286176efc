"""Samplers: those made of rules, and those of the authors, known without a model and without
torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rediff.decoding.lavida_options import DreamOptions, LavidaOptions
from rediff.decoding.official_options import OfficialOptions
from rediff.decoding.repair_options import RepairOptions
from rediff.decoding.rules import Rules

if TYPE_CHECKING:
    from rediff.decoding.canvas import Canvas
    from rediff.decoding.denoiser import Denoiser
    from rediff.decoding.loop import Decoded
    from rediff.decoding.recorder import OnStep, Recorder


Loop = Callable[[Any, "Denoiser", "Canvas", int, "Recorder"], "Decoded"]
"""Decodes by a sampler's options: the sampler, then the arguments of `Sampler.decode`."""


@runtime_checkable
class Sampler(Protocol):
    """Turns a blank canvas into responses. `name`: its name in results and for `find_sampler`.

    One that lets image and prompt see the response, whatever the model's attention is
    (`Denoiser.under_full_attention`), has a property `full_attention` that is true: prompts are not
    computed in advance for it.
    """

    @property
    def name(self) -> str: ...

    def decode(
        self,
        denoiser: Denoiser,
        canvas: Canvas,
        steps: int,
        *,
        trace: bool = False,
        on_step: OnStep | None = None,
    ) -> Decoded:
        """Decodes every row of `canvas`.

        Args:
            denoiser: gives logits for the canvas.
            canvas: blank, or partly prefilled.
            steps: forward passes at most, or under guidance pairs of them.
            trace: whether to record every step.
            on_step: called after every step.

        Raises:
            ValueError: if the sampler cannot spend that many steps on such a canvas.
        """
        ...


class LoopSampler:
    """A sampler whose loop is a function of the sampler itself, imported when it is needed."""

    __slots__ = ()

    @property
    def remasks(self) -> bool:
        """Whether tokens may become masks again."""
        return False

    def decode(
        self,
        denoiser: Denoiser,
        canvas: Canvas,
        steps: int,
        *,
        trace: bool = False,
        on_step: OnStep | None = None,
    ) -> Decoded:
        """See `Sampler.decode`. Raises ValueError if steps and blocks do not divide."""
        from rediff.decoding.recorder import Recorder

        recorder = Recorder(trace, on_step, remasks=self.remasks)
        decoded = self._loop()(self, denoiser, canvas, steps, recorder)
        return replace(decoded, traces=recorder.traces(decoded.canvas))

    def _loop(self) -> Loop:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSampler(Rules, LoopSampler):
    """Schedule x unmask rule x revise rule x remask rule x stop rule.

    In every step the denoiser predicts each position of the canvas. The unmask rule chooses which
    masks become their predictions, as many as the schedule asks for. The revise rule chooses
    which visible tokens do, and the remask rule which of the others become masks again. The stop
    rule says when a row is finished.

    Examples:
        >>> from rediff.decoding.unmask import MostConfident
        >>> sampler = RuleSampler(name="mine", unmask=MostConfident(threshold=0.9))
        >>> sampler.revise
        KeepVisible()
    """

    name: str

    def _loop(self) -> Loop:
        from rediff.decoding.loop import decode_by_rules

        return decode_by_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSampler(RepairOptions, LoopSampler):
    """A quick draft whose least supported words are hidden and written again, slowly.

    Made for a model that only predicts masks, and for many steps: a text is never revised while it
    is seen, so nothing has to be learnt for it.
    """

    name: str

    @property
    def remasks(self) -> bool:
        """They do."""
        return True

    def _loop(self) -> Loop:
        from rediff.decoding.repair import decode_repair

        return decode_repair


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialSampler(OfficialOptions, LoopSampler):
    """The authors' decoder at temperature 0, with the options of its `generate`."""

    name: str

    def _loop(self) -> Loop:
        from rediff.decoding.official import decode_official

        return decode_official


@dataclass(frozen=True, slots=True, kw_only=True)
class LavidaSampler(LavidaOptions, LoopSampler):
    """The decoder of LaViDa with LLaDA's text model."""

    name: str

    def _loop(self) -> Loop:
        from rediff.decoding.lavida import decode_lavida

        return decode_lavida


@dataclass(frozen=True, slots=True, kw_only=True)
class LavidaDreamSampler(DreamOptions, LoopSampler):
    """The decoder of LaViDa with Dream's text model."""

    name: str

    def _loop(self) -> Loop:
        from rediff.decoding.lavida import decode_dream

        return decode_dream
