"""CLAIR, Coverage, Factuality and CapArena-Auto against the official programs' results."""

from collections.abc import Callable
from typing import Any

import pytest
from conversations import PROMPTS, hold

from rediff.llm_client.conversation import Failed, Reply
from rediff_eval.metrics.judged import clair, coverage, factuality
from rediff_eval.metrics.judged.clair import official_row
from rediff_eval.metrics.preset import OfficialCrashError, Preset

EXACT = 1e-9
Ask = Callable[[Preset], Any]


def same(found: float, expected: Any) -> bool:
    expected = float(expected)
    return found == pytest.approx(expected, abs=EXACT, nan_ok=True)


def ask_clair(preset: Preset) -> Any:
    return clair.ask(PROMPTS.clair, "a kite", "a red kite", preset)


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
