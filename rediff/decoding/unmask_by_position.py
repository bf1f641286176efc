"""An unmask rule that writes from left to right, where the model is as sure of both.

torch is imported where the rule is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rediff.decoding.checks import check_from_zero
from rediff.decoding.unmask import ends_of, put_last, top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFirst:
    """The `quota` masks of highest confidence times e^(-`decay` i), i the position from 0.

    The position weight of PC-Sampler (arXiv 2508.13021), without its calibration by how frequent a
    word is. At 0 this is `MostConfident`; the larger, the closer to reading order. Tokens written
    in one step then lie close together: two distant passages, of which neither knows what the
    other is about, are not begun side by side, and do not end up describing the same thing. Raises
    ValueError for a `decay` below 0.

    Examples:
        >>> import torch
        >>> from rediff.decoding.canvas import Prediction
        >>> prediction = Prediction(torch.tensor([[5, 6, 7]]), torch.tensor([[0.8, 0.2, 0.9]]))
        >>> masks, one = torch.ones(1, 3, dtype=torch.bool), torch.tensor([1])
        >>> LeftFirst(decay=0.05)(prediction, masks, one, eos=1).tolist()
        [[False, False, True]]
        >>> LeftFirst(decay=0.1)(prediction, masks, one, eos=1).tolist()
        [[True, False, False]]
    """

    eos_last: bool = True
    decay: float = 0.05

    def __post_init__(self) -> None:
        check_from_zero("decay", self.decay)

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        position = torch.arange(eligible.size(1), device=eligible.device)
        score = prediction.confidence * torch.exp(-self.decay * position)
        return top_ranked(put_last(score, ends), eligible, quota)
