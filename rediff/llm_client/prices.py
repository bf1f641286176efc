"""Prices of servers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rediff.io.strict_yaml import load_yaml

PRICES = Path(__file__).parent / "prices.yaml"
PICTURE_TOKENS = 1105
"""Tokens that gpt-4o counts for a picture of six tiles; others count otherwise."""
BATCH = 0.5
"""The share of the price that the batch API charges."""


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float
    output: float

    def dollars(self, tokens_in: int, tokens_out: int, *, batch: bool = False) -> float:
        """The cost of so many tokens.

        Args:
            tokens_in: tokens that are read.
            tokens_out: tokens that are written, reasoning included.
            batch: whether they were asked for by the batch interface, at half the price.

        Returns:
            US dollars.
        """
        full = (tokens_in * self.input + tokens_out * self.output) / 1e6
        return full * BATCH if batch else full


def dollars(
    price: Price | None, tokens_in: int, tokens_out: int, *, batch: bool = False
) -> float | None:
    """The same where the price may not be known.

    Args:
        price: of the model, or None.
        tokens_in: tokens that are read.
        tokens_out: tokens that are written, reasoning included.
        batch: whether they were asked for by the batch interface.

    Returns:
        US dollars, or None without a price.
    """
    return None if price is None else price.dollars(tokens_in, tokens_out, batch=batch)


def load_prices(path: Path = PRICES) -> dict[str, Price]:
    """Prices by model. Raises ValueError naming the file and its error."""
    return load_yaml(path, dict[str, Price])
