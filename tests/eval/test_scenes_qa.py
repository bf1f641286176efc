"""The task of questions about scenes: what is asked, what counts as right, what a run keeps."""

import json
import math
from pathlib import Path

import pytest
from programs import inside, numbers, program
from sample_sets import samples_of

from rediff.scenes.dialogues import FAMILIES, family_of
from rediff.scenes.truth import true_texts
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.benchmarks.task import SceneData, load_task
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.resources import Resources
from rediff_eval.metrics.true_answers import TrueAnswersMetric, word_accuracy

TASK = load_task("scenes-qa")


def asked(count: int) -> tuple[Sample, ...]:
    return samples_of(TASK, count, None).samples


def score(samples: tuple[Sample, ...], texts: list[str]) -> dict[str, float]:
    metric = TrueAnswersMetric(Resources())
    assert not any(metric.lacks(sample) for sample in samples)
    found = metric.score(samples, [Answer(text=text) for text in texts])
    return {
        name: float(scores.aggregate(scores.statistics)) for name, scores in found.scores.items()
    }


def test_every_scene_is_asked_a_question_of_its_own_and_families_take_turns() -> None:
    samples = asked(10)
    assert [family_of(sample.dialogue) for sample in samples] == [*FAMILIES] * 2
    assert [sample.dialogue for sample in samples[:3]] == [sample.dialogue for sample in asked(3)]
    assert len({sample.id for sample in samples}) == 10
    for sample in samples:
        assert sample.scene is not None
        assert len(sample.references) == 3
        for reference in sample.references:
            assert word_accuracy(reference, sample.scene, sample.dialogue) == 1


def test_the_same_scene_is_another_sample_when_something_else_is_asked() -> None:
    captions = samples_of(load_task("capture"), 5, None)
    questions = samples_of(TASK, 5, None)
    assert not {s.id for s in captions.samples} & {s.id for s in questions.samples}
    assert not {s.digest for s in captions.samples} & {s.digest for s in questions.samples}
    assert captions.name != questions.name


def test_true_answers_are_right_in_any_words_and_others_are_not() -> None:
    samples = asked(10)
    right = [sample.references[1] for sample in samples]
    assert set(score(samples, right).values()) == {1.0}
    wrong = ["", "the the the", *(f"{text} {text}" for text in right[2:])]
    scores = score(samples, wrong)
    assert {scores[name] for name in scores if name.startswith("accuracy")} == {0.0}
    assert 0 < scores["word_accuracy"] < 1
    assert scores["fluency"] == pytest.approx(0.8)


def test_families_are_scored_apart() -> None:
    samples = asked(10)
    texts = [s.references[0] if family_of(s.dialogue) == "count" else "no ." for s in samples]
    scores = score(samples, texts)
    assert scores["accuracy"] == pytest.approx(0.2)
    assert {n: scores[f"accuracy_{n}"] for n in FAMILIES} == {
        name: float(name == "count") for name in FAMILIES
    }


def test_word_accuracy_counts_places_of_the_nearest_true_answer() -> None:
    scene, said = asked(1)[0].scene, ("what colour is the background ?",)
    assert scene is not None
    truth = f"the background is {scene.background} ."
    assert word_accuracy(truth, scene, said) == 1
    assert word_accuracy("the background is red .", scene, said) == pytest.approx(0.8)
    assert word_accuracy(f"{truth} .", scene, said) == pytest.approx(5 / 6)
    assert word_accuracy("", scene, said) == 0


def test_dialogues_are_samples_of_their_own() -> None:
    with pytest.raises(ValueError, match="'dialogues' are samples of their own"):
        SceneData(split="test", captions=1, dialogues=True, questions=True)


def test_samples_without_questions_are_not_scored() -> None:
    metric = TrueAnswersMetric(Resources())
    captions = samples_of(load_task("capture"), 2, None).samples
    assert {metric.lacks(sample) for sample in captions} == {"needs a question about a scene"}


def test_answers_made_elsewhere_are_scored(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({sample.id: sample.references[2] for sample in asked(6)}))
    inside("score", path, "--task", "scenes-qa", "--limit", "6", "--out", tmp_path / "run")
    value = {row["metric"]: float(row["value"]) for row in numbers(tmp_path / "run")}
    assert value["accuracy"] == 1
    assert "accuracy_dialogue" in value


def test_a_run_asks_each_sample_its_own_and_holds_revisions_to_its_truth(
    untrained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    program(
        "run", "--task", "scenes-qa", "--limit", "6", "--steps", "16", "--out", out,
        "--model", f"{untrained / 'diffusion'}:refine",
    )  # fmt: skip
    lines = [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]
    assert [tuple(line["said"]) for line in lines] == [sample.dialogue for sample in asked(6)]
    assert not any(math.isnan(float(row["value"])) for row in numbers(out))
    for line, sample in zip(lines, asked(6), strict=True):
        truth = line["trace"]["truth"]
        assert sample.scene is not None
        if truth is not None:
            text = " ".join(truth)
            assert word_accuracy(text, sample.scene, sample.dialogue) == 1


def test_a_person_asks_about_a_picture(untrained: Path) -> None:
    model = ("--model", untrained / "diffusion", "--steps", "4")
    program("caption", "scene:0", *model, "--ask", "what colour is the circle ?", "--trace")
    program(
        "caption", "scene:0", *model, "--ask", "how many ?", "--ask", "three", "--ask", "where ?"
    )
    output = program("caption", "scene:0", *model, "--ask", "where ?", "--ask", "there", ok=2)
    assert "questions and answers in turn" in output


def test_the_truth_of_a_sample_is_that_of_its_question() -> None:
    sample = asked(1)[0]
    assert sample.scene is not None
    assert sample.asked(TASK.prompt) == sample.dialogue
    assert len(true_texts(sample.scene, sample.dialogue).each) == 1
    caption = samples_of(load_task("capture"), 1, None).samples[0]
    assert caption.asked(TASK.prompt) == (TASK.prompt,)
