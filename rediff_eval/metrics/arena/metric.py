"""CapArena-Auto by a judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rediff_eval.answers import Answer
from rediff_eval.judge.parsing.arena import FIRST, TIE
from rediff_eval.judge.protocols.arena import ArenaVerdict, ask
from rediff_eval.judge.talk import Failed, Talk
from rediff_eval.metrics.arena.battles import OFFICIAL_REFERENCES, stands_first
from rediff_eval.metrics.base import Scored
from rediff_eval.metrics.judged import score_verdicts
from rediff_eval.metrics.resources import Resources, with_picture
from rediff_eval.samples import Sample

Duel = tuple[str, float, tuple[str, ...]]
"""The rival, the model's points from -1 to 1, and what the judge said."""


class ArenaMetric:
    """`caparena`, -100 to 100: wins minus losses against the pictures' reference models.

    `sound`: each pair is judged in both orders and its points are their mean; per reference model
    points over judged pairs, then the mean over the models, times 100. `official`: one order by a
    seeded coin; per model points over 2, however many pairs there are, then a third of the sum;
    verdicts that the official scorer does not know act as ties. Both scales agree for 200 pairs a
    model. `words`: mean length, in pieces between single spaces.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        return self.resources.judged_by("caparena", self.resources.prompts.arena)

    def applies(self, samples: Sequence[Sample]) -> str | None:
        if not all(sample.rival and sample.references for sample in samples):
            return "needs captions of reference models"
        return self.resources.no_judge()

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        places = [self._orders(sample) for sample in samples]
        talks = [
            self._talk(sample, answer.text, first)
            for sample, answer, orders in zip(samples, answers, places, strict=True)
            for first in orders
        ]
        verdicts = iter(self.resources.hold("CapArena", talks))
        duels = [
            self._duel(sample, [(first, next(verdicts)) for first in orders])
            for sample, orders in zip(samples, places, strict=True)
        ]
        rivals = sorted({sample.rival.model for sample in samples if sample.rival})

        def row(duel: Duel) -> list[float]:
            return [duel[1] * (duel[0] == name) for name in rivals] + [
                float(duel[0] == name) for name in rivals
            ]

        return score_verdicts(
            "caparena", samples, duels, row=row, detail=_detail,
            worst=lambda sample, rows: row((sample.rival.model if sample.rival else "", -1.0, ())),
            aggregate=_official if self.resources.preset == "official" else _mean_of_models,
        )  # fmt: skip

    def _orders(self, sample: Sample) -> tuple[bool, ...]:
        """Whether the model's caption stands first, for each time that a pair is judged."""
        if self.resources.preset == "official":
            return (stands_first(self.resources.seed, sample.id),)
        return (True, False)

    def _talk(self, sample: Sample, caption: str, first: bool) -> Talk[ArenaVerdict]:
        assert sample.rival is not None
        one, two = (caption, sample.rival.caption)[:: 1 if first else -1]
        prompt, preset = self.resources.prompts.arena, self.resources.preset
        return with_picture(
            sample.data_url,
            lambda image: ask(prompt, one, two, sample.references[0], image, preset),
        )

    def _duel(
        self, sample: Sample, judged: Sequence[tuple[bool, ArenaVerdict | Failed]]
    ) -> Duel | Failed:
        assert sample.rival is not None
        failed = [verdict for _, verdict in judged if isinstance(verdict, Failed)]
        if failed:
            return failed[0]
        points = list(_points(judged))
        said = tuple(v.text for _, v in judged if isinstance(v, ArenaVerdict))
        return sample.rival.model, float(np.mean(points)), said


def _points(judged: Sequence[tuple[bool, ArenaVerdict | Failed]]) -> Iterator[float]:
    for first, verdict in judged:
        assert isinstance(verdict, ArenaVerdict)
        if verdict.winner in (None, TIE):
            yield 0.0
        else:
            yield 1.0 if (verdict.winner == FIRST) == first else -1.0


def _detail(duel: Duel) -> dict[str, object]:
    rival, points, said = duel
    return {"rival": rival, "points": points, "said": list(said)}


def _mean_of_models(statistics: np.ndarray) -> np.ndarray:
    """100 times the mean over models of points per pair, from statistics [..., n, 2 models]."""
    points, pairs = np.split(statistics.sum(axis=-2), 2, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * np.nanmean(points / pairs, axis=-1)


def _official(statistics: np.ndarray) -> np.ndarray:
    """A third of the sum over models of points over 2."""
    points, _ = np.split(statistics.sum(axis=-2), 2, axis=-1)
    return points.sum(axis=-1) / 2 / len(OFFICIAL_REFERENCES)
