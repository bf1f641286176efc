"""Options that had another name before version 0.1: accepted, with a line that names the new
one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rediff_eval.cli.options import tell

RENAMED: Mapping[str, str] = {
    "--batch": "--batch-size",
    "--grace": "--worker-timeout",
    "--traces": "--keep-traces",
    "--given": "--prefill",
    "--own": "--default",
    "--expert-thinks": "--expert-reasoning",
}
PRESET, FORMER, CURRENT = "--preset", "sound", "corrected"


def with_current_names(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command with today's names of its options."""
    current: list[str] = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option in RENAMED:
            tell(f"{option} is now called {RENAMED[option]}")
            option = RENAMED[option]
        is_former = value == FORMER if equals else current[-1:] == [PRESET] and option == FORMER
        if is_former and (option == PRESET or current[-1:] == [PRESET]):
            tell(f"the preset {FORMER} is now called {CURRENT}")
            option, value = (option, CURRENT) if equals else (CURRENT, "")
        current.append(f"{option}{equals}{value}")
    return current
