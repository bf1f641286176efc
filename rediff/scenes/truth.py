"""The true texts about a scene, for captions and for questions."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.scenes.answers import answer
from rediff.scenes.grammar import caption_space
from rediff.scenes.questions import read_question
from rediff.scenes.text_space import TextSpace
from rediff.scenes.world import Scene


def true_texts(scene: Scene, said: Sequence[str]) -> TextSpace:
    """The true answers to the last question of a dialogue.

    Args:
        scene: the truth.
        said: questions and answers in turn, a question first and last. A last one that is not a
            question of ours asks for a caption, as "describe the image" does.

    Returns:
        All true texts, in a form that can be searched for the nearest one.
    """
    question = read_question(said)
    return caption_space(scene) if question is None else answer(scene, question)
