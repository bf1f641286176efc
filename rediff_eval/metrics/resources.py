"""What metrics work with: a judge and its prompts, CAPTURE's models, how strictly to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.conversation import Failed, Talk
from rediff_eval.metrics.judged.official_prompts import with_caparena, with_capmas
from rediff_eval.metrics.judged.prompts import Prompt, Prompts, own_prompts
from rediff_eval.metrics.capture.graph import CaptionGraph
from rediff_eval.metrics.capture.matching import Encoder
from rediff_eval.metrics.capture.parsing import Parser
from rediff_eval.metrics.capture.score import Capture, CaptureConfig
from rediff_eval.metrics.spec import ScoringSpec
from rediff_eval.metrics.preset import Preset
from rediff_eval.progress import Progress
from rediff_eval.sanitize import without_secrets

Verdict = TypeVar("Verdict")


@dataclass(kw_only=True)
class Resources:
    """Everything that metrics share, made once for a run."""

    spec: ScoringSpec = field(default_factory=ScoringSpec)
    judge: ChatModel | None = None
    progress: Progress = field(default_factory=Progress)
    cache: Path | None = None
    device: str = "cpu"
    graphs: dict[tuple[str, str], CaptionGraph] = field(default_factory=dict)

    @property
    def preset(self) -> Preset:
        return self.spec.preset

    @property
    def seed(self) -> int:
        return self.spec.seed

    @cached_property
    def prompts(self) -> Prompts:
        """See `load_prompts`."""
        return load_prompts(self.spec)

    def no_judge(self) -> str | None:
        """One clause where no judge was named."""
        return None if self.judge else "needs a judge: --judge MODEL"

    def judged_by(self, metric: str, *prompts: Prompt) -> str:
        """The scorer of a judged metric: how it is read, the judge, the prompts."""
        judge = "no judge"
        if self.judge is not None:
            judge = f"{self.judge.name} at {without_secrets(self.judge.spec.place)}"
        return f"{metric} {self.preset}, {judge}, {' '.join(prompt.id for prompt in prompts)}"

    def hold(self, title: str, talks: Sequence[Talk[Verdict]]) -> list[Verdict | Failed]:
        """The judge's verdicts, with a progress bar."""
        assert self.judge is not None
        with self.progress.task(f"judging {title}", len(talks)) as advance:
            return self.judge.hold(talks, advance)

    def read(self, parser: Parser, captions: Sequence[str]) -> list[CaptionGraph]:
        """The parser's graphs; a text that was read before is not read again."""
        new = [text for text in dict.fromkeys(captions) if (parser.name, text) not in self.graphs]
        for text, graph in zip(new, parser.parse(new), strict=True):
            self.graphs[parser.name, text] = graph
        return [self.graphs[parser.name, text] for text in captions]

    @cached_property
    def parser(self) -> Parser | None:
        """FACTUAL's parser, where its checkpoint was named."""
        from rediff_eval.metrics.capture.factual import FactualParser

        if self.spec.factual is None:
            return None
        return FactualParser(
            checkpoint(self.spec.factual), cache=self.cache and self.cache / "factual",
            device=self.device,
        )  # fmt: skip

    @cached_property
    def sentence_encoder(self) -> Encoder | None:
        from rediff_eval.metrics.capture.encoder import SentenceEncoder

        if self.spec.encoder is None:
            return None
        return SentenceEncoder(checkpoint(self.spec.encoder), device=self.device)

    @cached_property
    def capture(self) -> Capture:
        """CAPTURE's matcher with its encoder; it keeps what it has looked up."""
        return Capture(CaptureConfig(preset=self.preset), self.sentence_encoder)

    @cached_property
    def capture_lite(self) -> Capture:
        """The same with exact and synonym matching alone."""
        return Capture(CaptureConfig(preset=self.preset, soft_matching=False), None)


def load_prompts(spec: ScoringSpec) -> Prompts:
    """Our prompts, or those of the user's checkouts. Raises as `with_capmas` does."""
    prompts = own_prompts()
    if spec.capmas_prompts is not None:
        prompts = with_capmas(prompts, spec.capmas_prompts)
    if spec.caparena_prompts is not None:
        prompts = with_caparena(prompts, spec.caparena_prompts)
    return prompts


def checkpoint(text: str) -> Path:
    """A folder, or a hub model's folder on this machine."""
    from rediff.io.hub import fetch

    return Path(text) if Path(text).is_dir() else fetch(text)


def with_picture(picture: Callable[[], str], make: Callable[[str], Talk[Verdict]]) -> Talk[Verdict]:
    """A conversation about a picture, opened when it begins.

    `picture`: gives its data URL. One that cannot be opened is a failure.
    """
    try:
        url = picture()
    except (OSError, ValueError) as error:
        return Failed(f"the picture cannot be shown: {error}")
    return (yield from make(url))
