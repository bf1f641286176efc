"""Decoding after kept keys and values against decoding that computes all in every step."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rediff.captioners.base import CaptionRequest, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.loop import Decoded
from rediff.decoding.registry import SAMPLERS as REGISTERED
from rediff.decoding.registry import find_sampler
from rediff.models.chat_format import build_tokenizer
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import PromptEmbeddings
from rediff.models.denoiser import FixedBatch, PromptedDenoiser
from rediff.models.error_logit import set_error_logit
from rediff.models.flops import Meter
from rediff.models.prefix_attention import has_prefix_attention, set_prefix_attention
from rediff.models.prompt_cache import PromptCache
from rediff.models.tiny import TinyConfig, build_model
from rediff.scenes.example import scene

LENGTH = 12
SAMPLERS = (
    "refine", "mask-predict", "refine,block_length=4", "mask-predict,threshold=0.2",
    "rediff-official", "llada-official,block_length=6", "rediff-official,revise_topk=0.5",
)  # fmt: skip
SIZES = TinyConfig(
    hidden=32, layers=3, heads=2, feed_forward=48, vision_hidden=16, vision_layers=1,
    vision_feed_forward=16, image_size=24, patch_size=8,
)  # fmt: skip
TOKENIZER = build_tokenizer([f"w{i}" for i in range(30)])


def model_of(*, prefix: bool, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(3)
    config = SIZES.model_copy(update={"prefix_attention": prefix})
    return build_model(config, TOKENIZER, causal=False).eval().to(dtype)


MODELS = {prefix: model_of(prefix=prefix) for prefix in (False, True)}
IDS = SpecialIds(mask=TOKENIZER.mask_token_id, eos=TOKENIZER.eos_token_id)


def prompts(
    lengths: list[int], *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> PromptEmbeddings:
    """Random embeddings; the padding's values must not matter."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(lengths), max(lengths), SIZES.hidden, generator=generator)
    return PromptEmbeddings(embeddings.to(dtype), torch.tensor(lengths))


@torch.inference_mode()
def decode(
    denoiser: PromptedDenoiser | FixedBatch,
    sampler: str,
    steps: int,
    *,
    written: tuple[int, ...] = (),
) -> Decoded:
    canvas = Canvas.blank(len(denoiser.prompt_lengths), LENGTH, IDS)
    if written:
        canvas = canvas.prefill(0, written)
    return find_sampler(sampler).decode(denoiser, canvas, steps, trace=True)


def assert_same(one: Decoded, other: Decoded) -> None:
    assert one.responses == other.responses
    assert one.nfe == other.nfe
    for a, b in zip(one.traces, other.traces, strict=True):
        assert torch.equal(a.tokens, b.tokens)
        assert torch.equal(a.revised, b.revised)
        torch.testing.assert_close(a.confidence, b.confidence, atol=1e-5, rtol=0)


runs = {
    "lengths": st.lists(st.integers(1, 9), min_size=1, max_size=5),
    "sampler": st.sampled_from(SAMPLERS),
    "steps": st.sampled_from([6, 12]),
    "guidance": st.sampled_from([0.0, 0.7]),
    "seed": st.integers(0, 10),
}


@pytest.mark.parametrize("prefix", [False, True])
@given(**runs)
@settings(max_examples=40, deadline=None)
def test_prompts_computed_in_every_step_change_nothing(
    prefix: bool, lengths: list[int], sampler: str, steps: int, guidance: float, seed: int
) -> None:
    prompt = prompts(lengths, seed=seed)
    denoiser = PromptedDenoiser(MODELS[prefix], prompt, mask=IDS.mask, guidance=guidance)
    exact = decode(denoiser, sampler, steps)
    assert_same(exact, decode(denoiser, f"{sampler},refresh=1", steps))


@pytest.mark.parametrize("sampler", sorted(REGISTERED))
def test_the_model_is_shown_the_same_prompt_in_every_step(sampler: str) -> None:
    """Under full attention, where each step shows it again; every sampler by its name."""
    prompt, shown = prompts([6, 6]), list[Tensor]()
    rows = [prompt.embeddings[row] for row in range(2)]

    def watch(module: torch.nn.Module, args: tuple[()], given_: dict[str, Tensor]) -> None:
        shown.extend(given_["inputs_embeds"][:, :6])

    model = model_of(prefix=False)
    set_error_logit(model, True)
    handle = model.get_submodule("model.language_model").register_forward_pre_hook(
        watch, with_kwargs=True
    )
    try:
        decoded = decode(PromptedDenoiser(model, prompt, mask=IDS.mask), sampler, 12)
    finally:
        handle.remove()
    assert len(shown) >= sum(decoded.nfe) > 0
    assert all(any(torch.equal(one, row) for row in rows) for one in shown)


