"""The result of captioning: the answers of a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.config import Condition


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers of a condition in the order of its samples, without those that failed; the errors
    of those by sample id."""

    condition: Condition
    samples: tuple[Sample, ...]
    answers: tuple[Answer, ...]
    failures: Mapping[str, str]

    @classmethod
    def of(
        cls, condition: Condition, samples: Sequence[Sample], answers: Mapping[str, Answer]
    ) -> Outcome:
        """The outcome of samples whose answers, by sample id, may hold errors."""
        return cls(
            condition=condition,
            samples=tuple(s for s in samples if answers[s.id].error is None),
            answers=tuple(answers[s.id] for s in samples if answers[s.id].error is None),
            failures={s.id: e for s in samples if (e := answers[s.id].error) is not None},
        )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of some conditions, each collected when it is come to: one is in memory at a
    time, whatever their number. They can be gone through several times."""

    conditions: Sequence[Condition]
    collect: Callable[[Condition], Outcome]

    def __iter__(self) -> Iterator[Outcome]:
        return map(self.collect, self.conditions)
