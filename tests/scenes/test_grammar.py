"""Captions are true, of the stated length, and read back exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.scenes.grammar import (
    MAX_WORDS,
    MIN_WORDS,
    thing_meaning,
    vocabulary,
    write_caption,
    write_plainly,
)
from rediff.scenes.parser import fluency, read_caption, split_sentences
from rediff.scenes.sentence_parser import recognise
from rediff.scenes.world import Scene, sample_scene

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int) -> tuple[Scene, str]:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    return scene, write_caption(scene, rng)


@given(seeds)
@settings(max_examples=200, deadline=None)
def test_captions_are_read_back_exactly(seed: int) -> None:
    scene, caption = draw(seed)
    truth, stated = scene.graph(), read_caption(caption)
    assert stated.objects == truth.objects
    assert stated.attributes == truth.attributes
    assert truth.relations <= stated.relations
    assert stated.relations - truth.relations <= scene.pairwise()


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_captions_are_grammatical_and_of_the_stated_length(seed: int) -> None:
    _, caption = draw(seed)
    words = caption.split()
    assert MIN_WORDS <= len(words) <= MAX_WORDS
    assert set(words) <= set(vocabulary())
    assert fluency(caption) == 1.0
    assert all(recognise(sentence) for sentence in split_sentences(caption))


def test_the_same_scene_is_described_in_many_ways_and_orders() -> None:
    rng = np.random.default_rng(0)
    scene = sample_scene(rng)
    captions = {write_caption(scene, rng) for _ in range(50)}
    first_mentioned = {
        min(truth.shape for truth in scene.things if truth.shape in caption.split()[:30])
        for caption in captions
        if any(truth.shape in caption.split()[:30] for truth in scene.things)
    }
    assert len(captions) == 50
    assert len(first_mentioned) > 1


def test_reading_does_not_depend_on_spacing_and_case() -> None:
    _, caption = draw(1)
    pretty = caption.replace(" ,", ",").replace(" .", ".").capitalize()
    assert read_caption(pretty) == read_caption(caption)


@pytest.mark.parametrize(
    ("text", "attributes", "relations"),
    [
        ("a small the red circle circle .", {("circle", "small"), ("circle", "red")}, set()),
        ("red circle at at top left", {("circle", "red")}, {("circle", "at", "top left")}),
        ("circle left of of star", set(), {("circle", "left of", "star")}),
        ("a red a blue star .", {("star", "red"), ("star", "blue")}, set()),
        ("small and and .", set(), set()),
        ("", set(), set()),
    ],
)
def test_broken_sentences_are_read_as_far_as_they_go(
    text: str, attributes: set[object], relations: set[object]
) -> None:
    graph = read_caption(text)
    assert graph.attributes == attributes
    assert graph.relations == relations
    assert fluency(text) == 0.0


def test_a_quality_belongs_to_the_nearest_shape() -> None:
    graph = read_caption("circle red or or or blue star .")
    assert graph.attributes == {("circle", "red"), ("star", "blue")}


def test_the_plain_sentence_states_every_fact() -> None:
    scene, _ = draw(3)
    thing = scene.things[0]
    words = write_plainly(thing_meaning(thing)).split()
    assert {thing.shape, thing.colour, thing.size, thing.texture, thing.row} <= set(words)