@given(**runs)
@settings(max_examples=30, deadline=None)
def test_prefix_attention_needs_its_prompts_once(
    lengths: list[int], sampler: str, steps: int, guidance: float, seed: int
) -> None:
    """By default, however often they are computed again, and for one decoding after another."""
    denoiser = PromptedDenoiser(
        MODELS[True], prompts(lengths, seed=seed), mask=IDS.mask, guidance=guidance
    )
    default = decode(denoiser, sampler, steps)
    for refresh in (0, 1, 3):
        assert_same(default, decode(denoiser, f"{sampler},refresh={refresh}", steps))
    assert_same(default, decode(denoiser, sampler, steps))


@given(**runs, refresh=st.integers(0, 5), prefix=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_row_does_not_depend_on_the_others(
    lengths: list[int], sampler: str, steps: int, guidance: float, seed: int, refresh: int,
    prefix: bool,
) -> None:  # fmt: skip
    """Rows that finish, wait for their next block, or hold words already count for themselves."""
    named = f"{sampler},refresh={refresh}"
    prompt = prompts(lengths, seed=seed)
    whole = PromptedDenoiser(MODELS[prefix], prompt, mask=IDS.mask, guidance=guidance)
    together = decode(whole, named, steps, written=(7, 8, 9))
    for row in range(len(lengths)):
        alone = PromptedDenoiser(
            MODELS[prefix], prompt.rows(torch.tensor([row])), mask=IDS.mask, guidance=guidance
        )
        own = decode(alone, named, steps, written=(7, 8, 9) if row == 0 else ())
        assert own.responses == together.responses[row : row + 1]
        assert own.nfe == together.nfe[row : row + 1]


@given(**runs, prefix=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_batch_of_few_shapes_gives_the_same(
    lengths: list[int], sampler: str, steps: int, guidance: float, seed: int, prefix: bool
) -> None:
    """As a compiled model has it: finished rows are computed, too, and change nothing."""
    denoiser = PromptedDenoiser(
        MODELS[prefix], prompts(lengths, seed=seed), mask=IDS.mask, guidance=guidance
    )
    assert_same(decode(denoiser, sampler, steps), decode(FixedBatch(denoiser), sampler, steps))


def test_a_compiled_model_takes_no_old_prompts() -> None:
    denoiser = FixedBatch(PromptedDenoiser(MODELS[False], prompts([3]), mask=IDS.mask))
    with pytest.raises(ValueError, match="takes no `refresh`"):
        decode(denoiser, "refine,refresh=3", 6)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=9), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_rows_that_come_and_go_count_for_themselves(calls: list[list[bool]], refresh: int) -> None:
    """As where a row waits for its next block: the others may be renewed meanwhile."""
    prompt = prompts([5, 4, 6])
    together = PromptCache(MODELS[False], prompt, refresh=refresh)
    alone = [
        PromptCache(MODELS[False], prompt.rows(torch.tensor([row])), refresh=refresh)
        for row in range(3)
    ]
    generator = torch.Generator().manual_seed(1)
    for asked in calls:
        rows = torch.tensor([row for row in range(3) if asked[row]], dtype=torch.long)
        if not len(rows):
            continue
        tokens = torch.randint(5, 30, (len(rows), LENGTH), generator=generator)
        with torch.inference_mode():
            found = together(tokens, rows, Meter(3))
            for place, row in enumerate(rows.tolist()):
                own = alone[row](tokens[place : place + 1], torch.tensor([0]), Meter(1))
                torch.testing.assert_close(found[place], own[0], atol=1e-5, rtol=0)


def test_another_length_of_response_begins_again() -> None:
    denoiser = PromptedDenoiser(MODELS[False], prompts([4, 6]), mask=IDS.mask)
    rows = torch.arange(2)
    for refresh in (None, 3):
        one = denoiser.refreshed(refresh)
        with torch.inference_mode():
            one(torch.randint(5, 30, (2, 12)), rows)
            tokens = torch.randint(5, 30, (2, 8))
            expected = PromptedDenoiser(MODELS[False], prompts([4, 6]), mask=IDS.mask)(tokens, rows)
            torch.testing.assert_close(one(tokens, rows), expected, atol=1e-5, rtol=0)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
@pytest.mark.parametrize("prefix", [False, True])
def test_a_compiled_model_writes_the_same_tokens(untrained: Path, prefix: bool) -> None:
    checkpoint = Checkpoint.load(untrained / "diffusion")
    if prefix:
        set_prefix_attention(checkpoint.model.config.get_text_config())
    requests = [CaptionRequest(image=scene(number).image) for number in range(3)]
    decoding = Decoding(sampler=find_sampler("refine"), steps=8)
    plain = DiffusionCaptioner(checkpoint).caption(requests, decoding)
    compiled = DiffusionCaptioner(checkpoint, compiled=True).caption(requests, decoding)
    assert [c.text for c in plain] == [c.text for c in compiled]  # type: ignore[union-attr]
    assert [c.nfe for c in plain] == [c.nfe for c in compiled]  # type: ignore[union-attr]


def logits(denoiser: PromptedDenoiser, tokens: Tensor, refresh: int | None) -> Tensor:
    with torch.inference_mode():
        return denoiser.refreshed(refresh)(tokens, torch.arange(len(tokens)))


@pytest.mark.parametrize("rows", [1, 16])
def test_logits_behind_kept_prompts_are_exact_under_prefix_attention(rows: int) -> None:
    lengths = [5 + row % 4 for row in range(rows)]
    denoiser = PromptedDenoiser(MODELS[True], prompts(lengths), mask=IDS.mask)
    tokens = torch.randint(5, 30, (rows, LENGTH))
    kept, computed = (logits(denoiser, tokens, refresh) for refresh in (None, 1))
    torch.testing.assert_close(kept, computed, atol=1e-5, rtol=0)


def test_full_attention_is_not_exact_behind_old_prompts() -> None:
    """Or the tests above would show nothing."""
    denoiser = PromptedDenoiser(MODELS[False], prompts([5, 7]), mask=IDS.mask).refreshed(0)
    first, second = torch.randint(5, 30, (2, 2, LENGTH))
    rows = torch.arange(2)
    with torch.inference_mode():
        denoiser(first, rows)
        kept = denoiser(second, rows)
        computed = denoiser.refreshed(None)(second, rows)
    assert (kept - computed).abs().max() > 1e-3


def test_the_response_does_not_reach_the_prompt_under_prefix_attention() -> None:
    """In the model's own forward pass, with the mask of `attention`."""
    from rediff.models.prefix_attention import attention

    model, prompt = MODELS[True], prompts([4, 6])
    hidden = []
    for seed in (0, 1):
        response = torch.randn(2, LENGTH, 32, generator=torch.Generator().manual_seed(seed))
        embeddings = torch.cat([prompt.embeddings, response], dim=1)
        places = attention(model, embeddings, prompt.lengths + LENGTH, LENGTH)
        with torch.inference_mode():
            out = model(inputs_embeds=embeddings, output_hidden_states=True, **places)
        hidden.append(out.hidden_states[-1][:, :6])
    inside = torch.arange(6) >= 6 - prompt.lengths[:, None]
    torch.testing.assert_close(hidden[0][inside], hidden[1][inside])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("prefix", [False, True])
def test_every_precision_keeps_its_own(dtype: torch.dtype, prefix: bool) -> None:
    denoiser = PromptedDenoiser(
        model_of(prefix=prefix, dtype=dtype), prompts([3, 8], dtype=dtype), mask=IDS.mask
    )
    tokens = torch.randint(5, 30, (2, LENGTH))
    kept, computed = (logits(denoiser, tokens, refresh) for refresh in (1, None))
    assert kept.dtype == dtype
    spread = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.02}[dtype]
    torch.testing.assert_close(kept, computed, atol=spread, rtol=0)


def test_the_property_is_saved_with_the_model(tmp_path: object) -> None:
    model = MODELS[True]
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert has_prefix_attention(again)
    assert not has_prefix_attention(MODELS[False])


def test_a_refresh_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="refresh must be a number of steps"):
        find_sampler("refine,refresh=-1")
    with pytest.raises(ValueError, match="refresh must be a number of steps"):
        replace(find_sampler("rediff-official"), refresh=-2)  # type: ignore[type-var]
