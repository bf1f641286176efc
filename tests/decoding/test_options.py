"""Options of samplers: set by name or by rule, listed with their defaults, spread over a grid."""

import re
from dataclasses import dataclass, replace

import pytest
from fakes import IDS, FakeDenoiser, decode
from hypothesis import given
from hypothesis import strategies as st
from programs import program
from torch import Tensor

from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.registry import SAMPLERS, expand_grid, find_sampler, options_of
from rediff.decoding.remask import Writing
from rediff.decoding.revise import RepredictVisible
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Converged, Cycle
from rediff.decoding.unmask import MostConfident


def rule_sampler(text: str) -> RuleSampler:
    sampler = find_sampler(text)
    assert isinstance(sampler, RuleSampler)
    return sampler


def test_an_option_is_set_by_its_name_where_one_rule_has_it() -> None:
    assert rule_sampler("refine,refine_share=0.3").schedule == LinearSchedule(refine_share=0.3)
    assert rule_sampler("mask-predict,threshold=0.9").unmask == MostConfident(threshold=0.9)
    both = rule_sampler("refine,last=0.5,top_fraction=0.25")
    assert both.revise == RepredictVisible(last=0.5, top_fraction=0.25)
    assert both.name == "refine,last=0.5,top_fraction=0.25"


def test_an_option_that_two_rules_have_is_set_by_its_rule() -> None:
    with pytest.raises(ValueError, match=r"ambiguous: say unmask\.threshold or revise\.threshold"):
        find_sampler("refine,threshold=0.9")
    assert rule_sampler("refine,revise.threshold=0.9").revise == RepredictVisible(threshold=0.9)
    assert rule_sampler("refine,unmask.threshold=0.9").unmask == MostConfident(threshold=0.9)
    assert rule_sampler("mask-predict,unmask.threshold=0.5").unmask == MostConfident(threshold=0.5)


def test_a_stop_rule_is_set_by_its_name() -> None:
    """Its own options can be set once it is chosen; the one that a sampler has stays as it is."""
    assert rule_sampler("refine,stop=cycle").stop == Cycle()
    assert rule_sampler("mask-predict,stop=converged,limit=3").stop == Converged(limit=3)
    assert rule_sampler("t2t-quality,stop=converged").stop == Converged(limit=16)
    assert rule_sampler("t2t-quality,limit=none").stop == Converged()
    with pytest.raises(ValueError, match="unknown option of mask-predict"):
        find_sampler("mask-predict,limit=3")


@dataclass(frozen=True)
class Bounded:
    """A rule of a module that does not postpone annotations, so that they are types, not texts."""

    bound: float | None = None
    times: int = 1

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        return writing.eligible


def test_options_are_read_from_annotations_that_are_not_postponed() -> None:
    options = options_of(replace(rule_sampler("refine"), remask=Bounded()))
    assert options["bound"].parse("0.5") == 0.5
    assert options["bound"].parse("None") is None
    assert options["times"].parse("3") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("refine,stop=never", "stop cannot be 'never'"),
        ("refine,refine_shar=0.1", "did you mean 'refine_share'"),
        ("refine,refine_share=2", "refine_share must be from 0 to 1, got 2"),
        ("mask-predict,threshold=high", "threshold cannot be 'high'"),
        ("left-first,decay=-0.1", "decay must be a number from 0 on, got -0.1"),
        ("left-first,decay=inf", "decay must be a number from 0 on, got inf"),
        ("refine,revise.treshold=1", "did you mean 'revise.threshold'"),
    ],
)
def test_mistakes_name_the_option(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_sampler(text)


def test_every_option_is_listed_with_a_value_that_sets_it() -> None:
    """What `list samplers` shows can be typed as it is, and changes nothing."""
    listed = program("list", "samplers").splitlines()
    for name in SAMPLERS:
        place = next(i for i, line in enumerate(listed) if line.split()[:1] == [name])
        settings = listed[place + 1].split()
        assert len(settings) == len(options_of(find_sampler(name)))
        for setting in settings:
            assert replace(find_sampler(f"{name},{setting}"), name=name) == find_sampler(name)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_sampler_says_where_it_is_from(name: str) -> None:
    summary = SAMPLERS.loaded()[name].value.__doc__ or ""
    assert re.search(r"\((.* )?arXiv \d{4}\.\d{5}\)|\(ours\)|\(VGR, ICML 2026\)", summary)


values = st.lists(st.sampled_from(["0.25", "0.5", "1"]), min_size=1, max_size=3, unique=True)


@given(values, values)
def test_a_grid_is_every_combination_once(starts: list[str], shares: list[str]) -> None:
    grid = expand_grid(
        f"rediff-official,revise_start={'|'.join(starts)},revise_topk={'|'.join(shares)}"
    )
    assert len(set(grid)) == len(grid) == len(starts) * len(shares)
    assert grid[0] == f"rediff-official,revise_start={starts[0]},revise_topk={shares[0]}"
    for text in grid:
        assert find_sampler(text).name == text


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_late_revision_is_not_cut_off_by_convergence(seed: int, last: float) -> None:
    """Before the revise rule acts, a step that changes nothing says nothing about the end."""
    sampler = RuleSampler(
        name="late",
        schedule=LinearSchedule(refine_share=0.5),
        revise=RepredictVisible(last=last),
        stop=Converged(),
    )
    canvas = Canvas.blank(1, 12, IDS)
    result = decode(FakeDenoiser(seed, 1, 12, stop_bias=-50.0), canvas, sampler, 12, trace=True)
    first = sampler.revise.first_step(12)
    assert result.nfe[0] > first
    assert not result.traces[0].revised[:first].any()
