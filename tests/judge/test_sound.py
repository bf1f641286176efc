"""How `corrected` reads what the official programs die on, loop over, or count wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from conversations import PROMPTS, hold
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.llm_client.conversation import Failed, Reply
from rediff.scenes.grammar import write_caption
from rediff.scenes.statements import holds, scene_of, statements
from rediff.scenes.world import sample_scene
from rediff_eval.benchmarks.questions import answer_from, ask_about
from rediff_eval.benchmarks.scenes import corrupt_scene
from rediff_eval.metrics.judged import caparena as arena
from rediff_eval.metrics.judged import clair, coverage, factuality
from rediff_eval.metrics.judged.coverage import CoverageVerdict
from rediff_eval.metrics.judged.coverage import ask as ask_coverage
from rediff_eval.metrics.judged.factuality import FactualityVerdict
from rediff_eval.metrics.judged.factuality import ask as ask_factuality

GOLD = ["B", "C", "A", "B"]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 84, "reason": "x"}', 0.84), ('{"score": "84"}', 0.84), ('{"score": 0}', 0.0),
        ('{"score": 1}', 0.01), ('{"score": 0.62}', None), ('{"score": 100}', 1.0),
        ('{"score": 100.5}', None), ('{"score": true}', None), ("84", None), ("", None),
        ('{"reason": "uses a } sign", "score": 15}', 0.15), ('[{"score": 37}]', 0.37),
        ('{"note": 1} {"score": 84}', 0.84), ('{"score": "91/100"}', None),
        ('{"score": 1e400}', None), ("{" * 5000, None),
    ],
)  # fmt: skip
def test_clair(text: str, score: float | None) -> None:
    found = clair.read_corrected(text)
    assert (None if found is None else found[0]) == (
        score if score is None else pytest.approx(score)
    )


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("0. B\n1. C\n2. A\n3. B", "BCAB"), ("0. B. 1. C. 2. A. 3. B", "BCAB"),
        ("0. B 1. C 2. A 3. B", "BCAB"), ("Here are the answers:\n0. B) a red kite\n1. C", "BC"),
        ("3. B\n2. A\n1. C\n0. B", "BCAB"), ("0. b\n1. c", "BC"), ("0) (B)\n1) **C**", "BC"),
        ("0. B\n\n\n1. C\n\n\n2. A", "BCA"), ("0: B\r\n1: C\r\n", "BC"),
        ("0. B. a red kite\n1. C. two benches", "BC"), ("**0. B**\n**1. C**", "BC"),
        ("0.\tB\n1.\tC", "BC"), ("0. B\n1. I don't know\n2. A", "B A"), ("0. A red kite", None),
        ("1. B\n2. C\n3. A\n4. B", None), ("0. B\n0. C\n1. A", " A"), ("B\nC\nA\nB", None),
        ("0. A/B\n1. C", " C"), ("", None), ("0. \u0412\n1. C", " C"),
    ],
)  # fmt: skip
def test_coverage(text: str, answers: str | None) -> None:
    """A blank: no answer, or one that the judge does not know."""
    found = coverage.read_corrected(text, 4)
    if answers is None:
        assert found is None
    else:
        assert found is not None
        shown = "".join(found.get(i) or " " for i in range(4)).rstrip()
        assert shown == answers.rstrip()


def test_i_dont_know_is_an_answer() -> None:
    assert coverage.read_corrected("I don\u2019t know.", 2) == {0: "", 1: ""}
    found = coverage.read_corrected("0. I don't know\n1. B", 2)
    assert found == {0: "", 1: "B"}


def test_unread_is_wrong_and_counted_and_nothing_read_a_failure() -> None:
    conversation = ask_coverage(PROMPTS.coverage, "a kite", ["?"] * 4, GOLD, "corrected")
    verdict, asked = hold(conversation, ["0. B\n1. C"])
    assert verdict == CoverageVerdict(correct=2, questions=4, unread=2)
    assert len(asked) == 3
    conversation = ask_coverage(PROMPTS.coverage, "a kite", ["?"] * 4, GOLD, "corrected")
    verdict, _ = hold(conversation, ["0. B\n1. C", "Sorry.", "0. B\n1. C\n2. A"])
    assert verdict == CoverageVerdict(correct=3, questions=4, unread=1)
    conversation = ask_coverage(PROMPTS.coverage, "a kite", ["?"] * 4, GOLD, "corrected")
    verdict, _ = hold(conversation, ["B, C, A, B"])
    assert isinstance(verdict, Failed)


@pytest.mark.parametrize(
    ("text", "propositions"),
    [
        ("1. a kite\n2. a park", ["a kite", "a park"]),
        ("\n1. a kite\n\n\n2. a park\n", ["a kite", "a park"]),
        ("1) a kite\n2) a park", ["a kite", "a park"]), ("**1.** a kite", ["a kite"]),
        ("  1. a kite", ["a kite"]), ("1. a kite\n2. A kite.\n3. a park", ["a kite", "a park"]),
        ("- a kite", None), ("", None), ("1. ", None), ("Sure.\n1. a kite\nDone.", ["a kite"]),
        ("None", []), ("none.", []),
        ("1. **a kite**\r\n2. a park\r\n", ["a kite", "a park"]),
    ],
)  # fmt: skip
def test_propositions(text: str, propositions: list[str] | None) -> None:
    assert factuality.decompose_corrected(text) == propositions


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("1. True\n2. False", {1: True, 2: False}), ("1. true.\n2. **False**", {1: True, 2: False}),
        ("Verdicts:\n1. True\n2. False", {1: True, 2: False}),
        ("1) TRUE 2) FALSE", {1: True, 2: False}),
        ("2. False\n1. True", {1: True, 2: False}), ("1. True/False\n2. True", {2: True}),
        ("1. Partially True\n2. True", {2: True}), ("0. True\n1. False", None),
        ("1. True\n2. False\n3. True", None), ("1. True\n1. False\n2. True", {2: True}), ("", {}),
        ("True\nFalse", {}), ("1. True\n\n\n2. False", {1: True, 2: False}),
    ],
)  # fmt: skip
def test_truth_of_propositions(text: str, verdicts: Mapping[int, bool] | None) -> None:
    assert factuality.judge_corrected(text, 2) == verdicts


def test_factuality_tries_are_bounded() -> None:
    def conversation() -> Any:
        return ask_factuality(PROMPTS.decompose, PROMPTS.judge, "c", "r", "data:,", "corrected")

    verdict, asked = hold(conversation(), ["no list"])
    assert isinstance(verdict, Failed)
    assert len(asked) == 3
    verdict, asked = hold(conversation(), ["1. a\n2. b", "1. True"])
    assert isinstance(verdict, Failed)
    assert len(asked) == 4
    verdict, asked = hold(conversation(), ["1. a\n2. b", "1. True", "1. True\n2. False"])
    assert verdict == FactualityVerdict(("a", "b"), (True, False))
    verdict, asked = hold(conversation(), ["None"])
    assert verdict == FactualityVerdict((), ())
    nothing = ask_factuality(PROMPTS.decompose, PROMPTS.judge, " ", "r", "data:,", "corrected")
    assert hold(nothing, []) == (FactualityVerdict((), ()), [])
    verdict, asked = hold(conversation(), [Reply(finish="content_filter")])
    assert "refused" in verdict.reason
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("Reason: x\nJudgment: Caption 1 is better", 1), ("Judgment: <Caption 2 is better>", 2),
        ("**Judgment:** Tie.", 0), ("**Judgment**: caption 1 is better!", 1),
        ("Judgement: Caption 2 is better", 2), ("judgment: TIE", 0), ("Judgment:\n\nTie", 0),
        ("Judgment: Caption 3 is better", None), ("Judgment: Caption 1 is not better", None),
        ("Judgment: Caption 1 is better\nJudgment: Caption 2 is better", None),
        ("The caption says Judgment: Caption 2 is better.\nJudgment: Caption 1 is better", 1),
        ("Judgment: unsure", None), ("Judgment: 1", None), ("", None),
        ("Caption 1 is better", None),
    ],
)  # fmt: skip
def test_arena(text: str, winner: int | None) -> None:
    assert arena.read_corrected(text) == winner


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_a_corrected_reader(text: str) -> None:
    found = clair.read_corrected(text)
    assert found is None or 0 <= found[0] <= 1
    letters = coverage.read_corrected(text, 4)
    assert letters is None or set(letters) <= set(range(4))
    assert all(factuality.decompose_corrected(text) or [])
    verdicts = factuality.judge_corrected(text, 3)
    assert verdicts is None or set(verdicts) <= {1, 2, 3}
    assert arena.read_corrected(text) in (None, 0, 1, 2)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_oracle_knows_a_scene_by_its_caption(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    caption = write_caption(scene, rng)
    found = scene_of(caption)
    assert (set(found.things), found.background) == (set(scene.things), scene.background)
    assert all(holds(statement, scene) for statement in statements(caption))
    for question in ask_about(scene, rng):
        answer = answer_from(caption, question.text)
        assert answer == question.answer
    other = corrupt_scene(scene, 0.5, rng)
    told = write_caption(other, rng)
    if set(other.things) != set(scene.things):
        assert not all(holds(statement, scene) for statement in statements(told))


def test_an_incomplete_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="not a complete caption"):
        scene_of("a red circle .")
    with pytest.raises(ValueError, match="no statement about scenes"):
        holds("The dog barks.", sample_scene(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no question about scenes"):
        answer_from("a red circle .", "What time is it?\nA) now")
