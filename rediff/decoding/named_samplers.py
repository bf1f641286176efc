"""The built-in samplers whose tokens stay as they are written, and the authors' own, each with its
defaults."""

from __future__ import annotations

from rediff.decoding.predict import (
    WithCredit,
)
from rediff.decoding.register import register_sampler
from rediff.decoding.sampler import (
    LavidaDreamSampler,
    LavidaSampler,
    OfficialSampler,
    RuleSampler,
    Sampler,
)
from rediff.decoding.schedules import (
    CosineSchedule,
    MinimalSchedule,
    ShiftSchedule,
)
from rediff.decoding.unmask import (
    AllOnceSure,
    ConfidentElseQuota,
    EntropyBound,
    FactorBound,
    MostConfident,
)
from rediff.decoding.unmask_by_past import SlowThenFast, SureAndStable
from rediff.decoding.unmask_by_position import LeftFirst


@register_sampler("mask-predict")
def mask_predict() -> Sampler:
    """Masks become tokens, most confident first, and tokens stay (LLaDA, arXiv 2502.09992)."""
    return RuleSampler(name="mask-predict")


@register_sampler("random")
def random() -> Sampler:
    """Masks become tokens in a random order (LLaDA's random remasking, arXiv 2502.09992)."""
    return RuleSampler(name="random", unmask=MostConfident(rank="random"))


@register_sampler("margin")
def margin() -> Sampler:
    """The largest gap between the two likeliest tokens first (Dream, arXiv 2508.15487).

    Finds the two highest scores of each position.
    """
    return RuleSampler(name="margin", unmask=MostConfident(rank="margin"))


@register_sampler("entropy")
def entropy() -> Sampler:
    """The lowest entropy first (Dream, arXiv 2508.15487).

    Sums over the vocabulary at each position.
    """
    return RuleSampler(name="entropy", unmask=MostConfident(rank="entropy"))


@register_sampler("left-first")
def left_first() -> Sampler:
    """Of masks as sure the left one first (position weights of PC-Sampler, arXiv 2508.13021)."""
    return RuleSampler(name="left-first", unmask=LeftFirst())


@register_sampler("shift")
def shift() -> Sampler:
    """Many tokens in the first steps, few in the last (LaViDa, arXiv 2505.16839)."""
    return RuleSampler(name="shift", schedule=ShiftSchedule())


@register_sampler("cosine")
def cosine() -> Sampler:
    """Few tokens in the first steps, many in the last (MaskGIT, arXiv 2202.04200)."""
    return RuleSampler(name="cosine", schedule=CosineSchedule())


@register_sampler("fast-dllm")
def fast_dllm() -> Sampler:
    """All tokens above a confidence, at least one (Fast-dLLM, arXiv 2505.22618)."""
    return RuleSampler(
        name="fast-dllm", schedule=MinimalSchedule(), unmask=MostConfident(threshold=0.9)
    )


@register_sampler("fast-dllm-factor")
def fast_dllm_factor() -> Sampler:
    """The more at once, the surer each must be (Fast-dLLM's factor rule, arXiv 2505.22618)."""
    return RuleSampler(name="fast-dllm-factor", schedule=MinimalSchedule(), unmask=FactorBound())


@register_sampler("dimple")
def dimple() -> Sampler:
    """All tokens above a confidence, or else the quota (Dimple, arXiv 2505.16990).

    Published with temperature 0.2 and top_p 0.95.
    """
    return RuleSampler(name="dimple", unmask=ConfidentElseQuota())


@register_sampler("entropy-bound")
def entropy_bound() -> Sampler:
    """As many tokens as together say little of each other (EB-Sampler, arXiv 2505.24857).

    Sums over the vocabulary at each position.
    """
    return RuleSampler(name="entropy-bound", schedule=MinimalSchedule(), unmask=EntropyBound())


@register_sampler("prophet")
def prophet() -> Sampler:
    """All masks as soon as the model is sure of them (Prophet, arXiv 2508.19982).

    Finds the two highest scores of each position.
    """
    return RuleSampler(name="prophet", unmask=AllOnceSure())


@register_sampler("klass")
def klass() -> Sampler:
    """Tokens that are sure and no longer change, or else the quota (KLASS, arXiv 2511.05664).

    Keeps the distributions of the step before.
    """
    return RuleSampler(name="klass", unmask=SureAndStable())


@register_sampler("slowfast")
def slowfast() -> Sampler:
    """Slowly until a span is sure, then all of it (SlowFast, arXiv 2506.10848).

    Keeps the predictions of earlier steps.
    """
    return RuleSampler(name="slowfast", schedule=MinimalSchedule(), unmask=SlowThenFast())


@register_sampler("credit")
def credit() -> Sampler:
    """`fast-dllm` with credit for earlier predictions (CreditDecoding, arXiv 2510.06133).

    Keeps two numbers for each word of the vocabulary at each position.
    """
    return RuleSampler(
        name="credit",
        predict=WithCredit(),
        schedule=MinimalSchedule(),
        unmask=MostConfident(threshold=0.9),
    )


@register_sampler("llada-official")
def llada_official() -> Sampler:
    """The loop of the ReDiff authors' code (arXiv 2510.19871) without revision."""
    return OfficialSampler(name="llada-official", revise=False)


@register_sampler("rediff-official")
def rediff_official() -> Sampler:
    """The loop of the ReDiff authors' code (arXiv 2510.19871) with revision."""
    return OfficialSampler(name="rediff-official", revise=True)


@register_sampler("lavida-official")
def lavida_official() -> Sampler:
    """LaViDa's decoder at its authors' shift for captions (arXiv 2505.16839)."""
    return LavidaSampler(name="lavida-official")


@register_sampler("lavida-dream-official")
def lavida_dream_official() -> Sampler:
    """LaViDa's decoder for its variant with Dream's text model (arXiv 2505.16839)."""
    return LavidaDreamSampler(name="lavida-dream-official")
