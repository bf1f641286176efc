"""CapArena-Auto by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rediff.llm_client.conversation import Failed, Talk
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.judged.parsing.arena import FIRST, SECOND
from rediff_eval.metrics.judged.protocols.arena import ArenaVerdict, ask
from rediff_eval.metrics.arena.battles import (
    official_average,
    points_of,
    row_of,
    sound_average,
    stands_first,
)
from rediff_eval.metrics.base import Scored, Scores
from rediff_eval.metrics.judged.verdicts import score_verdicts
from rediff_eval.metrics.resources import Resources, with_picture
from rediff_eval.benchmarks.sample import Rival, Sample

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

    def unavailable(self) -> str | None:
        return self.resources.no_judge()

    def lacks(self, sample: Sample) -> str | None:
        known = sample.rival and sample.references
        return None if known else "needs the caption of a reference model"

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
        official = self.resources.preset == "official"
        found = score_verdicts(
            "caparena", samples, duels, detail=_detail,
            row=lambda duel: row_of(duel[0], duel[1], rivals),
            worst=lambda sample, rows: row_of(_rival_of(sample).model, -1.0, rivals),
            aggregate=official_average if official else sound_average,
            value=lambda row: (1 if official else 100) * sum(row[: len(rivals)]),
        )  # fmt: skip
        words = Scores.of([len(answer.text.split(" ")) for answer in answers])
        return replace(found, scores={**found.scores, "words": words})

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
        verdicts: list[ArenaVerdict] = []
        for _, verdict in judged:
            if isinstance(verdict, Failed):
                return verdict
            verdicts.append(verdict)
        points = [
            0 if verdict.winner is None else points_of(verdict.winner, FIRST if first else SECOND)
            for (first, _), verdict in zip(judged, verdicts, strict=True)
        ]
        said = tuple(verdict.text for verdict in verdicts)
        return _rival_of(sample).model, float(np.mean(points)), said


def _rival_of(sample: Sample) -> Rival:
    assert sample.rival is not None
    return sample.rival


def as_png(url: str) -> str:
    """The data URL as the official program labels it: image/png, whatever the file is."""
    return "data:image/png;base64," + url.partition(";base64,")[2]


def _detail(duel: Duel) -> dict[str, object]:
    rival, points, said = duel
    return {"rival": rival, "points": points, "said": list(said)}
