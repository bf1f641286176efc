"""The interface of metrics (values of samples first, aggregates second), and their registration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rediff.plugins import Registry
from rediff_eval.metrics.aggregates import Aggregate, mean, quotient, ratio_of_sums

if TYPE_CHECKING:
    from rediff_eval.benchmarks.sample import Sample
    from rediff_eval.captioning.answers import Answer
    from rediff_eval.metrics.judged.prompts import PromptSource
    from rediff_eval.metrics.resources import Resources


WORST = "_worst"
"""Ends the name of a metric in which failures count as the worst verdict."""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """How tables, plots and pages show a metric.

    `label`: of an axis or a column, the name unless given. `digits`: after the point.
    `part`: one of several numbers that make a metric that is shown; `results.csv` alone has it.
    `instead`: a better metric, in whose presence this one is not shown.

    Examples:
        >>> MetricInfo("seconds", digits=2, lower_is_better=True).digits
        2
    """

    name: str
    label: str = ""
    digits: int = 3
    lower_is_better: bool = False
    part: bool = False
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLoad:
    """A judge's work for one caption, for estimates: the least number of calls, tokens about.

    The tokens are for captions of 200 tokens, 36 questions and 25 propositions. `sees_picture`:
    whether the judge is shown the picture. `both_orders`: asked twice with the corrected preset.
    """

    calls: int
    tokens_in: int
    tokens_out: int
    sees_picture: bool = False
    both_orders: bool = False


@dataclass(frozen=True, slots=True)
class Scores:
    """One metric on the captions of one condition.

    `statistics` float64 [n, k]: the input of `aggregate` for each sample that has a value; for most
    metrics k is 1, the sample's value itself. `values` float64 [N]: the metric of each sample
    alone, nan where it has none.
    """

    statistics: np.ndarray
    values: np.ndarray
    aggregate: Aggregate = mean

    def among(self, positions: Sequence[int], count: int) -> Scores:
        """The same scores among more samples; nan for the others.

        Args:
            positions: of the scored samples among all.
            count: number of all.
        """
        values = np.full(count, np.nan)
        values[list(positions)] = self.values
        return Scores(self.statistics, values, self.aggregate)

    @classmethod
    def of(cls, values: Sequence[float]) -> Scores:
        """Scores whose aggregate is the mean of the values.

        Examples:
            >>> scores = Scores.of([1.0, 0.0])
            >>> float(scores.aggregate(scores.statistics))
            0.5
        """
        array = np.asarray(values, dtype=np.float64)
        return cls(array[:, None], array)


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of a group of metrics.

    `failures`: why a sample has no verdict, by its id. `details`: a judge's replies, by sample id,
    as plain JSON values.
    """

    scores: Mapping[str, Scores]
    failures: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Metric(Protocol):
    """A group of metrics that share work.

    `scorer`: the name of the method, with all that changes its numbers: only those of one scorer
    can be ranked together.
    """

    @property
    def scorer(self) -> str: ...

    def unavailable(self) -> str | None:
        """None, or a clause that names a need of the metric that this machine or run lacks."""
        ...

    def lacks(self, sample: Sample) -> str | None:
        """None, or a clause that names the sample's missing part; such a sample is left out."""
        ...

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        """Scores by metric name.

        Args:
            samples: those that lack nothing.
            answers: their captions, in the same order.
        """
        ...


class AlwaysAvailable:
    """A metric that needs nothing of the machine, and by default nothing of a sample."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def unavailable(self) -> str | None:
        return None

    def lacks(self, sample: Sample) -> str | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGroup:
    """A registered group of metrics: how it is made, and how its metrics are shown.

    `judge`: the judge's work for a caption, None without a judge. `prompts`: the judge's.
    """

    make: Callable[[Resources], Metric]
    infos: Sequence[MetricInfo] = ()
    judge: JudgeLoad | None = None
    prompts: Sequence[PromptSource] = ()


PACKAGES = (
    "rediff_eval.metrics",
    "rediff_eval.metrics.capture",
    "rediff_eval.metrics.ngram",
    "rediff_eval.metrics.judged",
)
METRICS = Registry[MetricGroup]("metric", PACKAGES, home="rediff_eval")


def register_metric(
    name: str,
    *,
    infos: Sequence[MetricInfo] = (),
    judge: JudgeLoad | None = None,
    prompts: Sequence[PromptSource] = (),
) -> Callable[[Any], Any]:
    """Registers a group of metrics under the name that tasks call it by.

    Args:
        name: of the group.
        infos: how its metrics are shown, one for each name among its scores; a metric without one
            is shown with three digits.
        judge: the judge's work for a caption, for judged metrics.
        prompts: of the judge.

    The decorated function is called with `Resources` and gives a `Metric`.

    Examples:
        >>> @register_metric("length", infos=[MetricInfo("words", digits=1)])
        ... class Length(AlwaysAvailable):
        ...     scorer = "words between spaces"
        ...
        ...     def score(self, samples, answers):
        ...         return Scored({"words": Scores.of([len(a.text.split()) for a in answers])})
    """

    def decorate(make: Any) -> Any:
        group = MetricGroup(make=make, infos=infos, judge=judge, prompts=prompts)
        METRICS.add(name, group, module=make.__module__)
        return make

    return decorate


Value = Callable[["Sample", "Answer"], "float | None"]


def register_sample_metric(
    name: str, *, digits: int = 3, lower_is_better: bool = False
) -> Callable[[Value], Value]:
    """Registers a metric that is one number for each caption; its aggregate is their mean.

    Args:
        name: of the metric, and of its group in tasks.
        digits: shown after the point.
        lower_is_better: for tables and rankings.

    It decorates a function of a sample and its answer, which returns None where the sample
    lacks an input of the metric.

    Examples:
        >>> @register_sample_metric("exclamations", digits=1)
        ... def exclamations(sample, answer):
        ...     return float(answer.text.count("!"))
    """

    def decorate(value: Value) -> Value:
        info = MetricInfo(name, digits=digits, lower_is_better=lower_is_better)
        group = MetricGroup(
            make=lambda resources: _SampleMetric(resources, name, value), infos=[info]
        )
        METRICS.add(name, group, module=value.__module__)
        return value

    return decorate


class _SampleMetric(AlwaysAvailable):
    """A metric made of a function of one sample and its answer."""

    def __init__(self, resources: Resources, name: str, value: Value) -> None:
        super().__init__(resources)
        self.name, self.value = name, value
        self.scorer = f"{value.__module__}.{name}"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        """See `Metric.score`."""
        found = [self.value(s, a) for s, a in zip(samples, answers, strict=True)]
        known = [float(value) for value in found if value is not None]
        if not known:
            return Scored({})
        scores = Scores.of(known)
        places = [i for i, value in enumerate(found) if value is not None]
        return Scored({self.name: scores.among(places, len(found))})


def needs_references(sample: Sample) -> str | None:
    """The clause for a sample without references."""
    return None if sample.references else "needs references"


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Scores:
    """Scores whose aggregate is sum(parts) / sum(wholes); nan for 0 of 0.

    Args:
        parts: of each sample.
        wholes: of each sample.
    """
    statistics = np.stack([parts, wholes], axis=1).astype(np.float64)
    return Scores(statistics, quotient(statistics), ratio_of_sums)


def ratios(shares: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, Scores]:
    """`ratio` of the parts and wholes of each name, without those whose wholes are all 0: a share
    of nothing is no number."""
    return {name: ratio(parts, wholes) for name, (parts, wholes) in shares.items() if any(wholes)}
