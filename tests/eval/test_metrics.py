"""Metrics on captions whose scores are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu

from rediff.scenes.grammar import write_caption
from rediff.scenes.scoring import repetition, score_caption
from rediff.scenes.world import Scene, Thing, sample_scene
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import Scores
from rediff_eval.metrics.ngram.lite import NgramLiteMetric, words
from rediff_eval.metrics.resources import Resources
from rediff_eval.results.stats import estimate

SCENE = Scene(
    (
        Thing("circle", "red", "small", "plain", "top", "left"),
        Thing("star", "blue", "large", "striped", "bottom", "right"),
    ),
    "white",
)


def caption(text: str) -> Answer:
    return Answer(text, len(text.split()), 1, 0.1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_true_caption_scores_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    scores = score_caption(write_caption(scene, rng), scene)
    ones = ("capture", "object_f1", "attribute_f1", "relation_f1", "coverage", "fluency")
    assert all(scores[name] == pytest.approx(1.0) for name in ones)
    assert scores["hallucination"] == 0.0


def test_each_part_is_counted_as_stated() -> None:
    scores = score_caption("a little red circle lies at the top left .", SCENE)
    assert scores["object_f1"] == pytest.approx(2 / 3)
    facts_right, facts_true = 2, 7
    precision, recall = 1.0, facts_right / facts_true
    assert scores["attribute_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert scores["relation_f1"] == pytest.approx(2 / 3)
    assert scores["hallucination"] == 0.0
    assert scores["coverage"] == pytest.approx((1 + 2 + 1) / (2 + 7 + 2))
    weighted = 5 * scores["object_f1"] + 5 * scores["attribute_f1"] + 2 * scores["relation_f1"]
    assert scores["capture"] == pytest.approx(weighted / 12)


def test_false_facts_are_hallucinations() -> None:
    scores = score_caption("a green ring at the top left .", SCENE)
    assert scores["hallucination"] == 1.0
    assert scores["capture"] == scores["coverage"] == 0.0


def test_an_empty_caption_scores_zero_and_hallucinates_nothing() -> None:
    assert set(score_caption("", SCENE).values()) == {0.0}


def test_true_relations_between_things_count_for_precision_only() -> None:
    told = "a red circle at the top left . the circle is left of the star ."
    false = "a red circle at the top left . the circle is right of the star ."
    assert score_caption(told, SCENE)["relation_f1"] == pytest.approx(2 / 3)
    assert score_caption(false, SCENE)["relation_f1"] == pytest.approx(0.5)


def test_repetition_counts_runs_that_stood_before() -> None:
    assert repetition("a b c d e f g h") == 0.0
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert repetition("a b c") == 0.0


def test_bleu_is_pycocoevalcap_s() -> None:
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(6)]
    samples = [
        Sample(str(i), lambda: None, "", tuple(write_caption(s, rng) for _ in range(3)), s)  # type: ignore[arg-type, return-value]
        for i, s in enumerate(scenes)
    ]
    captions = [caption(write_caption(s, rng)) for s in scenes]
    scores = NgramLiteMetric(Resources()).score(samples, captions).scores
    reference, _ = Bleu(4).compute_score(
        {i: [words(r) for r in s.references] for i, s in enumerate(samples)},
        {i: [words(c.text)] for i, c in enumerate(captions)},
        verbose=0,
    )
    assert estimate(scores["bleu4"]).value == pytest.approx(reference[3])
    assert estimate(scores["rouge_l"]).value > 0.2
    assert estimate(scores["cider"]).value > 0.0


def test_intervals_are_deterministic_and_hold_the_value() -> None:
    values = Scores.of(list(np.random.default_rng(0).random(50)))
    first, second = estimate(values, seed=3), estimate(values, seed=3)
    assert first == second
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.value < first.high
    assert estimate(values, seed=4).low != first.low


def test_one_sample_has_no_interval() -> None:
    only = estimate(Scores.of([0.5]))
    assert (only.value, only.low, only.high, only.n) == (0.5, None, None, 1)


def test_intervals_of_a_mean_cover_it_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        found = estimate(Scores.of(list(rng.normal(size=80))))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.0 <= found.high
    assert 0.90 <= covered / 200 <= 0.99
