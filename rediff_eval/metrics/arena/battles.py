"""CapArena's pairs and the official way to score them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rediff_eval.judge.parsing.arena import FIRST, TIE, VERDICTS
from rediff_eval.presets import OfficialCrashError

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
            (item["source1"], item["source2"]), (item["caption1"], item["caption2"]),
            item["ref_model"], verdict, "judge" in item and verdict is None,
        )  # fmt: skip


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
            points[battle.reference].append(points_of(battle, model))
    scores = {reference: sum(some) / 2 for reference, some in points.items()}
    own = (b.captions[0] if b.sources[0] == model else b.captions[1] for b in battles)
    return OfficialScores(
        judged={reference: len(some) for reference, some in points.items()},
        scores=scores,
        average=sum(scores.values()) / len(references),
        length=sum(len(caption.split(" ")) for caption in own) / len(battles),
        ignored=sum(battle.ignored for battle in battles),
    )


def points_of(battle: Battle, model: str) -> int:
    """1 for the model's win, -1 for any other winner, 0 for a tie."""
    if battle.verdict == TIE:
        return 0
    winner = battle.sources[0] if battle.verdict == FIRST else battle.sources[1]
    return 1 if winner == model else -1


def make_pair(
    model: str, caption: str, rival: str, rival_caption: str, *, first: bool
) -> dict[str, str]:
    """A pair as official files have it; `first`: whether the model's caption stands first."""
    own, other = (model, caption), (rival, rival_caption)
    (source1, caption1), (source2, caption2) = (own, other) if first else (other, own)
    return {"source1": source1, "source2": source2, "caption1": caption1, "caption2": caption2}


def stands_first(seed: int, sample_id: str) -> bool:
    """The coin that says whose caption stands first; the official one is not seeded."""
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
