"""The points of reliability diagrams, held to plain loops and to captions whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff_eval.captioning.writing import BINS
from rediff_eval.views.report.reliability import Reliability
from rediff_eval.views.report.svg import Point, square_chart

words = st.lists(
    st.tuples(st.floats(0.01, 1), st.booleans(), st.booleans()), min_size=1, max_size=30
)
Word = tuple[float, bool, bool]
"""Its confidence, whether it is right when it is written, and else whether it is in the end."""


def bin_of(word: Word) -> int:
    return min(BINS - 1, int(BINS * word[0]))


def record(caption: list[Word]) -> dict[str, list[float]]:
    """The counts of a caption."""
    counts = np.zeros((4, BINS))
    for word in caption:
        p, right, mended = word
        counts[:, bin_of(word)] += (1, p, right, mended and not right)
    names = ("written", "confidence", "right", "mended")
    return dict(zip(names, counts.tolist(), strict=True))


def reliability(captions: list[list[Word]]) -> Reliability:
    found = Reliability()
    for caption in captions:
        found.add(record(caption))
    return found


def assert_points(points: list[Point], expected: list[tuple[float, float]]) -> None:
    assert [p.x for p in points] == pytest.approx([x for x, _ in expected])
    assert [p.y for p in points] == pytest.approx([y for _, y in expected])


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=8))
def test_points_are_those_of_plain_loops(captions: list[list[Word]]) -> None:
    every = [word for caption in captions for word in caption]
    bins = [b for n in range(BINS) if (b := [word for word in every if bin_of(word) == n])]
    found = reliability(captions)
    shares = [(np.mean([w[0] for w in b]), np.mean([w[1] for w in b])) for b in bins]
    assert_points(found.right(), shares)
    wrong = [(np.mean([w[0] for w in b]), [w[2] for w in b if not w[1]]) for b in bins]
    mended = [(x, np.mean(words)) for x, words in wrong if words]
    assert_points(found.mended(), mended if any(share for _, share in mended) else [])
    for p in (*found.right(), *found.mended()):
        assert 0 <= p.low <= p.y + 1e-9
        assert p.y - 1e-9 <= p.high <= 1


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Captions whose words are right together: by words alone the interval would be too narrow."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        chances = generator.choice([0.4, 0.8], size=100)
        captions = [[(0.65, right, False) for right in generator.random(12) < p] for p in chances]
        (point,) = reliability(captions).right()
        held += point.low <= 0.6 <= point.high
    assert 0.92 <= held / 200 <= 0.98


def test_captions_whose_truth_is_not_known_have_no_points() -> None:
    found = Reliability()
    found.add({"order": None, "written": [1] * BINS, "confidence": [0.5] * BINS})
    assert found.right() == found.mended() == []
    assert square_chart([], x_label="confidence", y_label="share right") == ""
