"""The built-in samplers, each with its defaults."""

from __future__ import annotations

from rediff.decoding.register import register_sampler
from rediff.decoding.remask import RemaskAtRandom, RemaskFallen, RemaskUnlikely
from rediff.decoding.revise import RepredictVisible
from rediff.decoding.sampler import (
    LavidaDreamSampler,
    LavidaSampler,
    OfficialSampler,
    RuleSampler,
    Sampler,
)
from rediff.decoding.schedules import (
    CosineSchedule,
    LinearSchedule,
    MinimalSchedule,
    ShiftSchedule,
)
from rediff.decoding.stop import Converged
from rediff.decoding.unmask import (
    AboveMean,
    ConfidentElseQuota,
    EntropyBound,
    FactorBound,
    MostConfident,
)


@register_sampler("mask-predict")
def mask_predict() -> Sampler:
    """Masks become tokens, most confident first, and tokens stay (LLaDA, arXiv 2502.09992)."""
    return RuleSampler(name="mask-predict")


@register_sampler("refine")
def refine() -> Sampler:
    """ReDiff's refinement (arXiv 2510.19871), with a last fifth of the steps for revision alone."""
    return RuleSampler(
        name="refine",
        schedule=LinearSchedule(refine_share=0.2),
        revise=RepredictVisible(),
        stop=Converged(),
    )


@register_sampler("random")
def random() -> Sampler:
    """Masks become tokens in a random order (LLaDA's random remasking)."""
    return RuleSampler(name="random", unmask=MostConfident(rank="random"))


@register_sampler("margin")
def margin() -> Sampler:
    """The largest gap between the two likeliest tokens first (Dream's topk_margin)."""
    return RuleSampler(name="margin", unmask=MostConfident(rank="margin"))


@register_sampler("entropy")
def entropy() -> Sampler:
    """The lowest entropy first (Dream's entropy)."""
    return RuleSampler(name="entropy", unmask=MostConfident(rank="entropy"))


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
    """The more at once, the surer each must be (Fast-dLLM's factor rule)."""
    return RuleSampler(name="fast-dllm-factor", schedule=MinimalSchedule(), unmask=FactorBound())


@register_sampler("dimple")
def dimple() -> Sampler:
    """All tokens above a confidence, or else the quota (Dimple, arXiv 2505.16990)."""
    return RuleSampler(name="dimple", unmask=ConfidentElseQuota())


@register_sampler("entropy-bound")
def entropy_bound() -> Sampler:
    """As many tokens as together say little of each other (EB-Sampler, arXiv 2505.24857)."""
    return RuleSampler(name="entropy-bound", schedule=MinimalSchedule(), unmask=EntropyBound())


@register_sampler("t2t-quality")
def t2t_quality() -> Sampler:
    """Sure tokens are written, and replaced where another is sure (LLaDA2.1, arXiv 2602.08676)."""
    return _edits("t2t-quality", write=0.7, edit=0.5)


@register_sampler("t2t-speed")
def t2t_speed() -> Sampler:
    """The same with the thresholds of its speed mode."""
    return _edits("t2t-speed", write=0.5, edit=0.0)


def _edits(name: str, *, write: float, edit: float) -> Sampler:
    return RuleSampler(
        name=name,
        schedule=MinimalSchedule(refine_share=0.2),
        unmask=MostConfident(threshold=write),
        revise=RepredictVisible(threshold=edit),
        stop=Converged(),
    )


@register_sampler("gated")
def gated() -> Sampler:
    """`refine`, but a token must be likelier than the one that it replaces, by a margin."""
    return RuleSampler(
        name="gated",
        schedule=LinearSchedule(refine_share=0.2),
        revise=RepredictVisible(gain=0.1),
        stop=Converged(),
    )


@register_sampler("t2m")
def t2m() -> Sampler:
    """Tokens that have become unlikely are masked again (T2M, arXiv 2604.18738)."""
    return RuleSampler(name="t2m", remask=RemaskUnlikely())


@register_sampler("remdm-cap")
def remdm_cap() -> Sampler:
    """Any token is masked again with a small probability (ReMDM, arXiv 2503.00307)."""
    return RuleSampler(name="remdm-cap", remask=RemaskAtRandom())


@register_sampler("remdm-rescale")
def remdm_rescale() -> Sampler:
    """The same with a probability that falls as decoding goes on."""
    return RuleSampler(name="remdm-rescale", remask=RemaskAtRandom(how="rescale"))


@register_sampler("remdm-confidence")
def remdm_confidence() -> Sampler:
    """The same, rather tokens that were written with little confidence."""
    return RuleSampler(name="remdm-confidence", remask=RemaskAtRandom(how="confidence", eta=1.0))


@register_sampler("saber")
def saber() -> Sampler:
    """Tokens above the mean confidence, with backtracking (Saber, arXiv 2510.18165)."""
    return RuleSampler(
        name="saber", schedule=MinimalSchedule(), unmask=AboveMean(), remask=RemaskFallen()
    )


@register_sampler("llada-official")
def llada_official() -> Sampler:
    """The loop of the ReDiff authors' code without revision."""
    return OfficialSampler(name="llada-official", revise=False)


@register_sampler("rediff-official")
def rediff_official() -> Sampler:
    """The loop of the ReDiff authors' code with revision."""
    return OfficialSampler(name="rediff-official", revise=True)


@register_sampler("lavida-official")
def lavida_official() -> Sampler:
    """LaViDa's decoder at its authors' shift for captions (arXiv 2505.16839)."""
    return LavidaSampler(name="lavida-official")


@register_sampler("lavida-dream-official")
def lavida_dream_official() -> Sampler:
    """The same for LaViDa's variant with Dream's text model."""
    return LavidaDreamSampler(name="lavida-dream-official")
