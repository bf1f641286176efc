"""Decoding here against a plain re-statement of the authors' loop: the same tokens, in less time.

The plain loop does what the published code does: one picture at a time, the whole sequence of
image, prompt and response in every step, the head on all of it, a softmax in float64, and masks
found by comparing embeddings. Ours runs the same decoder (`rediff-official`) on the same
embeddings. Ways are run in turn, after one that is not counted, and all must write the same tokens.

    python benchmarks/decode.py --shape shipped --compile
    python benchmarks/decode.py --shape 50m --prompt 3700 --steps 4
    python benchmarks/decode.py --shape 8b --prompt 3670 --steps 8 --device cuda --dtype bfloat16
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

import rediff
from rediff.captioners.base import CaptionRequest
from rediff.captioners.diffusion import prompt_ids
from rediff.captioners.timing import wait_for
from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.registry import find_sampler
from rediff.decoding.schedules import LinearSchedule
from rediff.models.conditioning import PromptEmbeddings, embed_prompt, image_features
from rediff.models.denoiser import FixedBatch, PromptedDenoiser, compile_text_model
from rediff.models.llada_v_config import PUBLISHED, model_config
from rediff.models.prefix_attention import PREFIX, attention
from rediff.models.tiny import initialise

SMALL: Mapping[str, Any] = {
    **PUBLISHED,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "vision_config": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 384,
        "patch_size": 14,
    },
}
"""LLaDA-V with its true vocabulary, small enough for a CPU; pictures are not part of the race."""
TOY: Mapping[str, Any] = {**SMALL, "hidden_size": 48, "num_hidden_layers": 2, "vocab_size": 300}
SHAPES: Mapping[str, Mapping[str, Any]] = {"50m": SMALL, "8b": PUBLISHED, "toy": TOY}


@dataclass(frozen=True)
class Case:
    """What is decoded: a model, embedded prompts, and the response's length."""

    model: LlavaOnevisionForConditionalGeneration
    prompt: PromptEmbeddings
    ids: SpecialIds
    length: int
    steps: int

    def first(self, rows: int) -> Case:
        return replace(self, prompt=self.prompt.rows(torch.arange(rows)))

    @property
    def rows(self) -> int:
        return len(self.prompt.lengths)


@torch.inference_mode()
def plain_loop(case: Case) -> list[list[int]]:
    """The authors' loop with revision in every step, one picture after another."""
    found = []
    for row in range(case.rows):
        own = case.prompt.rows(torch.tensor([row], device=case.prompt.lengths.device))
        found.append(_plain_row(case, own.embeddings[0]))
    return found


def _plain_row(case: Case, prompt: Tensor) -> list[int]:
    table = case.model.get_input_embeddings()
    device, length, start = prompt.device, case.length, len(prompt)
    mask = table(torch.tensor(case.ids.mask, device=device))
    whole = torch.cat([prompt, mask.expand(length, -1)])[None]
    quotas = LinearSchedule().quotas(torch.tensor([length]), case.steps)[0].tolist()
    places = attention(case.model, whole, torch.tensor([start + length], device=device), length)
    tokens = torch.full((start + length,), case.ids.mask, device=device)
    position = torch.arange(start + length, device=device) - start
    end = length
    for step in range(case.steps):
        masked = torch.isclose(whole[0], mask, atol=0).all(dim=-1) & (position >= 0)
        if not (masked & (position < end)).any():
            break
        logits = case.model(inputs_embeds=whole, **places).logits[0].float()
        logits[:, list(case.ids.official_banned)] = -torch.inf
        best = logits.argmax(dim=-1)
        chance = logits.double().softmax(dim=-1).gather(1, best[:, None])[:, 0]
        eligible = masked & (position < end)
        ranked = chance.masked_fill(~eligible, -torch.inf).topk(quotas[step]).indices
        chosen = (position >= 0) & ~masked
        chosen[ranked[ranked >= start]] = True
        tokens = torch.where(chosen, best, tokens)
        whole[0, chosen] = table(tokens[chosen])
        ends = (tokens == case.ids.eos).nonzero()[:, 0] - start
        end = min([end, *ends[ends >= 0].tolist()])
    return tokens[start : start + end].tolist()


@torch.inference_mode()
def ours(case: Case, *, compiled: bool = False) -> list[list[int]]:
    """All rows in one batch, which a compiled model sees whole in every step."""
    denoiser: Denoiser = PromptedDenoiser(case.model, case.prompt, mask=case.ids.mask)
    canvas = Canvas.blank(case.rows, case.length, case.ids, device=case.prompt.lengths.device)
    sampler = find_sampler("rediff-official")
    return sampler.decode(
        FixedBatch(denoiser) if compiled else denoiser, canvas, case.steps
    ).responses


def shipped(name: str, rows: int, steps: int, device: str) -> Case:
    """A trained checkpoint on scenes."""
    checkpoint = rediff.load(name, device=device).captioner.checkpoint  # type: ignore[attr-defined]
    asked = [CaptionRequest(image=rediff.scene(number).image) for number in range(rows)]
    with torch.inference_mode():
        images = checkpoint.image_batch([request.image for request in asked])
        features = image_features(checkpoint.model, images)
        prompt = embed_prompt(checkpoint.model, prompt_ids(checkpoint, asked), features)
    return Case(checkpoint.model, prompt, checkpoint.ids, checkpoint.config.canvas, steps)


