"""Samplers by name. Any number of a sampler, or of one of its rules, can be set in its name.

To add one, call `register_sampler` in a file of your own and load the file as a plug-in
(`rediff.plugins`): `docs/extending.md` has the steps, `examples/custom_sampler.py` a whole one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any

from rediff.decoding import named_revising as _named_revising  # noqa: F401
from rediff.decoding import named_samplers as _named_samplers  # noqa: F401
from rediff.decoding.register import SAMPLERS, register_sampler
from rediff.decoding.sampler import Sampler
from rediff.decoding.stop import STOPS, stop_name
from rediff.io.suggest import unknown

__all__ = ["SAMPLERS", "Option", "expand_grid", "find_sampler", "options_of", "register_sampler"]


def find_sampler(text: str) -> Sampler:
    """The sampler that a text names: `refine`, or `refine,refine_share=0.3,revise.last=0.5`.

    Any number or yes / no of the sampler or of one of its rules can be set, and the stop rule by
    its name, as `stop=cycle`. An option that two rules have is called by its rule, as
    `revise.threshold`. The name of the sampler is then the whole text.

    Raises:
        ValueError: for an unknown name or option, suggesting the nearest, or for a wrong value.
    """
    name, *settings = text.split(",")
    sampler: Any = SAMPLERS[name]()
    for setting in settings:
        key, _, value = setting.partition("=")
        option = _find_option(options_of(sampler), key, name)
        try:
            sampler = option.set(sampler, option.parse(value))
        except (ValueError, KeyError) as error:
            reason = error if isinstance(error, _RuleError) else f"{key} cannot be {value!r}"
            raise ValueError(f"{text!r}: {reason}") from error
    return replace(sampler, name=text) if settings else sampler


def expand_grid(text: str) -> list[str]:
    """Every sampler of a grid, whose options have several values.

    Examples:
        >>> expand_grid("rediff-official,revise_topk=0.25|0.5")
        ['rediff-official,revise_topk=0.25', 'rediff-official,revise_topk=0.5']
    """
    choices = []
    for part in text.split(","):
        key, equals, values = part.partition("=")
        choices.append([f"{key}{equals}{value}" for value in values.split("|")])
    return [",".join(parts) for parts in itertools.product(*choices)]


class _RuleError(ValueError):
    """A rule or sampler refuses a value, in words for users."""


@dataclass(frozen=True, slots=True)
class Option:
    """One number of a sampler, or its stop rule by name.

    `rule`: the field that holds the rule of a number, empty for the sampler's own. `type`: one of
    `PARSERS`. `value`: its present value.
    """

    rule: str
    field: str
    type: str
    value: Any

    @property
    def name(self) -> str:
        """How it is called wherever another rule has an option of the same name."""
        return f"{self.rule}.{self.field}" if self.rule else self.field

    def parse(self, text: str) -> Any:
        return PARSERS[self.type](text)

    def set(self, sampler: Any, value: Any) -> Any:
        """The sampler with another value of this option.

        Args:
            sampler: a frozen dataclass that has the option; it stays as it is.
            value: the new value, of the option's type.

        Returns:
            A copy of the sampler, its rule replaced where the option is one of a rule.

        Raises:
            ValueError: if the sampler or its rule refuses the value.
        """
        try:
            if self.type == "Stop":
                same = type(getattr(sampler, self.field)) is value
                return sampler if same else replace(sampler, **{self.field: value()})
            if not self.rule:
                return replace(sampler, **{self.field: value})
            rule = replace(getattr(sampler, self.rule), **{self.field: value})
        except ValueError as error:
            raise _RuleError(str(error)) from error
        return replace(sampler, **{self.rule: rule})


def sampler_name(text: str) -> str:
    """The registered name in a text for `find_sampler`, which may have options after it.

    Examples:
        >>> sampler_name("refine,refine_share=0.3")
        'refine'
    """
    return text.partition(",")[0]


def options_of(sampler: Sampler) -> dict[str, Option]:
    """The options of a sampler by the shortest name that tells each from all others.

    Examples:
        >>> sorted(options_of(find_sampler("llada-official")))
        ['block_length', 'refresh', 'revise', 'revise_start', 'revise_topk', 'stop']
    """
    options = list(_options(sampler))
    counts: dict[str, int] = {}
    for option in options:
        counts[option.field] = counts.get(option.field, 0) + 1
    return {o.field if counts[o.field] == 1 else o.name: o for o in options}


def _options(sampler: Any) -> Iterator[Option]:
    if not is_dataclass(sampler):
        return
    for field in fields(sampler):
        value = getattr(sampler, field.name)
        if _type_of(field.type) == "Stop" and type(value) in STOPS.values():
            yield Option("", field.name, "Stop", stop_name(value))
        if is_dataclass(value):
            for inner in fields(value):
                if _type_of(inner.type) in PARSERS:
                    number = getattr(value, inner.name)
                    yield Option(field.name, inner.name, _type_of(inner.type), number)
        elif field.name != "name" and _type_of(field.type) in PARSERS:
            yield Option("", field.name, _type_of(field.type), value)


def _type_of(annotation: Any) -> str:
    """The name of a type, as it is written: fields of modules without postponed annotations have
    the type itself."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, UnionType):
        return " | ".join(
            "None" if kind is NoneType else kind.__name__ for kind in annotation.__args__
        )
    return getattr(annotation, "__name__", "")


def _find_option(options: Mapping[str, Option], key: str, sampler: str) -> Option:
    if key in options:
        return options[key]
    for option in options.values():
        if option.name == key:
            return option
    several = [option.name for option in options.values() if option.field == key]
    if several:
        raise ValueError(f"{key!r} of {sampler} is ambiguous: say {' or '.join(several)}")
    raise unknown(f"option of {sampler}", key, options)


def _or_none(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.lower() == "none" else parse(text)


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "bool": {"true": True, "yes": True, "false": False, "no": False}.__getitem__,
    "int | None": _or_none(int),
    "int": int,
    "float | None": _or_none(float),
    "float": float,
    "str": str,
    "Stop": STOPS.__getitem__,
}
"""How an option's text is read, by the type that it is declared with."""
