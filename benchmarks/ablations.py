"""The ablations' table: what each arm changes, with intervals, beside what the paper reports.

    rediff-eval run --task capture --steps 80,20,10 --model train/checkpoints/both ... --out RUN
    python benchmarks/ablations.py RUN --train train
    python benchmarks/ablations.py SEED-0 SEED-1     # runs of the same arms, trained by other seeds

Prints Markdown. Intervals are each difference's own (95%, bootstrap over scenes); of several runs,
in folders NAME-SEED, there is one over seeds and scenes, too. A difference in parentheses is not
told from none: its p-value, corrected for the runs' columns or for that of all seeds (Holm), is not
below 0.05. The paper gives no intervals, so of its numbers the sign alone is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rediff.training.draft_records import COST, DRAFTS, Cost, Draft, read_lines
from rediff.training.learning import LearningStage
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff_eval.benchmarks.task import paper_numbers
from rediff_eval.results.paired import LEVEL, holm
from rediff_eval.views.compare import Asked, Comparison, compare
from rediff_eval.views.samples import load_values
from rediff_eval.views.tables import amount, pipe_table

METRIC, PAPERS_METRIC = "capture", "clair"
RECIPE, SEVERAL = "ablations", "all seeds"
COSTS = ("arm", "drafts", "passes of drafts", "of the expert", "in training", "tokens", "dollars")
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Arm `a` against arm `b`, and the rows of the paper's tables that ask the same."""

    text: str
    a: str
    b: str
    table: str | None = None
    paper_a: str | None = None
    paper_b: str | None = None


