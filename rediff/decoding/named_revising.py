"""The built-in samplers that revise visible tokens, each with its defaults."""

from __future__ import annotations

from dataclasses import replace

from rediff.decoding.predict import (
    WithContextsHidden,
    WithCorrector,
    WithDoubts,
    WithLeaveOneOut,
)
from rediff.decoding.register import register_sampler
from rediff.decoding.remask import (
    RemaskAtRandom,
    RemaskFallen,
    RemaskRivalled,
    RemaskUnlikely,
)
from rediff.decoding.remask_by_support import (
    RemaskDoubted,
    RemaskFluctuating,
    RemaskRefuted,
    RemaskUnsupported,
)
from rediff.decoding.remask_late import (
    RemaskFaded,
    RemaskLowest,
    RemaskSubset,
    RemaskToSchedule,
)
from rediff.decoding.revise import RepredictDoubted, RepredictVisible, TakeCorrections
from rediff.decoding.sampler import (
    RepairSampler,
    RuleSampler,
    Sampler,
)
from rediff.decoding.schedules import (
    EarlySchedule,
    LinearSchedule,
    MinimalSchedule,
)
from rediff.decoding.stop import Converged
from rediff.decoding.unmask import (
    AllWords,
    MostConfident,
)
from rediff.decoding.unmask_by_past import AboveMean
from rediff.decoding.unmask_by_position import LeftFirst


@register_sampler("refine")
def refine() -> RuleSampler:
    """ReDiff's refinement (arXiv 2510.19871), with a last fifth of the steps for revision alone."""
    return RuleSampler(
        name="refine",
        schedule=LinearSchedule(refine_share=0.2),
        revise=RepredictVisible(),
        stop=Converged(),
    )


@register_sampler("refine-left-first")
def refine_left_first() -> Sampler:
    """`refine`, of masks as sure the left one first (weights of PC-Sampler, arXiv 2508.13021)."""
    return replace(refine(), name="refine-left-first", unmask=LeftFirst())


@register_sampler("t2t-quality")
def t2t_quality() -> Sampler:
    """Sure tokens are written, and replaced where another is sure (LLaDA2.1, arXiv 2602.08676).

    The last fifth of the steps replaces alone (ours).
    """
    return _edits("t2t-quality", write=0.7, edit=0.5)


@register_sampler("t2t-speed")
def t2t_speed() -> Sampler:
    """As `t2t-quality`, by the thresholds of the speed mode (LLaDA2.1, arXiv 2602.08676).

    The last fifth of the steps replaces alone (ours).
    """
    return _edits("t2t-speed", write=0.5, edit=0.0)


def _edits(name: str, *, write: float, edit: float) -> Sampler:
    return RuleSampler(
        name=name,
        schedule=MinimalSchedule(refine_share=0.2),
        unmask=MostConfident(threshold=write),
        revise=RepredictVisible(threshold=edit),
        stop=Converged(limit=16),
    )


@register_sampler("gated")
def gated() -> Sampler:
    """`refine`, but a token must be likelier than the one it replaces, by a margin (ours)."""
    return replace(refine(), name="gated", revise=RepredictVisible(gain=0.1))


@register_sampler("mend")
def mend() -> Sampler:
    """Visible tokens become others the model is sure of, or masks if it is sure of none (ours)."""
    return RuleSampler(
        name="mend",
        revise=RepredictVisible(threshold=0.5),
        remask=RemaskUnlikely(below=0.5),
        stop=Converged(),
    )


@register_sampler("repair")
def repair() -> Sampler:
    """A quick draft; words that the rest does not support are masked and rewritten slowly (ours).

    Each round takes `parts` passes to find the support of every word.
    """
    return RepairSampler(name="repair")


@register_sampler("t2m")
def t2m() -> Sampler:
    """Tokens that have become unlikely are masked again (T2M, arXiv 2604.18738)."""
    return RuleSampler(name="t2m", remask=RemaskUnlikely())


@register_sampler("t2m-rival")
def t2m_rival() -> Sampler:
    """As `t2m`, tokens in whose place another is nearly sure (T2M, arXiv 2604.18738)."""
    return RuleSampler(name="t2m-rival", remask=RemaskRivalled(above=0.9))


@register_sampler("t2m-gap")
def t2m_gap() -> Sampler:
    """As `t2m`, tokens whose logit another's is above by a gap (T2M, arXiv 2604.18738)."""
    return RuleSampler(name="t2m-gap", remask=RemaskRivalled(gap=0.3))


@register_sampler("remdm-cap")
def remdm_cap() -> Sampler:
    """Any token is masked again with a small probability (ReMDM, arXiv 2503.00307).

    Published with masks written in a random order, and top_p 0.9.
    """
    return RuleSampler(name="remdm-cap", remask=RemaskAtRandom())


