"""The n-gram metrics against pycocoevalcap as it comes."""

import shutil
import time
from contextlib import closing
from typing import Any

import numpy as np
import psutil
import pytest
from conversations import sample
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.ngram.corpus import score_tokens
from rediff_eval.metrics.ngram.java import (
    JavaError,
    JavaPrograms,
    measure_meteor,
    start_meteor,
    tokenize,
    tokenize_lists,
)
from rediff_eval.metrics.ngram.meteor import corpus_meteor
from rediff_eval.metrics.ngram.official import NgramMetric, one_line
from rediff_eval.metrics.ngram.rouge import rouge_l
from rediff_eval.metrics.resources import Resources

EXACT, PRINTED = 1e-9, 1e-6
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")


def texts(case: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    groups = case["groups"]
    return [g["candidate"] for g in groups], [g["references"] for g in groups]


@needs_java
@pytest.mark.vectors("ngram", "corpora")
def test_tokens_and_scores(case: dict[str, Any]) -> None:
    expected, ids = case["expected"], [group["id"] for group in case["groups"]]
    candidates, references = texts(case)
    if isinstance(expected["bleu"], dict):
        samples = [sample(i, references=r) for i, r in zip(ids, references, strict=True)]
        assert "needs references" in {NgramMetric(Resources()).lacks(s) for s in samples}
        return
    written = tokenize(candidates)
    read = tokenize_lists(references)
    assert dict(zip(ids, written, strict=True)) == tokens_of(expected)
    assert dict(zip(ids, read, strict=True)) == expected["tokenized_references"]
    scores = score_tokens(written, read)
    for order, value in enumerate(expected["bleu"], 1):
        bleu = scores[f"bleu{order}"]
        assert bleu.aggregate(bleu.statistics) == pytest.approx(value, abs=EXACT)
    for name in ("rouge_l", "cider"):
        assert scores[name].values.mean() == pytest.approx(expected[name], abs=EXACT)
    for number, sample_id in enumerate(ids):
        one = expected["per_image"][sample_id]
        assert [scores[f"bleu{order}"].values[number] for order in range(1, 5)] == pytest.approx(
            one["bleu"], abs=EXACT
        )
        assert scores["rouge_l"].values[number] == pytest.approx(one["rouge_l"], abs=EXACT)
        assert scores["cider"].values[number] == pytest.approx(one["cider"], abs=EXACT)


lines = st.lists(st.sampled_from("abcd"), max_size=90).map(" ".join)


@given(lines, st.lists(lines, min_size=1, max_size=4))
@settings(deadline=None)
def test_rouge_is_that_of_pycocoevalcap(candidate: str, references: list[str]) -> None:
    assert rouge_l(candidate, references) == Rouge().calc_score([candidate], references)


corpora = st.lists(
    st.tuples(lines, st.lists(lines, min_size=1, max_size=3)), min_size=1, max_size=5
)


@given(corpora)
@settings(deadline=None)
def test_bleu_and_cider_are_those_of_pycocoevalcap(corpus: list[tuple[str, list[str]]]) -> None:
    candidates, references = [one for one, _ in corpus], [some for _, some in corpus]
    bleu, cider = BleuScorer(n=4), CiderScorer(n=4, sigma=6.0)
    for candidate, some in corpus:
        bleu += (candidate, some)
        cider += (candidate, some)
    whole, parts = bleu.compute_score(option="closest", verbose=0)
    found = score_tokens(candidates, references)
    for order in range(1, 5):
        one = found[f"bleu{order}"]
        assert one.values == pytest.approx(parts[order - 1], abs=EXACT)
        assert one.aggregate(one.statistics) == pytest.approx(whole[order - 1], abs=EXACT)
    assume(any(any(some) for some in references))  # without an n-gram pycocoevalcap fails
    assert found["cider"].values == pytest.approx(cider.compute_score()[1], abs=EXACT)


def tokens_of(expected: dict[str, Any]) -> dict[str, str]:
    return {i: tokens[0] for i, tokens in expected["tokenized_candidates"].items()}


@needs_java
def test_meteor(vectors: dict[str, Any]) -> None:
    """All corpora in one go, since its tables take long to load."""
    corpora = [c["expected"] for c in vectors["ngram"]["corpora"] if c["expected"]["per_image"]]
    written = [text for one in corpora for text in tokens_of(one).values()]
    read = [some for one in corpora for some in one["tokenized_references"].values()]
    with start_meteor() as process:
        counts, scores = measure_meteor(process, written, read)
    place = 0
    for one in corpora:
        end = place + len(one["per_image"])
        for found, expected in zip(scores[place:end], one["per_image"].values(), strict=True):
            assert found == pytest.approx(expected["meteor"], abs=PRINTED)
        whole = corpus_meteor(np.array(counts[place:end]))
        assert whole == pytest.approx(one["meteor"], abs=PRINTED)
        place = end
    alone = [float(corpus_meteor(np.array([row]))) for row in counts]
    assert alone == pytest.approx(scores, abs=PRINTED)


@needs_java
@pytest.mark.vectors("ngram", "corpora")
def test_sound_keeps_each_caption_its_own_tokens(case: dict[str, Any]) -> None:
    """Where official tokens belong to another caption, those of the caption alone; where they stop
    at a character, those of the text with a space there."""
    wanted = {(c["id"], c["which"]): c["alone"][0] for c in case["misaligned"]}
    for cut in case.get("truncated", []):
        wanted[cut["id"], cut["which"]] = cut["with_separators_as_spaces"]
    if not wanted:
        return
    ids = [group["id"] for group in case["groups"]]
    candidates, references = texts(case)
    written = tokenize([one_line(text) for text in candidates])
    read = tokenize_lists([list(map(one_line, some)) for some in references])
    for (sample_id, which), tokens in wanted.items():
        place = ids.index(sample_id)
        found = written[place] if which == "candidate" else read[place][int(which.split()[1])]
        assert found == tokens


@needs_java
def test_java_cannot_hang_a_run_and_is_kept_for_the_next_captions() -> None:
    java, started = JavaPrograms(), time.monotonic()
    with pytest.raises(JavaError, match="longer than"):
        java.score(["a dog"], [["a cat"]], seconds=0.3)
    assert time.monotonic() - started < 30
    first = java.score(["a dog"], [["a dog"]], seconds=600)
    assert (first.scores, first.counts[0][:2]) == ([pytest.approx(1.0)], [2, 2])
    kept = psutil.Process().children(recursive=True)
    again = java.score(["a cat", "a dog"], [["a dog"], ["a dog"]], seconds=600)
    assert again.scores[1] == first.scores[0] > again.scores[0]
    assert psutil.Process().children(recursive=True) == kept
    assert java.close() == ""


@needs_java
def test_line_ends_make_no_difference_when_sound() -> None:
    samples = [sample(str(i), references=["a dog runs on the grass"]) for i in range(2)]
    answers = [Answer("a dog\u2028runs on the grass"), Answer("a cat")]
    with closing(Resources()) as resources:
        sound = NgramMetric(resources).score(samples, answers).scores
    assert sound["meteor"].values[0] == pytest.approx(1.0)
    assert sound["bleu1"].values[0] == pytest.approx(1.0)
    assert set(sound) == {"bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider"}
    assert tokenize([answer.text for answer in answers]) == ["a dog", "runs on the grass"]


def test_without_java_it_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert NgramMetric(Resources()).unavailable() == "needs Java"
