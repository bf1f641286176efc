"""Answers to questions about scenes, held to all true answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rediff.data.dialogue import Dialogue
from rediff.scenes.answers import recognise_answer
from rediff.scenes.dialogues import FAMILIES, MAX_ANSWER, family_of
from rediff.scenes.oracle import nearest_text
from rediff.scenes.parser import fluency, tokenize
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene
from rediff.training.edits import END
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    MetricInfo,
    Scored,
    Scores,
    register_metric,
)


@register_metric(
    "true-answers",
    infos=[
        MetricInfo("accuracy"),
        *(MetricInfo(f"accuracy_{family}") for family in FAMILIES),
        MetricInfo("word_accuracy"),
        MetricInfo("fluency"),
    ],
)
class TrueAnswersMetric(AlwaysAvailable):
    """Scores answers to questions about embedded scenes.

    `accuracy`: share of the answers that are true, whole and grammatical: the oracle would change
    nothing. `accuracy_F`: the same of the questions of each family F. `word_accuracy`: share of an
    answer's words that are at the same place in the true answer nearest to it. `fluency`: share
    of the sentences that some answer, true or not, could have.
    """

    scorer = "true-answers"

    def lacks(self, sample: Sample) -> str | None:
        return None if sample.scene and sample.dialogue else "needs a question about a scene"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        near = np.array(
            [
                word_accuracy(answer.text, sample.scene, sample.dialogue)
                for sample, answer in zip(samples, answers, strict=True)
                if sample.scene is not None
            ]
        )
        assert len(near) == len(samples), "these answers are told by their scenes"
        right = (near == 1).astype(float)
        families = np.array([family_of(sample.dialogue) for sample in samples])
        fluent = [fluency(answer.text, recognise_answer) for answer in answers]
        return Scored(
            {
                "accuracy": Scores.of(right.tolist()),
                **{
                    f"accuracy_{name}": Scores(
                        right[families == name, None], np.where(families == name, right, np.nan)
                    )
                    for name in FAMILIES
                    if name in families
                },
                "word_accuracy": Scores.of(near.tolist()),
                "fluency": Scores.of(fluent),
            }
        )


def word_accuracy(text: str, scene: Scene, dialogue: Dialogue) -> float:
    """Share of the words that the nearest true answer has at the same places, in [0, 1].

    Words that are missing or too many count as wrong; 1 is a true answer.
    """
    words = tokenize(text)
    size = max(len(words), MAX_ANSWER)
    draft = words + [END] * (size - len(words))
    right = nearest_text(true_texts(scene, dialogue), draft)
    misses = sum(a != b for a, b in zip(draft, right, strict=True))
    return 1 - misses / max(len(words), size - right.count(END))
