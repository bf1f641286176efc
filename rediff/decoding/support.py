"""How much a text supports each of its words."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rediff.decoding.canvas import Prediction, SpecialIds, predict

Logits = Callable[[Tensor], Tensor]
"""Logits [b, R, V] of tokens [b, R]."""


def hidden_support(
    logits: Logits, tokens: Tensor, words: Tensor, ids: SpecialIds, parts: int
) -> Prediction:
    """The predictions of a model for words that it does not see, every word hidden once.

    Args:
        logits: of the model.
        tokens: of the text, int64 [b, R].
        words: which of them are hidden, bool [b, R].
        ids: the special ids.
        parts: passes; position modulo `parts` is the part with which a position is hidden.

    Returns:
        `token`: the token that it predicts in each place; `support`: the probability of the token
        that is there. Positions outside `words` have the tokens themselves and 1.
    """
    token, support = tokens, torch.ones(tokens.shape, device=tokens.device)
    places = torch.arange(tokens.size(1), device=tokens.device) % parts
    for part in range(parts):
        hidden = words & (places == part)
        said = predict(logits(tokens.masked_fill(hidden, ids.mask)), ids, seen=tokens)
        token = torch.where(hidden, said.token, token)
        support = torch.where(hidden, said.visible_probability(), support)
    return Prediction(token, support, support=support)