QUESTIONS = (
    Question("both stages instead of Stage I alone", "both", "stage1-only",
             "stages", "both", "Stage I only"),
    Question("both stages instead of Stage II alone", "both", "stage2-only",
             "stages", "both", "Stage II only"),
    Question("Stage II alone instead of Stage I alone", "stage2-only", "stage1-only",
             "stages", "Stage II only", "Stage I only"),
    Question("a second round of Stage II", "second-round", "both",
             "stages", "second round", "both"),
    Question("false facts alone instead of both errors", "stage1-hallucination", "stage1-only",
             "stage1-variants", "hallucination only", "Stage I only"),
    Question("random tokens alone instead of both errors", "stage1-syntax", "stage1-only",
             "stage1-variants", "syntax only", "Stage I only"),
    Question("rates tied to the mask level", "stage1-tied", "stage1-only",
             "stage1-variants", "replacement rate tied to t", "Stage I only"),
    Question("both stages instead of mask-prediction", "both", "mask-prediction"),
    Question("an expert that misremembers a fifth of the facts", "expert-weak", "both"),
    Question("the model itself as expert", "expert-self", "both"),
    Question("more of Stage I instead of an expert", "expert-none", "both"),
    Question("what is wrong weighed like all else, Stage I", "stage1-heavy", "stage1-only"),
    Question("Stage II on what is wrong alone", "stage2-edits", "both"),
    Question("the model's slow repair of its drafts instead of an expert", "repair", "both"),
    Question("the model's mistakes in true captions instead of an expert", "fills", "both"),
    Question("both of these instead of an expert", "repair-fills", "both"),
    Question("Stage I as long instead of an expert", "random-words", "both"),
    Question("Stage I with its own mistakes, as long, instead of an expert", "own-drafts", "both"),
    Question("its own mistakes instead of random words, a tenth", "own-mistakes", "random-words"),
    Question("its own mistakes instead of random words, a third", "own-drafts", "random-third"),
    Question("a third of random words instead of a tenth", "random-third", "random-words"),
    Question("its own mistakes revised once", "own-drafts-twice", "own-drafts"),
    Question("and the model says which of its words are wrong", "own-doubts", "own-drafts"),
    Question("and what it says is masked again", "own-doubts-masked", "own-doubts"),
    Question("distillation instead of an expert", "rediff-self-shorter", "both"),
    Question("distillation instead of mask-prediction", "rediff-self-shorter", "mask-prediction"),
    Question("longer distillation instead of longer both stages", "rediff-self", "both-longer"),
    Question("longer distillation instead of longer mask-prediction",
             "rediff-self", "mask-prediction-longer"),
    Question("distillation without revision", "distilled-only", "rediff-self-shorter"),
    Question("distillation without sentences that repeat another",
             "no-repetition", "rediff-self-shorter"),
    Question("distillation with its own mistakes", "distilled-drafts", "rediff-self-shorter"),
    Question("distillation and then revision instead of both at once",
             "distilled-revision", "no-repetition"),
    Question("the mean of the weights before and after that revision",
             "averaged", "distilled-revision"),
    Question("the control's slow captions instead of the autoregressive model's",
             "own-captions", "rediff-self-shorter"),
    Question("nearly twice the steps of mask-prediction",
             "mask-prediction-longer", "mask-prediction"),
    Question("nearly twice the steps of both stages", "both-longer", "both"),
    Question("nearly twice the steps of distillation", "rediff-self", "rediff-self-shorter"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="Folders of runs of all arms.")
    parser.add_argument("--train", type=Path, help="Folder of a training: adds the costs.")
    arguments = parser.parse_args()
    names = [run.name for run in arguments.runs]
    if len(set(names)) < len(names):
        parser.error("the runs' folders need names of their own, which head their columns")
    runs = {run.name: load_values([run], METRIC) for run in arguments.runs}
    several = [SEVERAL] if len(runs) > 1 else []
    head = ("what is changed", "tokens/step", *runs, *several, f"paper, {PAPERS_METRIC}", "verdict")
    print("\n".join(pipe_table(head, differences(list(runs.values()), read_paper()))))
    if arguments.train is not None:
        arms = {arm for q in asked(list(runs.values())) for arm in (q.a, q.b)}
        print("\n".join(["", *pipe_table(COSTS, costs(arguments.train, arms))]))


def differences(
    runs: Sequence[pd.DataFrame], paper: Mapping[tuple[str, str, int], float]
) -> Iterator[Row]:
    """A row for each question and budget, with a difference of each run, and one of all."""
    budgets = runs[0].groupby("steps")["tokens_per_step"].first().sort_index(ascending=False)
    asked_of = [
        (question, steps, round(budget))
        for question in asked(runs)
        for steps, budget in budgets.items()
    ]
    found = [one_pair(run, question, steps) for question, steps, _ in asked_of for run in runs]
    told = told_of(found)
    every, several = pd.concat(runs), asked_of if len(runs) > 1 else []
    together = [one_pair(every, question, steps, by_seed=True) for question, steps, _ in several]
    together_told = told_of(together)
    for place, (question, _, budget) in enumerate(asked_of):
        own = slice(place * len(runs), (place + 1) * len(runs))
        theirs = papers_difference(paper, question, budget)
        shown = "" if theirs is None else f"{theirs:+.2f}"
        one = slice(place, place + 1)
        cells = [
            *map(difference, found[own], told[own]),
            *map(difference, together[one], together_told[one]),
        ]
        yield question.text, str(budget), *cells, shown, verdict(found[own], told[own], theirs)


def told_of(found: Sequence[Comparison]) -> list[bool]:
    """Which differences are told from none, corrected for all of them."""
    return [p < LEVEL for p in holm([comparison.p for comparison in found])]


def difference(comparison: Comparison, told: bool) -> str:
    """With its interval; in parentheses unless it is told from none."""
    text = f"{comparison.difference:+.3f} [{comparison.low:+.3f}, {comparison.high:+.3f}]"
    return text if told else f"({text})"


def asked(runs: Sequence[pd.DataFrame]) -> list[Question]:
    """The questions whose two arms are in all runs. Raises ValueError if there is none."""
    arms = set.intersection(*(set(run["model"]) for run in runs))
    found = [question for question in QUESTIONS if {question.a, question.b} <= arms]
    if not found:
        raise ValueError(f"the runs share no two arms to compare: {', '.join(sorted(arms))}")
    return found


def one_pair(
    values: pd.DataFrame, question: Question, steps: Hashable, *, by_seed: bool = False
) -> Comparison:
    """a - b at one budget, paired by scene, and by seed where there are several runs."""
    pair = values[values["model"].isin([question.a, question.b]) & (values["steps"] == steps)]
    (found,) = compare(pair, Asked(baseline=question.b, by_seed=by_seed))
    return found


def verdict(own: Sequence[Comparison], told: Sequence[bool], theirs: float | None) -> str:
    """What the trainings and the paper say together."""
    better = {found.difference > 0 for found, clear in zip(own, told, strict=True) if clear}
    if not better:
        return "no difference is seen here"
    if len(better) == 2:
        return "trainings disagree here"
    where = "here" if all(told) else f"here, in {sum(told)} of {len(told)} trainings"
    up = better == {True}
    paper = "" if theirs is None else f", {'as in' if (theirs > 0) == up else 'unlike'} the paper"
    return f"{'better' if up else 'worse'} {where}{paper}"


def read_paper() -> dict[tuple[str, str, int], float]:
    """The paper's values by table, row and tokens per step."""
    frame = pd.read_csv(paper_numbers())
    frame = frame[(frame["metric"] == PAPERS_METRIC) & frame["tokens_per_step"].notna()]
    keys = zip(frame["table"], frame["model"], frame["tokens_per_step"].astype(int), strict=True)
    return dict(zip(keys, frame["value"], strict=True))


def papers_difference(
    paper: Mapping[tuple[str, str, int], float], question: Question, budget: int
) -> float | None:
    """The same difference in the paper, whose Stage I variants stand beside its whole Stage I."""
    if question.table is None or question.paper_a is None or question.paper_b is None:
        return None
    a = paper.get((question.table, question.paper_a, budget))
    b = paper.get(("stages", question.paper_b, budget))
    return None if a is None or b is None else a - b


def costs(root: Path, arms: Collection[str]) -> Iterator[Row]:
    """What the data of each arm took in a training: what its own stages wrote or asked for, and
    the passes of drafts that are made while it trains. Nothing for arms that were not trained."""
    recipe = Recipe.load(find_recipe(RECIPE))
    for arm in (name for name in recipe.export if name in arms):
        stages = recipe.only([arm]).stages
        if not all((root / name).is_dir() for name in stages):
            continue
        # A stage of corrections counts what it decodes as its own cost.
        folders = [root / name for name, stage in stages.items() if stage.makes == "drafts"]
        drafts = [d for folder in folders for d in read_lines(folder / DRAFTS, Draft)]
        paid = [root / name / COST for name in stages if (root / name / COST).is_file()]
        cost = [one for path in paid for one in read_lines(path, Cost)]
        trained = [stage for stage in stages.values() if isinstance(stage, LearningStage)]
        dollars = [one.dollars for one in cost]
        numbers: tuple[float | None, ...] = (
            len(drafts),
            sum(draft.nfe for draft in drafts),
            sum(one.nfe for one in cost),
            sum(
                stage.draft_passes * stage.optimisation.steps * stage.optimisation.batch_size
                for stage in trained
            ),
            sum(one.tokens_in + one.tokens_out for one in cost),
            None if None in dollars else float(sum(filter(None, dollars))),
        )
        yield arm, *(amount(number, "not known") for number in numbers)


if __name__ == "__main__":
    main()
