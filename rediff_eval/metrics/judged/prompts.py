"""What judges are told: our own prompts, and the official ones from the user's checkouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rediff.llm_client.prompt import Prompt, fill

OWN = Path(__file__).parent / "own"


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
