"""The forward passes of one denoising step, for predict rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas, Prediction, SpecialIds, predict
from rediff.decoding.noise import Noise

if TYPE_CHECKING:
    from rediff.decoding.denoiser import Denoiser
    from rediff.decoding.prediction_options import PredictionOptions


@dataclass(slots=True)
class Passes:
    """Asks the denoiser about the active rows, as often as a predict rule wants; every pass counts.

    `options`: of the sampler. `step`: of the block, from 0; `steps`: of the block. `spare`: passes
    that the block may take beyond one a step.
    """

    denoiser: Denoiser
    rows: ActiveRows
    options: PredictionOptions
    ids: SpecialIds
    noise: Noise
    step: int
    steps: int
    spare: int = 0
    first: bool = True

    def logits(self, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """A pass; logits of the tokens.

        Args:
            tokens: int64 [b, R], of the active rows.
            chosen: places among the active rows, int64 [c]; only these are computed.

        Returns:
            Logits [b, R, V], or [c, R, V].
        """
        numbers = self._numbers(chosen)
        return self.denoiser(tokens if chosen is None else tokens[chosen], numbers)

    def leave_one_out(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """A pass of the active rows with twice as many positions; see `Denoiser.leave_one_out`.

        Returns:
            Logits [b, R, V] of the tokens, and those of masks in their places.
        """
        both = self.denoiser.leave_one_out(tokens, self._numbers(None), mask=self.ids.mask)
        return both[:, : tokens.size(1)], both[:, tokens.size(1) :]

    def doubts(self, logits: Tensor) -> Tensor:
        """The probability of each visible token to be wrong, float32 [b, R].

        Args:
            logits: of a pass.

        Raises:
            ValueError: if the model was not trained to say it.
        """
        return self.denoiser.doubts(logits, mask=self.ids.mask)

    def predict(self, logits: Tensor, canvas: Canvas, chosen: Tensor | None = None) -> Prediction:
        """The prediction that the sampler's options make of logits.

        Args:
            logits: [b, R, V], or [c, R, V] of the chosen rows.
            canvas: of the active rows; its tokens are those that the model saw.
            chosen: places among the active rows, int64 [c]; None for all.
        """
        seen, noise = canvas.tokens, self.noise
        if chosen is not None:
            seen = seen[chosen]
            noise = replace(noise, rows=[noise.rows[place] for place in chosen.tolist()])
        prediction = predict(
            logits,
            self.ids,
            majority_eos=self.options.majority_eos,
            eos_penalty=self.options.eos_penalty,
            temperature=self.options.temperature,
            top_p=self.options.top_p,
            seen=seen,
            noise=noise,
        )
        return replace(prediction, progress=self.step / self.steps)

    def _numbers(self, chosen: Tensor | None) -> Tensor:
        """Numbers of the rows of a pass; the first pass of a step is counted when it begins."""
        numbers = self.rows.numbers
        if chosen is not None:
            numbers = numbers[chosen.cpu()]
        if not self.first:
            self.rows.count(numbers.tolist())
        self.first = False
        return numbers
