"""Mask-prediction in which a share of the rows hides nothing but words that state facts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.training.corruption import TokenRole
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Answer, Example
from rediff.training.facts import FactVocabulary
from rediff.training.objectives import MaskedPrediction, MaskRatio
from rediff.training.stages.predict import PredictStage

FACT, OTHER, WORD, EOS = 1, 2, 3, 4
IDS = SpecialIds(mask=0, eos=EOS)
FACTS = FactVocabulary({FACT: [OTHER], OTHER: [FACT]}, size=5)
TARGET = torch.tensor([WORD, FACT, WORD, WORD, OTHER, EOS, EOS])
EXAMPLE = Example(ImageBatch(torch.zeros(1, 3, 2, 2), (1,), ((2, 2),)), (Answer((), TARGET),))
ALL = MaskRatio(1.0, 1.0)


def trained(objective: MaskedPrediction, seed: int) -> Tensor:
    """Which positions a row trains."""
    torch.manual_seed(seed)
    return objective(EXAMPLE, BatchPosition(0, 1, 0)).corrupted.role[0] == TokenRole.MASK


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_a_row_hides_facts_alone_or_any_word(seed: int, share: float) -> None:
    found = trained(MaskedPrediction(IDS, ALL, FACTS, share), seed)
    assert torch.equal(found, FACTS.is_fact[TARGET]) or found.all()
    if share in (0, 1):
        assert found.all() == (share == 0)


def test_rows_hide_facts_alone_in_their_share() -> None:
    objective = MaskedPrediction(IDS, ALL, FACTS, 0.3)
    alone = [not trained(objective, seed).all() for seed in range(2000)]
    assert sum(alone) / len(alone) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("other", [{"causal": True}, {"facts_only": True}])
def test_a_share_goes_with_masks_of_any_words(other: dict[str, bool]) -> None:
    stage = {"start": "none", "optimisation": {"steps": 1}, "facts_share": 0.5}
    assert PredictStage.model_validate(stage).facts_share == 0.5
    with pytest.raises(ValidationError, match="goes with neither"):
        PredictStage.model_validate({**stage, **other})
