"""The points of reliability diagrams, held to plain loops and to captions whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff_eval.captioning.writing import BINS
from rediff_eval.views.report.reliability import Reliability
from rediff_eval.views.report.svg import square_chart

words = st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=30)


def record(caption: list[tuple[float, bool]]) -> dict[str, list[float]]:
    """The counts of a caption of words, as (confidence, right)."""
    counts = np.zeros((3, BINS))
    for p, right in caption:
        counts[:, min(BINS - 1, int(BINS * p))] += (1, p, right)
    return dict(zip(("written", "confidence", "right"), counts.tolist(), strict=True))


def reliability(captions: list[list[tuple[float, bool]]]) -> Reliability:
    found = Reliability()
    for caption in captions:
        found.add(record(caption))
    return found


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=8))
def test_points_are_those_of_plain_loops(captions: list[list[tuple[float, bool]]]) -> None:
    every = [word for caption in captions for word in caption]
    bins = [[w for w in every if min(BINS - 1, int(BINS * w[0])) == b] for b in range(BINS)]
    found = reliability(captions).points()
    expected = [(np.mean([w[0] for w in b]), np.mean([w[1] for w in b])) for b in bins if b]
    assert [p.x for p in found] == pytest.approx([x for x, _ in expected])
    assert [p.y for p in found] == pytest.approx([y for _, y in expected])
    assert all(0 <= p.low <= p.y + 1e-9 and p.y - 1e-9 <= p.high <= 1 for p in found)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Captions whose words are right together: by words alone the interval would be too narrow."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        chances = generator.choice([0.4, 0.8], size=100)
        captions = [[(0.65, right) for right in generator.random(12) < p] for p in chances]
        (point,) = reliability(captions).points()
        held += point.low <= 0.6 <= point.high
    assert 0.92 <= held / 200 <= 0.98


def test_captions_whose_truth_is_not_known_have_no_points() -> None:
    found = Reliability()
    found.add({"order": None, "written": [1] * BINS, "confidence": [0.5] * BINS})
    assert found.points() == []
    assert square_chart([], x_label="confidence", y_label="share right") == ""
