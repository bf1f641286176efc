"""CLAIR, Coverage, Factuality and CapArena-Auto against the official programs' results."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from conversations import PROMPTS, hold

from rediff.llm_client.conversation import Failed, Reply
from rediff_eval.metrics.judged import caparena as arena
from rediff_eval.metrics.judged import clair, coverage, factuality
from rediff_eval.metrics.judged.battles import (
    OFFICIAL_REFERENCES,
    Battle,
    elo,
    make_pair,
    official_scores,
)
from rediff_eval.metrics.judged.clair import official_row
from rediff_eval.metrics.preset import OfficialCrashError, Preset

EXACT = 1e-9
Ask = Callable[[Preset], Any]


def same(found: float, expected: Any) -> bool:
    expected = float(expected)
    return found == pytest.approx(expected, abs=EXACT, nan_ok=True)


def ask_clair(preset: Preset) -> Any:
    return clair.ask(PROMPTS.clair, "a kite", "a red kite", preset)


def ask_arena(preset: Preset) -> Any:
    return arena.ask(PROMPTS.arena, "one", "two", "ref", "data:,", preset)


@pytest.mark.vectors("clair", "reply_cases")
def test_clair_replies(case: dict[str, Any]) -> None:
    for program in ("clair_repo", "capmas"):
        expected = case["expected"][program]
        if "error" in expected:
            with pytest.raises(OfficialCrashError, match=expected["error"]):
                hold(ask_clair("official"), case["replies"])
            verdict, asked = hold(ask_clair("corrected"), case["replies"])
            assert isinstance(verdict, Failed) or 0 <= verdict.score <= 1
            assert len(asked) <= clair.TRIES
            continue
        verdict, asked = hold(ask_clair("official"), case["replies"])
        assert len(asked) == expected["calls"]
        if isinstance(verdict, Failed):
            assert (expected["score"], expected["reason"]) == (0.0, None)
        else:
            assert same(verdict.score, expected["score"])
            assert verdict.reason == expected["reason"]


@pytest.mark.vectors("clair", "capmas_aggregate_cases")
def test_clair_of_several_captions(case: dict[str, Any]) -> None:
    expected = case["expected"]
    total, scored, calls = 0.0, 0, 0
    skipped = []
    for image in case["images"]:
        if not image["caption_present"]:
            skipped.append(image["image"])
            continue
        try:
            verdict, asked = hold(ask_clair("official"), [image["reply_every_try"]])
        except OfficialCrashError:
            assert expected["end"] == "exit"
            return
        calls += len(asked)
        row = official_row(verdict)
        total, scored = total + row[0], scored + int(row[1])
        if not row[1]:
            skipped.append(image["image"])
    assert calls == expected["calls"]
    assert skipped == expected["skipped"]
    if expected["end"] == "exception":
        assert scored == 0
    else:
        assert same(total / scored, expected["clair"])


def answers_of(case: dict[str, Any], preset: Preset) -> Any:
    gold = case["answers"]
    return coverage.ask(PROMPTS.coverage, "a kite", ["?"] * len(gold), gold, preset)


@pytest.mark.vectors("coverage", "reply_cases")
def test_coverage_replies(case: dict[str, Any]) -> None:
    for reply, parsed in zip(case["replies"], case["expected"]["parsed_each_reply"], strict=True):
        if isinstance(parsed, dict):
            with pytest.raises(OfficialCrashError, match=parsed["error"]):
                coverage.read_official(reply, len(case["answers"]))
        else:
            found = coverage.read_official(reply, len(case["answers"]))
            assert (found if found is not None else "") == parsed
    image = case["expected"]["image"]
    if image["end"] == "exception" and not image["skipped"]:
        with pytest.raises(OfficialCrashError, match=image["error"]):
            hold(answers_of(case, "official"), case["replies"])
        verdict, _ = hold(answers_of(case, "corrected"), case["replies"])
        assert isinstance(verdict, Failed | coverage.CoverageVerdict)
        return
    verdict, asked = hold(answers_of(case, "official"), case["replies"])
    assert len(asked) == image["calls"]
    if image["skipped"]:
        assert isinstance(verdict, Failed)
    else:
        assert (verdict.correct, verdict.questions) == (image["correct"], image["counted"])


@pytest.mark.vectors("coverage", "aggregate_cases")
def test_coverage_of_several_captions(case: dict[str, Any]) -> None:
    expected = case["expected"]
    correct = counted = 0
    calls: dict[str, int] = {}
    skipped = []
    died = None
    for image in case["images"]:
        unequal = image.get("n_questions", len(image["answers"])) != len(image["answers"])
        if not image.get("caption", True) or not image.get("vqa", True) or unequal:
            continue
        try:
            verdict, asked = hold(answers_of(image, "official"), image["replies"])
        except OfficialCrashError as error:
            died = error.name
            break
        calls[image["name"]] = len(asked)
        if isinstance(verdict, Failed):
            skipped.append(image["name"])
            continue
        correct, counted = correct + verdict.correct, counted + verdict.questions
    if died is not None:
        assert (expected["end"], expected["error"]) == ("exception", died)
        return
    assert calls == expected["calls_per_image"]
    assert skipped == expected["skipped"]
    assert (correct, counted) == (expected["correct"], expected["counted"])
    if "recall" in expected:
        assert correct / counted == pytest.approx(expected["recall"], abs=EXACT)
    else:
        assert expected["error"] == "ZeroDivisionError"
        assert not counted


@pytest.mark.vectors("factuality", "decomposition_cases")
def test_decompositions(case: dict[str, Any]) -> None:
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(OfficialCrashError, match=expected["error"]):
            factuality.decompose_official(case["reply"])
        found = factuality.decompose_corrected(case["reply"] or "")
        assert found is None or all(found)
    else:
        found = factuality.decompose_official(case["reply"])
        assert found == expected["propositions"]
        assert "\n".join(found) == expected["joined"]


@pytest.mark.vectors("factuality", "judgement_cases")
def test_judgements(case: dict[str, Any]) -> None:
    for reply, parsed in zip(case["replies"], case["expected"]["parsed_each_reply"], strict=True):
        if isinstance(parsed, dict):
            with pytest.raises(OfficialCrashError, match=parsed["error"]):
                factuality.judge_official(reply)
        else:
            assert factuality.judge_official(reply) == parsed
    lines = [f"{i}. p" for i in range(1, case["propositions"] + 1)]
    talk = factuality.judge_until_it_fits(PROMPTS.judge, "ref", "data:,", lines)
    outcome = case["expected"]["outcome"]
    if "error" in outcome or "end" in outcome:
        with pytest.raises(OfficialCrashError, match=outcome.get("error") or outcome["end"]):
            hold(talk, case["replies"])
        statements = "\n".join(f"{line}{i}" for i, line in enumerate(lines))
        verdict, asked = hold(ask_factuality("corrected"), [statements, *case["replies"]])
        assert isinstance(verdict, Failed | factuality.FactualityVerdict)
        assert len(asked) <= 1 + factuality.TRIES
        return
    judged, asked = hold(talk, case["replies"])
    assert list(judged.answers) == outcome["answers"]
    assert judged.redo == outcome["redo_decomposition"]
    assert len(asked) == outcome["calls"]


def ask_factuality(preset: Preset) -> Any:
    return factuality.ask(
        PROMPTS.decompose, PROMPTS.judge, "a kite", "a red kite", "data:,", preset
    )


class Script:
    """Replies to decompositions and judgements, each from a list of its own."""

    def __init__(self, image: dict[str, Any]) -> None:
        self.left = {
            PROMPTS.decompose.id: image["decompositions"], PROMPTS.judge.id: image["judgements"],
        }  # fmt: skip
        self.calls = {PROMPTS.decompose.id: 0, PROMPTS.judge.id: 0}

    def run(self) -> Any:
        talk = ask_factuality("official")
        request = next(talk)
        try:
            while True:
                replies, done = self.left[request.prompt], self.calls[request.prompt]
                self.calls[request.prompt] += 1
                request = talk.send(Reply(text=replies[min(done, len(replies) - 1)]))
        except StopIteration as end:
            return end.value


@pytest.mark.vectors("factuality", "aggregate_cases")
def test_factuality_of_several_captions(case: dict[str, Any]) -> None:
    expected = case["expected"]
    true = propositions = 0
    decompositions: dict[str, int] = {}
    judgements: dict[str, int] = {}
    skipped = []
    died = None
    for image in case["images"]:
        if not image.get("caption", True):
            skipped.append(image["name"])
            continue
        if not image.get("image_file", True):
            assert expected["error"] == "FileNotFoundError"  # here: a sample that failed
            return
        script = Script(image)
        try:
            verdict = script.run()
        except OfficialCrashError as error:
            died = error.name
            break
        decompositions[image["name"]] = script.calls[PROMPTS.decompose.id]
        if script.calls[PROMPTS.judge.id]:
            judgements[image["name"]] = script.calls[PROMPTS.judge.id]
        if isinstance(verdict, Failed):
            skipped.append(image["name"])
            continue
        true, propositions = true + sum(verdict.true), propositions + len(verdict.true)
    if died is not None:
        assert died == expected.get("error", expected["end"])
        return
    assert (decompositions, judgements) == (
        expected["decomposition_calls"], expected["judgement_calls"],
    )  # fmt: skip
    assert skipped == expected["skipped"]
    assert (true, propositions) == (expected["true"], expected["propositions"])
    if "precision" in expected:
        assert true / propositions == pytest.approx(expected["precision"], abs=EXACT)
    else:
        assert not propositions


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
