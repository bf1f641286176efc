"""Questions are read back, their answers are true, and the oracle knows which answer is near."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.scenes.answers import answer, question_words, recognise_answer
from rediff.scenes.dataset import WORLD_VERSION
from rediff.scenes.dialogues import FAMILIES, MAX_ANSWER, family_of, write_dialogue
from rediff.scenes.grammar import caption_space, vocabulary
from rediff.scenes.oracle import nearest_text, revise
from rediff.scenes.parser import fluency, tokenize
from rediff.scenes.questions import ASKS, Question, read_question
from rediff.scenes.templates import expand
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene, Thing, sample_scene
from rediff.training.edits import END

CANVAS = 80
seeds = st.integers(0, 2**32 - 1)
families = st.sampled_from(sorted(FAMILIES))
SCENE = Scene(
    (
        Thing("circle", "red", "small", "plain", "top", "left"),
        Thing("star", "blue", "large", "striped", "top", "right"),
        Thing("ring", "red", "large", "dotted", "bottom", "right"),
    ),
    "mint",
)
MEANING = {
    "shape": "circle", "other": "star", "quality": "red", "relation": "left of", "row": "top",
    "column": "left",
}  # fmt: skip


def padded(text: str) -> list[str]:
    words = tokenize(text)
    return words + [END] * (CANVAS - len(words))


def is_true(text: str, *said: str, scene: Scene = SCENE) -> bool:
    return not revise(true_texts(scene, said), padded(text))


@given(seeds, families)
@settings(max_examples=150, deadline=None)
def test_dialogues_are_read_back_and_their_answers_are_true(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    *said, reply = write_dialogue(scene, family, rng)
    assert len(said) == (3 if family == "dialogue" else 1)
    assert family_of(said) == family
    assert len(reply.split()) <= MAX_ANSWER
    for end in range(1, len(said) + 1, 2):
        assert is_true((*said, reply)[end], *said[:end], scene=scene)
    words = {*vocabulary(), *question_words()}
    assert words.issuperset(itertools.chain(*map(tokenize, (*said, reply))))


@given(seeds, families, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_corrected_answer_is_true_and_nearer_than_the_one_it_was_made_from(
    seed: int, family: str, errors: int
) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng)
    *said, reply = write_dialogue(scene, family, rng)
    draft, words = padded(reply), question_words()
    for place in rng.integers(len(tokenize(reply)) + 2, size=errors):
        draft[place] = words[rng.integers(len(words))]
    space = true_texts(scene, said)
    right = nearest_text(space, draft)
    assert revise(space, right) == []
    changed, broken = (
        sum(a != b for a, b in zip(draft, other, strict=True)) for other in (right, padded(reply))
    )
    assert changed <= broken


@pytest.mark.parametrize("kind", ASKS)
def test_every_way_to_ask_is_read_as_what_it_asks(kind: str) -> None:
    for form in expand(ASKS[kind], MEANING):
        for column in range(max(map(len, form))):
            text = " ".join(w for slot in form for w in slot[min(column, len(slot) - 1)])
            question = read_question((text,))
            assert question is not None
            assert question.kind == kind, text
            assert dict(question.filled).items() <= MEANING.items()


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        (["how many shapes are there ?"], "there are three figures .", "there are four figures ."),
        (
            ["how many shapes are red ?"],
            "two of the shapes are red .",
            "one of the shapes is red .",
        ),
        (["how many tiny figures are there ?"], "there is one small shape .", "there are none ."),
        (["how many shapes are pink ?"], "nothing is pink .", "two of the shapes are pink ."),
        (
            ["What colour is the background?"],
            "the background is mint .",
            "the background is white .",
        ),
        (["what size is the star ?"], "its size is huge .", "its size is tiny ."),
        (
            ["where is the ring ?"],
            "the ring lies at the lower right .",
            "the ring lies at the top left .",
        ),
        (["is there a heart ?"], "no , there is no heart .", "yes , there is a heart ."),
        (["what colour is the heart ?"], "there is no heart .", "the heart is red ."),
        (["is the circle blue ?"], "no , it is red .", "no , it is pink ."),
        (["is the circle left of the star ?"], "yes , it is left of the star .", "yes , it is ."),
        (
            ["is the circle above the star ?"],
            "no , it is not over the star .",
            "yes , it is over the star .",
        ),
        (
            ["what is left of the ring ?"],
            "the circle is left of the ring .",
            "the star is left of the ring .",
        ),
        (
            ["what is above the ring ?"],
            "the star and the circle are above the ring .",
            "the star is above the ring .",
        ),
        (
            ["what is right of the ring ?"],
            "nothing is right of the ring .",
            "the ring is right of the ring .",
        ),
        (
            ["what is at the top left ?"],
            "the circle is at the top left .",
            "the star is at the top left .",
        ),
        (
            ["what is at the middle left ?"],
            "nothing is at the middle left .",
            "the star is at the middle left .",
        ),
        (["which shape is blue ?"], "the star is blue .", "the ring is blue ."),
        (
            ["name the shapes and their colours ."],
            "the ring is red . the circle is red . there is a blue star .",
            "the ring is red . the circle is red .",
        ),
        (
            ["which shape is blue ?", "the star is blue .", "where is it ?"],
            "the star is at the top right .",
            "the circle is at the top left .",
        ),
        (
            ["what size is the star ?", "its size is huge .", "and the circle ?"],
            "its size is tiny .",
            "its size is huge .",
        ),
        (
            [
                "is the star left of the ring ?",
                "no , it is not left of the ring .",
                "and its size ?",
            ],
            "its size is big .",
            "its size is small .",
        ),
        (
            ["what size is the star ?", "its size is huge .", "is it right of the circle ?"],
            "yes , it is right of the circle .",
            "no , it is not right of the circle .",
        ),
    ],
)
def test_the_truth_is_told_from_what_is_false(said: list[str], right: str, wrong: str) -> None:
    assert is_true(right, *said)
    assert not is_true(wrong, *said)


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (["is the heart left of the star ?"], "there is no heart ."),
        (["is the star left of the heart ?"], "no , there is no heart ."),
        (["what is left of the heart ?"], "there is no heart ."),
        (["describe the heart and the cross ."], "there is no cross . no , there is no heart ."),
        (["describe the heart and the heart ."], "there is no heart ."),
        (["is the star left of the star ?"], "no , it is not left of the star ."),
    ],
)
def test_what_is_not_there_is_said_once_each(said: list[str], right: str) -> None:
    assert is_true(right, *said)
    assert not is_true(f"{right} {right}", *said)
    assert not is_true("yes , it is left of the star .", *said)


@pytest.mark.parametrize(
    "sentence",
    [
        "there are none shapes .", "there are one figures .", "one of the shapes are red .",
        "the star and the ring is red .", "the star , the ring are red .", "there is yes heart .",
    ],
)  # fmt: skip
def test_no_answer_has_a_broken_sentence(sentence: str) -> None:
    assert recognise_answer(sentence) is None


@given(seeds, families)
@settings(max_examples=60, deadline=None)
def test_answers_are_grammatical(seed: int, family: str) -> None:
    rng = np.random.default_rng(seed)
    *_, reply = write_dialogue(sample_scene(rng), family, rng)
    assert fluency(reply, recognise_answer) == 1.0


def test_dialogues_are_those_of_this_version_of_the_world() -> None:
    """Trained models are known by `WORLD_VERSION`: whoever changes this digest raises that."""
    rng = np.random.default_rng(0)
    said = [write_dialogue(sample_scene(rng), name, rng) for name in list(FAMILIES) * 20]
    digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16]
    assert (WORLD_VERSION, digest) == (1, "4de279053f897d59")


def test_a_wrong_fact_of_an_answer_is_one_edit() -> None:
    space = answer(SCENE, Question("colour", {"shape": "star"}))
    (edit,) = revise(space, padded("the star is red ."))
    assert (edit.start, edit.wrong, edit.right) == (3, ("red",), ("blue",))


def test_what_is_no_question_of_ours_asks_for_a_caption() -> None:
    said = ["Please describe the image in detail."]
    assert read_question(said) is None
    assert true_texts(SCENE, said) == caption_space(SCENE)
    with pytest.raises(ValueError, match="no question about scenes: 'Please"):
        family_of(said)


@pytest.mark.parametrize(
    "said",
    [
        ["and the circle ?"],
        ["describe the image in detail .", "a red circle .", "where is it ?"],
        ["how many shapes are there ?", "there are three shapes .", "and the circle ?"],
        ["how many shapes are there ?", "there are three shapes .", "where is it ?"],
    ],
)
def test_a_follow_up_of_nothing_is_no_question(said: list[str]) -> None:
    assert read_question(said) is None
