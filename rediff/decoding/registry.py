"""The named samplers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from rediff.decoding.rules import Linear, ReplaceAll, Settled
from rediff.decoding.sampler import AnySampler, OfficialSampler, Sampler
from rediff.io.suggest import unknown

if TYPE_CHECKING:
    from rediff.decoding.canvas import Canvas
    from rediff.decoding.loop import Decoded, Denoiser

SAMPLERS: Mapping[str, AnySampler] = {
    "mask-predict": Sampler(name="mask-predict"),
    "refine": Sampler(
        name="refine",
        schedule=Linear(settle=0.2),
        revise=ReplaceAll(),
        stop=Settled(),
    ),
    "llada-official": OfficialSampler(name="llada-official", revise=False),
    "rediff-official": OfficialSampler(name="rediff-official", revise=True),
}


def decode(
    denoiser: Denoiser, canvas: Canvas, sampler: AnySampler, steps: int, *, trace: bool = False
) -> Decoded:
    """Runs `sampler` on `canvas` for at most `steps` denoising steps.

    Raises ValueError if the steps or the blocks do not divide as the sampler asks.
    """
    from rediff.decoding.loop import decode_by_rules
    from rediff.decoding.official import decode_official

    if isinstance(sampler, OfficialSampler):
        return decode_official(denoiser, canvas, sampler, steps, trace=trace)
    return decode_by_rules(denoiser, canvas, sampler, steps, trace=trace)


def describe(sampler: AnySampler) -> str:
    """What a sampler does, in one line."""
    if isinstance(sampler, OfficialSampler):
        return "the authors' loop, with revision" if sampler.revise else "the authors' loop"
    return " x ".join(map(str, (sampler.schedule, sampler.commit, sampler.revise, sampler.stop)))


def find_sampler(text: str) -> AnySampler:
    """The sampler that `text` names, e.g. "refine" or "rediff-official,block_length=32".

    Behind the name any option may be set that is a number or yes / no; the sampler's name is then
    the whole text. Raises ValueError suggesting the nearest name or option.
    """
    name, *settings = text.split(",")
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS)
    sampler = SAMPLERS[name]
    options = {f.name: f.type for f in fields(sampler) if f.type in PARSERS}
    changes: dict[str, Any] = {"name": text}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in options:
            raise unknown(f"option of {name}", key, options)
        try:
            changes[key] = PARSERS[str(options[key])](value)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{text!r}: {key} cannot be {value!r}") from error
    try:
        return replace(sampler, **changes)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "bool": {"true": True, "yes": True, "false": False, "no": False}.__getitem__,
    "int | None": int,
    "float": float,
}
"""How an option's text is read, by the type it is declared with."""
