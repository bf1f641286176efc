"""The ablations' table: what each arm changes, with intervals, beside what the paper reports.

    rediff-eval run --task capture --steps 80,20,10 --model train/checkpoints/both ... --out RUN
    python benchmarks/ablations.py RUN --train train

Prints Markdown. Intervals are each row's own (95%, bootstrap over scenes); p-values are corrected
for all rows together (Holm), and by them a difference is told from none. The paper gives no
intervals, so of its numbers the sign alone is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from rediff.training.drafts import COST, DRAFTS, Cost, Draft, read_lines
from rediff_eval.compare import Comparison, compare, holm, load_values
from rediff_eval.tables import amount, pipe_table
from rediff_eval.task import paper_numbers

METRIC, PAPERS_METRIC = "capture", "clair"
EXPERTS = ("oracle", "weak", "self")
DIFFERENCES = (
    "what is changed", "tokens/step", METRIC, "p (Holm)", f"paper, {PAPERS_METRIC}", "",
)  # fmt: skip
COSTS = ("expert", "drafts", "forward passes of drafts", "of the expert", "tokens", "dollars")
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
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="Folder of the run of all arms.")
    parser.add_argument("--train", type=Path, help="Folder of their training: adds the costs.")
    arguments = parser.parse_args()
    values = load_values([arguments.run], METRIC)
    paper = read_paper()
    print("\n".join(pipe_table(DIFFERENCES, differences(values, paper))))
    if arguments.train is not None:
        print("\n".join(["", *pipe_table(COSTS, costs(arguments.train))]))


def differences(values: pd.DataFrame, paper: Mapping[tuple[str, str, int], float]) -> Iterator[Row]:
    """A row for each question and budget."""
    found = [
        (question, steps, one_pair(values, question, steps))
        for question in asked(values)
        for steps in sorted(values["steps"].unique(), reverse=True)
    ]
    corrected = holm([comparison.p for _, _, comparison in found])
    for (question, steps, own), p in zip(found, corrected, strict=True):
        budget = round(values.loc[values["steps"] == steps, "tokens_per_step"].iloc[0])
        theirs = papers_difference(paper, question, budget)
        ours = f"{own.difference:+.3f} [{own.low:+.3f}, {own.high:+.3f}]"
        shown = "" if theirs is None else f"{theirs:+.2f}"
        yield question.text, str(budget), ours, f"{p:.3f}", shown, verdict(own, p, theirs)


def asked(values: pd.DataFrame) -> list[Question]:
    """The questions whose two arms were run. Raises ValueError if there is none."""
    arms = set(values["model"])
    found = [question for question in QUESTIONS if {question.a, question.b} <= arms]
    if not found:
        raise ValueError(f"the run has no two arms to compare: {', '.join(sorted(arms))}")
    return found


def one_pair(values: pd.DataFrame, question: Question, steps: float) -> Comparison:
    """a - b at one budget, paired by scene."""
    pair = values[values["model"].isin([question.a, question.b]) & (values["steps"] == steps)]
    (found,) = compare(pair)
    return found if found.a.startswith(question.a) else turned(found)


def turned(comparison: Comparison) -> Comparison:
    """b - a of a comparison a - b."""
    return replace(
        comparison, a=comparison.b, b=comparison.a, difference=-comparison.difference,
        low=-comparison.high, high=-comparison.low,
    )  # fmt: skip


def verdict(own: Comparison, p: float, theirs: float | None) -> str:
    """What the two together say."""
    if p >= 0.05:
        return "no difference is seen here"
    here = "better here" if own.difference > 0 else "worse here"
    if theirs is None:
        return here
    return f"{here}, {'as in' if (theirs > 0) == (own.difference > 0) else 'unlike'} the paper"


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


def costs(root: Path) -> Iterator[Row]:
    """What each expert's corrections of the same drafts took."""
    drafts = list(read_lines(root / "drafts" / DRAFTS, Draft))
    passes = sum(draft.nfe for draft in drafts)
    for name in (expert for expert in EXPERTS if (root / expert / COST).is_file()):
        (cost,) = read_lines(root / name / COST, Cost)
        numbers = (len(drafts), passes, cost.nfe, cost.tokens_in + cost.tokens_out, cost.dollars)
        yield name, *(amount(number, "not known") for number in numbers)
    yield "none", "0", "0", "0", "0", "0.00"


if __name__ == "__main__":
    main()
