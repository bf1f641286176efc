"""What judges are told: our own prompts, and the official ones from the user's checkouts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OWN = Path(__file__).parent / "own"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. `template`: the user's text, or CLAIR's only text, with names in braces."""

    name: str
    system: str
    template: str = ""

    @property
    def id(self) -> str:
        """The name with the beginning of a hash of all its text."""
        digest = hashlib.sha256(f"{self.system}\0{self.template}".encode()).hexdigest()
        return f"{self.name}@{digest[:8]}"


class ClairPrompt(Prompt):
    __slots__ = ()

    def fill(self, candidate: str, reference: str) -> str:
        """The template with one candidate and one reference, each as a list of one."""
        return fill(
            self.template,
            candidate_statements=f"- {candidate}\n",
            target_statements=f"- {reference}\n",
        )


class CoveragePrompt(Prompt):
    __slots__ = ()

    def fill(self, caption: str, questions: Sequence[str]) -> str:
        """The template with the caption and the questions, numbered from 0."""
        numbered = "\n\n".join(f"{i}. {question}" for i, question in enumerate(questions))
        return fill(self.template, caption=caption, questions_set=numbered)


class DecomposePrompt(Prompt):
    __slots__ = ()


class JudgePrompt(Prompt):
    __slots__ = ()

    def fill(self, reference: str, propositions: Sequence[str]) -> str:
        """The template with the reference and the propositions, which bring their numbers."""
        return fill(self.template, gt_caption=reference, questions="\n".join(propositions))


class ArenaPrompt(Prompt):
    __slots__ = ()

    def fill(self, first: str, second: str, reference: str) -> str:
        return fill(
            self.template, caption_1=first, caption_2=second, caption_ref=reference
        )  # fmt: skip


def fill(template: str, **values: str) -> str:
    """The template with each `{name}` replaced at once: braces in a value stay as they are."""
    parts = template.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, brace, rest = part.partition("}")
        filled.append(values[name] + rest if brace and name in values else "{" + part)
    return "".join(filled)


@dataclass(frozen=True, slots=True)
class Prompts:
    """All prompts of a run."""

    clair: ClairPrompt
    coverage: CoveragePrompt
    decompose: DecomposePrompt
    judge: JudgePrompt
    arena: ArenaPrompt


def own_prompts() -> Prompts:
    """The prompts that come with the package."""

    def read(name: str) -> str:
        path = OWN / f"{name}.txt"
        return path.read_text(encoding="utf-8").rstrip("\n") if path.is_file() else ""

    return Prompts(
        ClairPrompt("own-clair", "", read("clair")),
        CoveragePrompt("own-coverage", read("coverage.system"), read("coverage.user")),
        DecomposePrompt("own-decompose", read("decompose.system")),
        JudgePrompt("own-judge", read("judge.system"), read("judge.user")),
        ArenaPrompt("own-arena", read("arena.system"), read("arena.user")),
    )
