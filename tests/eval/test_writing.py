"""How captions were written, on traces made by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from rediff.decoding.trace import Trace
from rediff_eval.captioning.answers import Answer, count_revisions, history
from rediff_eval.captioning.writing import BINS, Writing, count_writing, rank_correlation
from rediff_eval.metrics.resources import Resources
from rediff_eval.metrics.writing import WritingMetric

MASK, END = "<|mask|>", "<|end|>"
EVENTS = [
    [(0, "a", 0.95), (2, "c", 0.4)],
    [(1, "x", 0.6)],
    [(1, MASK, 0.0), (3, END, 0.9)],
    [(1, "b", 1.0)],
]
"""A word that was written wrong is masked again, and written right; then the end."""


def trace_of(events: list[list[tuple[int, str, float]]], length: int) -> Trace:
    """The trace of some steps, each a list of (position, word, confidence)."""
    words, masked, unmasked, revised, confidence = [], [], [], [], []
    now = [MASK] * length
    for step in events:
        before, now = now, list(now)
        certain = [0.0] * length
        for place, word, p in step:
            now[place], certain[place] = word, p
        words.append(now)
        masked.append([w == MASK for w in now])
        unmasked.append([b == MASK != w for b, w in zip(before, now, strict=True)])
        revised.append([MASK not in (b, w) and b != w for b, w in zip(before, now, strict=True)])
        confidence.append(certain)
    return Trace(
        tokens=torch.zeros(len(events), length, dtype=torch.long),
        masked=torch.tensor(masked),
        confidence=torch.tensor(confidence),
        unmasked=torch.tensor(unmasked),
        revised=torch.tensor(revised),
        words=words,
    )


def test_what_is_written_again_counts_again() -> None:
    writing = count_writing(trace_of(EVENTS, 4), ["a", "b", "d", END])
    assert sum(writing.written) == 4
    assert writing.right is not None
    assert writing.mended is not None
    assert (writing.written[9], writing.right[9]) == (2, 2)
    assert (writing.written[6], writing.right[6], writing.mended[6]) == (1, 0, 1)
    assert (writing.written[4], writing.right[4], writing.mended[4]) == (1, 0, 0)
    assert writing.confidence[9] == pytest.approx(1.95)
    # a and c in step 0, b in step 3; ranks 1.5, 1.5 and 3 at places 0, 2 and 1.
    assert writing.order == pytest.approx(spearmanr([0, 1, 2], [0, 3, 0]).statistic, abs=1e-4)
    untold = count_writing(trace_of(EVENTS, 4), None)
    assert untold.right is None
    assert untold.mended is None


def test_a_word_that_was_masked_again_is_a_revision_once_it_is_another() -> None:
    trace = trace_of(EVENTS, 4)
    assert not trace.revised.any()
    counts = count_revisions(trace, ["a", "b", "c", END])
    assert (counts.revisions, counts.flips, counts.fixed, counts.broken) == (1, 0, 1, 0)
    back = [*EVENTS, [(1, MASK, 0.0)], [(1, "x", 0.5)], [(1, MASK, 0.0)], [(1, "x", 0.5)]]
    counts = count_revisions(trace_of(back, 4), ["a", "b", "c", END])
    assert (counts.revisions, counts.flips, counts.fixed, counts.broken) == (2, 1, 1, 1)


def test_the_history_shows_what_is_masked_again() -> None:
    steps = history(trace_of(EVENTS, 4), None)["steps"]
    assert steps[1] == [[1, "x", 0.6, "c"]]
    assert steps[2] == [[1, None, 0.0, "r"], [3, END, 0.9, "c"]]
    assert steps[3] == [[1, "b", 1.0, "c"]]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_rank_correlation_is_spearman_s(pairs: list[tuple[int, int]]) -> None:
    one, two = [a for a, _ in pairs], [b for _, b in pairs]
    found = rank_correlation(one, two)
    if len({*one}) > 1 and len({*two}) > 1:
        assert found == pytest.approx(spearmanr(one, two).statistic, abs=1e-4)
    else:
        assert found is None


words = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), min_size=1, max_size=20)


@given(st.lists(words, min_size=1, max_size=5))
def test_the_metrics_by_plain_loops(captions: list[list[tuple[float, bool, bool]]]) -> None:
    """Words as (confidence, right when written, right in the end)."""
    answers = []
    for caption in captions:
        counts = np.zeros((4, BINS))
        for p, right, ends in caption:
            counts[:, min(9, int(10 * p))] += (1, p, right, not right and ends)
        written, confidence, right, mended = counts.tolist()
        answers.append(
            Answer(text="a", nfe=4, writing=Writing(0.5, written, confidence, right, mended))
        )
    scores = WritingMetric(Resources()).score([], answers).scores
    found = {name: float(s.aggregate(s.statistics)) for name, s in scores.items()}
    every = [word for caption in captions for word in caption]
    bins = [[w for w in every if min(9, int(10 * w[0])) == b] for b in range(BINS)]
    apart = sum(abs(sum(w[0] for w in b) - sum(w[1] for w in b)) for b in bins)
    assert found["calibration"] == pytest.approx(apart / len(every))
    assert found["certainty"] == pytest.approx(sum(w[0] for w in every) / len(every))
    assert found["right_when_written"] == pytest.approx(sum(w[1] for w in every) / len(every))
    assert found["commits_per_pass"] == pytest.approx(len(every) / (4 * len(captions)))
    assert found["order"] == 0.5
    wrong = [w for w in every if not w[1]]
    assert ("mended" in found) == bool(wrong)
    if wrong:
        assert found["mended"] == pytest.approx(sum(w[2] for w in wrong) / len(wrong))
    assert all(np.isfinite(value) for value in found.values())


def test_captions_of_no_words_have_no_shares() -> None:
    """A share of nothing is no number, and a table that held one could not be read again."""
    nothing = Writing(None, [0] * BINS, [0.0] * BINS, [0] * BINS, [0] * BINS)
    scores = WritingMetric(Resources()).score([], [Answer(nfe=4, writing=nothing)] * 2).scores
    assert {name: s.aggregate(s.statistics) for name, s in scores.items()} == {
        "commits_per_pass": 0.0
    }


def test_a_model_whose_steps_are_not_seen_has_none() -> None:
    assert WritingMetric(Resources()).score([], [Answer(text="a")]).scores == {}


def test_a_record_comes_back_as_it_was() -> None:
    answer = Answer(text="a", writing=Writing(None, [1] * BINS, [0.5] * BINS))
    assert Answer.from_record(answer.to_record()) == answer
