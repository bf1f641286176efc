"""The oracle's caption is true, grammatical, and the nearest to the draft."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.scenes.grammar import caption_space, vocabulary, write_caption
from rediff.scenes.oracle import nearest_text, revise
from rediff.scenes.parser import fluency, read_caption
from rediff.scenes.world import Scene, sample_scene
from rediff.training.edits import END

CANVAS = 80
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int) -> tuple[Scene, list[str], np.random.Generator]:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    words = write_caption(scene, rng).split()
    return scene, words + [END] * (CANVAS - len(words)), rng


def nearest_caption(scene: Scene, draft: list[str]) -> list[str]:
    return nearest_text(caption_space(scene), draft)


def distance(a: list[str], b: list[str]) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def is_true_caption(scene: Scene, words: list[str]) -> bool:
    text = " ".join(word for word in words if word != END)
    stated, truth = read_caption(text), scene.graph()
    return (
        fluency(text) == 1.0
        and stated.objects == truth.objects
        and stated.attributes == truth.attributes
        and truth.relations <= stated.relations <= truth.relations | scene.pairwise()
    )


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_true_caption_needs_no_edit(seed: int) -> None:
    scene, caption, _ = draw(seed)
    assert revise(caption_space(scene), caption) == []


@given(seeds, st.integers(1, 25))
@settings(max_examples=25, deadline=None)
def test_corrections_are_true_minimal_and_of_equal_length(seed: int, errors: int) -> None:
    scene, caption, rng = draw(seed)
    draft = list(caption)
    words = vocabulary()
    for position in rng.choice(CANVAS, errors, replace=False):
        draft[position] = words[rng.integers(len(words))]
    edits = revise(caption_space(scene), draft)
    corrected = list(draft)
    for edit in edits:
        span = slice(edit.start, edit.start + len(edit.wrong))
        assert tuple(draft[span]) == edit.wrong
        assert len(edit.right) == len(edit.wrong)
        assert all(a != b for a, b in zip(edit.wrong, edit.right, strict=True))
        corrected[span] = edit.right
    assert is_true_caption(scene, corrected)
    assert corrected == nearest_caption(scene, draft)
    assert distance(draft, corrected) <= distance(draft, caption)


def test_no_random_true_caption_is_nearer() -> None:
    scene, caption, rng = draw(5)
    draft = list(caption)
    for position in range(0, 60, 3):
        draft[position] = "circle"
    best = distance(draft, nearest_caption(scene, draft))
    for _ in range(300):
        other = write_caption(scene, rng).split()
        assert distance(draft, other + [END] * (CANVAS - len(other))) >= best


def test_a_false_fact_is_one_edit() -> None:
    scene, caption, _ = draw(7)
    thing = scene.things[0]
    wrong = next(c for c in ("red", "blue") if c != thing.colour)
    at = caption.index(thing.colour)
    draft = [*caption[:at], wrong, *caption[at + 1 :]]
    (edit,) = revise(caption_space(scene), draft)
    assert (edit.start, edit.wrong, edit.right) == (at, (wrong,), (thing.colour,))


def test_a_repeated_sentence_becomes_the_missing_one() -> None:
    scene, caption, _ = draw(11)
    text = " ".join(caption).split(" . ")
    about = [i for i, s in enumerate(text) if any(t.shape in s.split() for t in scene.things)]
    repeated = [text[about[0]] if i == about[1] else s for i, s in enumerate(text)]
    words = " . ".join(repeated).split()[:CANVAS]
    corrected = nearest_caption(scene, words + [END] * (CANVAS - len(words)))
    assert is_true_caption(scene, corrected)


def test_a_canvas_too_short_is_refused() -> None:
    scene, _, _ = draw(13)
    with pytest.raises(ValueError, match="no true text fits a canvas of 20"):
        revise(caption_space(scene), [END] * 20)
