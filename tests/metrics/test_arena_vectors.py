"""CapArena against the recorded cases of the official program."""

from collections.abc import Sequence
from typing import Any

import pytest
from conversations import PROMPTS, hold

from rediff.llm_client.conversation import Failed, Reply
from rediff_eval.metrics.judged import caparena as arena
from rediff_eval.metrics.judged.battles import (
    OFFICIAL_REFERENCES,
    Battle,
    elo,
    make_pair,
    official_scores,
)
from rediff_eval.metrics.preset import OfficialCrashError, Preset

EXACT = 1e-9


def ask_arena(preset: Preset) -> Any:
    return arena.ask(PROMPTS.arena, "one", "two", "ref", "data:,", preset)


def api(reply: Any) -> Any:
    """A reply of the vectors: a text, or a failed call."""
    if not isinstance(reply, dict):
        return reply
    return Reply(error="failed", code=reply.get("code"))


@pytest.mark.vectors("caparena", "reply_cases")
def test_arena_replies(case: dict[str, Any]) -> None:
    expected, replies = case["expected"], list(map(api, case["replies"]))
    if "error" in expected:
        with pytest.raises(OfficialCrashError, match=expected["error"]):
            hold(ask_arena("official"), replies)
        verdict, asked = hold(ask_arena("corrected"), replies)
        assert isinstance(verdict, Failed) or verdict.winner in (0, 1, 2)
        assert len(asked) <= arena.SOUND_TRIES
        return
    verdict, asked = hold(ask_arena("official"), replies)
    assert len(asked) == expected["calls"]
    if isinstance(verdict, Failed):
        assert expected["judge"] is None
        assert not expected["scored"]["judged"]
        return
    assert verdict.text == expected["judge"]
    scored = expected["scored"]
    assert (verdict.winner is not None) == bool(scored["judged"])
    points = {1: 1.0, 2: -1.0}.get(verdict.winner or 0, 0.0)
    assert points == scored["model_is_caption1_points"]


@pytest.mark.vectors("caparena", "table_cases")
def test_arena_tables(case: dict[str, Any]) -> None:
    expected = case["expected"]
    if case["items"] is None:
        assert expected["error"] == "FileNotFoundError"
        return
    battles = [Battle.from_official(item) for item in case["items"]]
    if "error" in expected:
        with pytest.raises(OfficialCrashError, match=expected["error"]):
            official_scores(battles, case["model"], OFFICIAL_REFERENCES)
        return
    found = official_scores(battles, case["model"], OFFICIAL_REFERENCES)
    for reference, numbers in expected["per_reference"].items():
        assert found.judged[reference] == numbers["judged"]
        assert found.scores[reference] == pytest.approx(numbers["score"], abs=EXACT)
    assert found.average == pytest.approx(expected["score_avg"], abs=EXACT)
    assert found.length == pytest.approx(expected["length_avg"], abs=EXACT)
    assert found.ignored == expected["ignored_lines"]
    shown = [found.average, *(found.scores[r] for r in OFFICIAL_REFERENCES), found.length]
    assert [f"{value:.2f}" for value in shown] == expected["printed"]
    rivals = [0.0] * (expected["models"] - 1)
    assert 1 + sum(score >= found.average for score in rivals) == expected["rank"]


@pytest.mark.vectors("caparena", "pair_cases")
def test_arena_pairs(case: dict[str, Any]) -> None:
    pairs = []
    flips = iter(case["coin_flips"])
    expected = case["expected"]
    for image, row in case["table"].items():
        if row["ref_model"] == case["test_model"]:
            continue
        if image not in case["captions"]:
            assert expected["error"] == "KeyError"  # here: a sample without a caption
            return
        pair = make_pair(
            case["test_model"], case["captions"][image], row["ref_model"],
            row["captions"][row["ref_model"]], first=bool(next(flips)),
        )  # fmt: skip
        pairs.append(
            {"img": image, **pair, "ref": row["captions"]["human"], "ref_model": row["ref_model"]}
        )
    assert pairs == expected["pairs"]


@pytest.mark.vectors("caparena", "elo_cases")
def test_elo(case: dict[str, Any]) -> None:
    battles = [(b["source1"], b["source2"], b["winner_gpt"]) for b in case["battles"]]
    if "error" in case["expected"]:
        with pytest.raises(ValueError, match="neither"):
            elo(battles)
    else:
        assert elo(battles) == pytest.approx(case["expected"], abs=1e-6)


def median_order(battles: Sequence[tuple[str, str, str]]) -> list[str]:
    import numpy as np
    import pandas as pd

    np.random.seed(42)
    frame = pd.DataFrame(battles)
    rounds = [
        elo(list(frame.sample(frac=1.0, replace=True).itertuples(index=False, name=None)))
        for _ in range(1000)
    ]
    return list(pd.DataFrame(rounds).median().sort_values(ascending=False).index)


def test_elo_ranking(vectors: dict[str, Any]) -> None:
    case = vectors["caparena"]["elo_ranking_case"]
    battles = []
    for item in case["items"]:
        if "human" in (item["source1"], item["source2"]) or "judge" not in item:
            continue
        names = (item["source1"], item["source2"])
        winner = next((n for n, sign in zip(names, "12", strict=True) if sign in item["judge"]), "")
        battles.append((*names, winner or "equal"))
    assert median_order(battles) == case["expected"]["order"]
