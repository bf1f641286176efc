"""A mask beside each position, against passes in which this position alone is masked."""

import pytest
import torch

from rediff.models.chat_format import build_tokenizer
from rediff.models.conditioning import PromptEmbeddings
from rediff.models.denoiser import PromptedDenoiser
from rediff.models.shifted_logits import set_shifted_logits
from rediff.models.tiny import TinyConfig, build_model

R = 6
TOKENIZER = build_tokenizer([f"w{i}" for i in range(30)])
MASK = TOKENIZER.mask_token_id


def denoiser_of(*, layers: int, prefix: bool, lengths: list[int]) -> PromptedDenoiser:
    torch.manual_seed(3)
    config = TinyConfig(
        hidden=32, layers=layers, heads=2, feed_forward=48, vision_hidden=16, vision_layers=1,
        vision_feed_forward=16, image_size=24, patch_size=8, prefix_attention=prefix,
    )  # fmt: skip
    model = build_model(config, TOKENIZER, causal=False).eval()
    embeddings = torch.randn(len(lengths), max(lengths), 32)
    return PromptedDenoiser(model, PromptEmbeddings(embeddings, torch.tensor(lengths)), mask=MASK)


def tokens_of(rows: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(5, 20, (rows, R), generator=generator)


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("lengths", [[5], [4, 7]])
@torch.inference_mode()
def test_with_one_layer_it_is_exact(prefix: bool, lengths: list[int]) -> None:
    """No token has told another anything yet, so that a mask sees what it would see alone."""
    denoiser = denoiser_of(layers=1, prefix=prefix, lengths=lengths)
    tokens, rows = tokens_of(len(lengths)), torch.arange(len(lengths))
    both = denoiser.leave_one_out(tokens, rows, mask=MASK)
    assert both.shape == (len(lengths), 2 * R, denoiser.model.config.text_config.vocab_size)
    assert torch.allclose(both[:, :R], denoiser(tokens, rows), atol=1e-5)
    for i in range(R):
        without = tokens.clone()
        without[:, i] = MASK
        assert torch.allclose(both[:, R + i], denoiser(without, rows)[:, i], atol=1e-5)


@pytest.mark.parametrize("prefix", [False, True])
@torch.inference_mode()
def test_with_more_layers_the_tokens_stay_as_they_are(prefix: bool) -> None:
    denoiser = denoiser_of(layers=3, prefix=prefix, lengths=[4, 7])
    tokens, rows = tokens_of(2), torch.arange(2)
    both = denoiser.leave_one_out(tokens, rows, mask=MASK)
    assert torch.allclose(both[:, :R], denoiser(tokens, rows), atol=1e-5)
    # A mask does not see the token in its place directly: its logits move little when it changes,
    # and not at all where no other token sees the place.
    alone = denoiser.leave_one_out(tokens[1:], rows[1:], mask=MASK)
    assert torch.allclose(alone[0], both[1], atol=1e-5), "rows do not depend on each other"


@torch.inference_mode()
def test_the_work_is_counted() -> None:
    denoiser = denoiser_of(layers=1, prefix=False, lengths=[4, 7])
    denoiser.leave_one_out(tokens_of(2), torch.arange(2), mask=MASK)
    assert [row.tokens for row in denoiser.meter.rows] == [4 + 2 * R, 7 + 2 * R]


def test_shifted_logits_are_refused() -> None:
    denoiser = denoiser_of(layers=1, prefix=False, lengths=[4])
    set_shifted_logits(denoiser.model.config.text_config)
    with pytest.raises(ValueError, match="has no leave-one-out pass"):
        denoiser.leave_one_out(tokens_of(1), torch.arange(1), mask=MASK)