@register_sampler("remdm-rescale")
def remdm_rescale() -> Sampler:
    """As `remdm-cap`, with a probability that falls while decoding (ReMDM, arXiv 2503.00307)."""
    return RuleSampler(name="remdm-rescale", remask=RemaskAtRandom(how="rescale"))


@register_sampler("remdm-confidence")
def remdm_confidence() -> Sampler:
    """As `remdm-cap`, rather tokens written with little confidence (ReMDM, arXiv 2503.00307)."""
    return RuleSampler(name="remdm-confidence", remask=RemaskAtRandom(how="confidence", eta=1.0))


@register_sampler("saber")
def saber() -> Sampler:
    """Tokens above the mean confidence, with backtracking (Saber, arXiv 2510.18165)."""
    return RuleSampler(
        name="saber", schedule=MinimalSchedule(), unmask=AboveMean(), remask=RemaskFallen()
    )


@register_sampler("proseco")
def proseco() -> Sampler:
    """Correctors go over the whole answer in every second step (ProSeCo, arXiv 2602.11590).

    Each of its `passes` is one more forward pass of such a step, so that fewer steps are taken.
    """
    return RuleSampler(name="proseco", predict=WithCorrector(), revise=TakeCorrections())


@register_sampler("rcr")
def rcr() -> Sampler:
    """All is written, then words never sure are masked again (RCR of MDPO, arXiv 2508.13148).

    Keeps the predictions of earlier steps.
    """
    return RuleSampler(name="rcr", unmask=AllWords(), remask=RemaskToSchedule())


@register_sampler("remdm-loop")
def remdm_loop() -> Sampler:
    """Most is written early, then the least likely again (ReMDM's loop, arXiv 2503.00307)."""
    return RuleSampler(
        name="remdm-loop", schedule=EarlySchedule(filled=0.875), remask=RemaskLowest()
    )


@register_sampler("refine-loop")
def refine_loop() -> Sampler:
    """`refine` on a draft that is written early; the least likely are masked again (ours)."""
    return RuleSampler(
        name="refine-loop",
        schedule=EarlySchedule(),
        revise=RepredictVisible(),
        remask=RemaskLowest(most=0.09),
    )


@register_sampler("tolerator")
def tolerator() -> Sampler:
    """All is written early, then random parts again and again (Tolerator, arXiv 2510.05090).

    Its penalty of the end holds in all steps, published in those of the draft alone.
    """
    return RuleSampler(
        name="tolerator", schedule=EarlySchedule(), remask=RemaskSubset(), eos_penalty=3.0
    )


@register_sampler("free-correction")
def free_correction() -> Sampler:
    """Tokens that stay unlikely are masked again, late (FreeCorrection, arXiv 2602.02927).

    Keeps the predictions of earlier steps.
    """
    return RuleSampler(name="free-correction", remask=RemaskFaded())


@register_sampler("core")
def core() -> Sampler:
    """Tokens that depend on a few others are masked again (CoRe, arXiv 2602.04096).

    Every `every`-th step but the last takes a second forward pass, so that fewer steps are taken.
    """
    return RuleSampler(name="core", predict=WithContextsHidden(), remask=RemaskUnsupported())


@register_sampler("fluctuation")
def fluctuation() -> Sampler:
    """Tokens whose probability goes up and down are masked again (VGR, ICML 2026).

    Keeps the predictions of earlier steps.
    """
    return RuleSampler(name="fluctuation", remask=RemaskFluctuating())


@register_sampler("prism")
def prism() -> Sampler:
    """Tokens that the model itself says are wrong are masked again (PRISM, arXiv 2510.01384).

    Takes a model that was trained to say it, by `error_weight`.
    """
    return RuleSampler(name="prism", predict=WithDoubts(), remask=RemaskDoubted())


@register_sampler("prism-refine")
def prism_refine() -> Sampler:
    """`refine` of the tokens alone that the model itself says are wrong (ours).

    Takes a model that was trained to say it, by `error_weight`.
    """
    return replace(refine(), name="prism-refine", predict=WithDoubts(), revise=RepredictDoubted())


@register_sampler("wino")
def wino() -> Sampler:
    """Many tokens at once; a mask beside each says whether it stays (WINO, arXiv 2507.18578).

    A forward pass is of twice the response, under a special attention mask, for models without
    shifted logits. The published limit on words a step is left out.
    """
    return RuleSampler(
        name="wino",
        predict=WithLeaveOneOut(),
        schedule=MinimalSchedule(),
        unmask=MostConfident(threshold=0.6),
        remask=RemaskRefuted(),
    )
