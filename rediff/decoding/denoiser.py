"""The interface that decoding needs of a model."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from rediff.decoding.noise import Keys


class Denoiser(Protocol):
    """All that a sampler knows of a model: image, prompt, padding and caches are hidden."""

    passes: int
    """Forward passes of one call: 1, or 2 with guidance."""
    prompt_lengths: Tensor
    """Positions in front of the canvas, of each row; int64 [B]."""
    keys: Keys
    """A number of each row that tells its picture and prompt from others, for random draws."""

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """Logits [b, R, V] for the canvas tokens [b, R] of the batch rows `rows` [b].

        The numbers of the rows are on the CPU, and the same tensor as long as they are the same.
        """
        ...

    def refreshed(self, every: int | None) -> Denoiser:
        """The same for one decoding, with image and prompt computed again every so many calls.

        Args:
            every: calls; 0 for once, None for as often as it takes to be exact.
        """
        ...

    def opening(self, response: int) -> Tensor | None:
        """Logits [B, V] of the first position of responses of so many tokens, where prompts alone
        give them (prefix attention with shifted logits); else None."""
        ...

    def leave_one_out(self, tokens: Tensor, rows: Tensor, *, mask: int) -> Tensor:
        """Logits [b, 2R, V] of one pass in which a mask is put beside each position of the canvas.

        The first R are those of the tokens, as by a call. The others are of masks in the same
        places, each of which sees itself and all tokens but the one in its place. The tokens do not
        see the masks.

        Args:
            tokens: of the canvas, int64 [b, R].
            rows: their numbers, int64 [b] on the CPU.
            mask: id of the mask.

        Raises:
            ValueError: if the denoiser has no such pass.
        """
        ...

    def doubts(self, logits: Tensor, *, mask: int) -> Tensor:
        """The probability of each visible token to be wrong, by the model's own word.

        Args:
            logits: [b, R, V], of a call.
            mask: id of the mask.

        Returns:
            float32 [b, R].

        Raises:
            ValueError: if the model was not trained to say it.
        """
        ...

    def under_full_attention(self) -> Denoiser:
        """The same with image and prompt seeing the response, whatever the model's property is."""
        ...
