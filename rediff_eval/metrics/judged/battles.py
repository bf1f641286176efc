"""CapArena's pairs and the official way to score them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rediff_eval.metrics.preset import OfficialCrashError

FIRST, SECOND, TIE = 1, 2, 0
VERDICTS: Mapping[str, int] = {
    f"{verdict}{dot}": winner
    for verdict, winner in (
        ("Caption 1 is better", FIRST),
        ("Caption 2 is better", SECOND),
        ("Tie", TIE),
    )
    for dot in ("", ".")
}
"""The six texts that the official scorer knows."""
OFFICIAL_REFERENCES = ("GPT-4o-0806", "CogVLM2-llama3-chat-19B", "MiniCPM-V2.6-8B")
EQUAL = frozenset({"tie", "tie (bothbad)", "equal"})
ELO_K, ELO_SCALE, ELO_START = 4, 400, 1000


@dataclass(frozen=True, slots=True)
class Battle:
    """A pair of captions by two models, and the verdict's text; None where there is none.

    `ignored`: a verdict is stored that the official scorer does not know.
    """

    sources: tuple[str, str]
    captions: tuple[str, str]
    reference: str
    verdict: int | None
    ignored: bool

    @classmethod
    def from_official(cls, item: Mapping[str, Any]) -> Battle:
        """From an entry of an official result file."""
        verdict = VERDICTS.get(item.get("judge"))  # type: ignore[arg-type]
        return cls(
            (item["source1"], item["source2"]),
            (item["caption1"], item["caption2"]),
            item["ref_model"],
            verdict,
            "judge" in item and verdict is None,
        )


@dataclass(frozen=True, slots=True)
class OfficialScores:
    """Per reference model the number judged and the score, their average, and the mean length of
    the model's captions in pieces between single spaces."""

    judged: Mapping[str, int]
    scores: Mapping[str, float]
    average: float
    length: float
    ignored: int


def official_scores(
    battles: Sequence[Battle], model: str, references: Sequence[str]
) -> OfficialScores:
    """The official table row: wins minus losses over 2, however many were judged; a verdict that
    is missing acts as a tie. Raises OfficialCrashError where the official scorer dies."""
    if not battles:
        raise OfficialCrashError("ZeroDivisionError")
    points: dict[str, list[int]] = {reference: [] for reference in references}
    for battle in battles:
        if battle.reference not in points:
            raise OfficialCrashError("KeyError")
        if battle.verdict is not None:
            own_place = battle.sources.index(model) + 1 if model in battle.sources else None
            points[battle.reference].append(points_of(battle.verdict, own_place))
    rows = np.array([row_of(r, p, references) for r, some in points.items() for p in some])
    rows = rows.reshape(-1, 2 * len(references))
    own = (b.captions[0] if b.sources[0] == model else b.captions[1] for b in battles)
    return OfficialScores(
        judged={reference: len(some) for reference, some in points.items()},
        scores=dict(zip(references, official_scores_of(rows).tolist(), strict=True)),
        average=float(official_average(rows)),
        length=sum(len(caption.split(" ")) for caption in own) / len(battles),
        ignored=sum(battle.ignored for battle in battles),
    )


def points_of(winner: int, own: int | None) -> int:
    """1 for the model's win, -1 for any other winner, 0 for a tie.

    `own`: the place of its caption, `FIRST` or `SECOND`; None if neither is the model's.
    """
    if winner == TIE:
        return 0
    return 1 if winner == own else -1


def row_of(reference: str, points: float, references: Sequence[str]) -> list[float]:
    """Points and a count of one for a pair's reference model, 0 for the others: 2 models."""
    own = [float(name == reference) for name in references]
    return [points * mark for mark in own] + own


def official_scores_of(statistics: np.ndarray) -> np.ndarray:
    """Points over 2 for each reference model, from rows [..., n, 2 models]."""
    points, _ = np.split(statistics.sum(axis=-2), 2, axis=-1)
    return points / 2


def official_average(statistics: np.ndarray) -> np.ndarray:
    """A third of the sum of the scores, whatever the number of reference models there."""
    return official_scores_of(statistics).sum(axis=-1) / len(OFFICIAL_REFERENCES)


def corrected_average(statistics: np.ndarray) -> np.ndarray:
    """100 times the mean over reference models of points per pair, from the same rows."""
    points, pairs = np.split(statistics.sum(axis=-2), 2, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * np.nanmean(points / pairs, axis=-1)


def make_pair(
    model: str, caption: str, rival: str, rival_caption: str, *, first: bool
) -> dict[str, str]:
    """A pair as official files have it; `first`: whether the model's caption comes first."""
    own, other = (model, caption), (rival, rival_caption)
    (source1, caption1), (source2, caption2) = (own, other) if first else (other, own)
    return {"source1": source1, "source2": source2, "caption1": caption1, "caption2": caption2}


def stands_first(seed: int, sample_id: str) -> bool:
    """The coin that says whose caption comes first; the official one is not seeded."""
    return hashlib.sha256(f"{seed} {sample_id}".encode()).digest()[0] % 2 == 1


def elo(battles: Sequence[tuple[str, str, str]]) -> dict[str, float]:
    """Elo ratings after (one, other, winner) battles in their order, as for the human study.

    Raises ValueError for a winner that is neither of the two and no tie.
    """
    ratings: dict[str, float] = {}
    for one, other, winner in battles:
        a, b = ratings.setdefault(one, ELO_START), ratings.setdefault(other, ELO_START)
        expected = 1 / (1 + 10 ** ((b - a) / ELO_SCALE))
        expected_other = 1 / (1 + 10 ** ((a - b) / ELO_SCALE))
        if winner not in {one, other} | EQUAL:
            raise ValueError(f"{winner!r} is neither {one!r} nor {other!r}, and no tie")
        got = 0.5 if winner in EQUAL else float(winner == one)
        ratings[one] = ratings[one] + ELO_K * (got - expected)
        ratings[other] = ratings[other] + ELO_K * (1 - got - expected_other)
    return ratings
