"""Resources that metrics share in a run: a judge and its prompts, CAPTURE's models, settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rediff.captioners.sources import pick_device
from rediff.io.hub import fetch
from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.conversation import Conversation, Failed
from rediff.llm_client.prompt import Prompt
from rediff_eval.metrics.capture.graph import CaptionGraph
from rediff_eval.metrics.capture.matching import Encoder
from rediff_eval.metrics.capture.parsing import Parser
from rediff_eval.metrics.capture.score import Capture, CaptureConfig
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.judged.prompts import PromptSource, official_prompt, own_prompt
from rediff_eval.metrics.ngram.java import JavaPrograms
from rediff_eval.metrics.preset import Preset
from rediff_eval.progress import Progress
from rediff_eval.sanitize import without_secrets

Verdict = TypeVar("Verdict")


@dataclass(kw_only=True)
class Resources:
    """Everything that metrics share, made once for a run. `cache`: a folder for all runs."""

    config: ScoringConfig = field(default_factory=ScoringConfig)
    judge: ChatModel | None = None
    progress: Progress = field(default_factory=Progress)
    cache: Path | None = None
    graphs: dict[tuple[str, str], CaptionGraph] = field(default_factory=dict)
    java: JavaPrograms = field(default_factory=JavaPrograms)

    def close(self) -> None:
        """Ends the processes that metrics started."""
        self.java.close()

    @property
    def preset(self) -> Preset:
        return self.config.preset

    @property
    def seed(self) -> int:
        return self.config.seed

    def prompt(self, source: PromptSource) -> Prompt:
        """Our prompt, or that of the user's checkout. Raises as `official_prompt` does."""
        if source.repository is not None:
            folder = getattr(self.config, source.repository.setting)
            if folder is not None:
                return official_prompt(source, folder)
        return own_prompt(source)

    def no_judge(self) -> str | None:
        """A clause where no judge was named."""
        return None if self.judge else "needs a judge: --judge MODEL"

    def judged_by(self, metric: str, *prompts: Prompt) -> str:
        """The scorer of a judged metric: how it is read, the judge, the prompts."""
        judge = "no judge"
        if self.judge is not None:
            judge = f"{self.judge.name} at {without_secrets(self.judge.spec.place)}"
        return f"{metric} {self.preset}, {judge}, {' '.join(prompt.id for prompt in prompts)}"

    def judge_all(
        self, title: str, conversations: Sequence[Conversation[Verdict]]
    ) -> list[Verdict | Failed]:
        """The outcome of each conversation with the judge, with a progress bar."""
        assert self.judge is not None
        with self.progress.task(f"judging {title}", len(conversations)) as advance:
            return self.judge.converse(conversations, advance)

    def read(self, parser: Parser, captions: Sequence[str]) -> list[CaptionGraph]:
        """The parser's graphs; a text that was read before is not read again."""
        new = [text for text in dict.fromkeys(captions) if (parser.name, text) not in self.graphs]
        for text, graph in zip(new, parser.parse(new), strict=True):
            self.graphs[parser.name, text] = graph
        return [self.graphs[parser.name, text] for text in captions]

    @cached_property
    def device(self) -> str:
        """Where models that score run."""
        return self.config.device or pick_device()

    @cached_property
    def parser(self) -> Parser | None:
        """FACTUAL's parser, where its checkpoint was named."""
        if self.config.factual is None:
            return None
        from rediff_eval.metrics.capture.models.factual import FactualParser

        cache = self.cache and self.cache / "factual"
        return FactualParser(checkpoint(self.config.factual), cache=cache, device=self.device)

    @cached_property
    def sentence_encoder(self) -> Encoder | None:
        """CAPTURE's sentence encoder, where its checkpoint was named."""
        if self.config.encoder is None:
            return None
        from rediff_eval.metrics.capture.models.encoder import SentenceEncoder

        return SentenceEncoder(checkpoint(self.config.encoder), device=self.device)

    @cached_property
    def capture(self) -> Capture:
        """CAPTURE's matcher with its encoder; it keeps its lookups."""
        return Capture(CaptureConfig(preset=self.preset), self.sentence_encoder)

    @cached_property
    def capture_lite(self) -> Capture:
        """The same with exact and synonym matching alone."""
        return Capture(CaptureConfig(preset=self.preset, soft_matching=False), None)


def checkpoint(text: str) -> Path:
    """A folder, or a hub model's folder on this machine."""
    return Path(text) if Path(text).is_dir() else fetch(text)


def with_picture(
    picture: Callable[[], str], make: Callable[[str], Conversation[Verdict]]
) -> Conversation[Verdict]:
    """A conversation about a picture, opened when it begins. One that cannot be opened is a
    failure.

    Args:
        picture: gives its data URL.
        make: the conversation, given the data URL.
    """
    try:
        url = picture()
    except (OSError, ValueError) as error:
        return Failed(f"the picture cannot be shown: {error}")
    return (yield from make(url))