def drawn(
    shape: str, rows: int, steps: int, device: str, *, tokens: int, dtype: str, prefix: bool
) -> Case:
    """Random weights after random prompts of one length."""
    torch.manual_seed(0)
    config: LlavaOnevisionConfig = model_config(SHAPES[shape])
    setattr(config.get_text_config(), PREFIX, prefix)
    kind = getattr(torch, dtype)
    with torch.device(device):
        torch.set_default_dtype(kind)
        model = LlavaOnevisionForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
        initialise(model)
        width = config.text_config.hidden_size  # type: ignore[union-attr]
        prompt = torch.randn(rows, tokens, width).to(kind)
        lengths = torch.full((rows,), tokens)
    last = config.text_config.vocab_size - 1  # type: ignore[union-attr]
    ids = SpecialIds(mask=last, eos=last - 1, official_banned=(last - 2, last - 3))
    return Case(model, PromptEmbeddings(prompt, lengths), ids, 128, steps)


Way = Callable[[], list[list[int]]]


def race(ways: Mapping[str, Way], case: Case, repeats: int, checked: int) -> dict[str, float]:
    """Median seconds of each way, run in turn.

    Raises AssertionError if their tokens are not those of the plain loop on the first rows. In half
    precision random weights leave ties, which shapes break one way or the other: not asked there.
    """
    device = case.prompt.embeddings.device
    right = plain_loop(case.first(checked))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, way in ways.items():
            wait_for(device)
            started = time.perf_counter()
            found = way()
            wait_for(device)
            if number:
                taken[name].append(time.perf_counter() - started)
            known = min(len(found), len(right))
            exact = found[:known] == right[:known]
            assert exact or case.prompt.embeddings.dtype != torch.float32, f"{name} differs"
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def peak(case: Case, way: Way) -> float:
    """Bytes at the peak beyond what is there before, on a GPU or in a process of its own."""
    device = case.prompt.embeddings.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        way()
        return torch.cuda.max_memory_allocated(device) - before
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def child() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        way()
        send.send(1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))

    process = context.Process(target=child)
    process.start()
    found: float = receive.recv()
    process.join()
    return found


def report(title: str, case: Case, repeats: int, checked: int, *, compile_too: bool) -> None:
    """Prints a table: seconds and peak memory of each way, against the first."""
    one, batch = case.first(1), f"ours, batch {case.rows}"
    ways: dict[str, Way] = {
        "plain loop": lambda: plain_loop(one),
        "ours, batch 1": lambda: ours(one),
        batch: lambda: ours(case),
    }
    if compile_too:
        quick = replace(case, model=copy.deepcopy(case.model))
        compile_text_model(quick.model)
        first = quick.first(1)
        ways["compiled, batch 1"] = lambda: ours(first, compiled=True)
        ways[f"compiled, batch {case.rows}"] = lambda: ours(quick, compiled=True)
    seconds = race(ways, case, repeats, checked)
    for name in seconds:
        seconds[name] /= case.rows if name.endswith(batch.removeprefix("ours")) else 1
    memory = {name: peak(case, way) for name, way in ways.items()}
    base, most = seconds["plain loop"], memory["plain loop"]
    whole = case.prompt.embeddings.dtype == torch.float32
    equal = f"the tokens of {checked} rows are equal" if whole else "tokens not compared"
    print(f"\n{title}; {equal}\n")
    print("| way | seconds a caption | times as quick | peak beyond weights, MB | of the first's |")
    print("|---|---|---|---|---|")
    for name, each in seconds.items():
        numbers = f"{each:.4f} | {base / each:.2f} | {memory[name] / 1e6:,.0f}"
        print(f"| {name} | {numbers} | {memory[name] / most if most else 0:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=["shipped", *SHAPES], default="shipped")
    parser.add_argument("--model", default="rediff", help="checkpoint of --shape shipped")
    parser.add_argument("--prompt", type=int, default=1500, help="tokens of a random prompt")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--checked", type=int, default=16, help="rows whose tokens are compared")
    parser.add_argument("--compile", action="store_true", help="race a compiled model, too")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    for prefix in (False, True) if given.shape != "shipped" else (None,):
        if prefix is None:
            case = shipped(given.model, given.batch, given.steps, given.device)
        else:
            case = drawn(
                given.shape, given.batch, given.steps, given.device,
                tokens=given.prompt, dtype=given.dtype, prefix=prefix,
            )  # fmt: skip
        kind = {None: given.model, False: "full attention", True: "prefix attention"}[prefix]
        weights = sum(p.numel() for p in case.model.parameters()) / 1e6
        width = case.prompt.embeddings.size(1)
        sizes = f"{weights:,.1f} M weights, prompt {width}, response {case.length}"
        title = f"{given.shape}, {kind}: {sizes}, {case.steps} steps, {given.device}"
        report(
            title, case, given.repeats, min(given.checked, given.batch), compile_too=given.compile
        )


if __name__ == "__main__":
    main()
