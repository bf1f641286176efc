"""The official prompts, read from the user's own checkouts of the official repositories.

Their licences do not let us copy them. The files are parsed, never run: a prompt is what stands in
a constant, or what a function puts together from string literals.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rediff_eval.metrics.judged.prompts import (
    ArenaPrompt,
    ClairPrompt,
    CoveragePrompt,
    DecomposePrompt,
    JudgePrompt,
    Prompts,
    fill,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a prompt stands: a file's constant `name`, or a function's variable."""

    file: str
    name: str
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Repository:
    """A checkout: its address and the commit that the hashes belong to."""

    address: str
    commit: str


CAPMAS = Repository("https://github.com/adobe-research/CapMAS", "ca2aa00")
CAPARENA = Repository("https://github.com/njucckevin/CapArena", "c251cdd")
CLAIR = Place("eval_clair.py", "_CLAIR_PROMPT")
COVERAGE = Place("eval_coverage.py", "prompt_sys", "generate_a_caption")
COVERAGE_USER = Place("eval_coverage.py", "user_input", "generate_a_caption")
DECOMPOSE = Place("eval_factuality.py", "prompt_sys", "generate_q")
JUDGE = Place("eval_factuality.py", "prompt_sys", "generate_a_image")
JUDGE_USER = Place("eval_factuality.py", "user_input", "generate_a_image")
ARENA = Place("vlm_as_a_judge.py", "system_prompt_with_ref")
ARENA_USER = Place("vlm_as_a_judge.py", "compare_prompt", "mllm_judge_pairs")

HASHES: Mapping[Place, str] = {
    CLAIR: "7b3744103e570fca208c0dd9a651dba28c351892425212133fb2861f9818eb6e",
    COVERAGE: "5ba5662366f0f70e8a418757a3bd22b3355a28cee614a3dc9e43679a2ff29cbc",
    COVERAGE_USER: "9f96ef01b9850f28141a553f7e069f860628d1698a430a06c6982f399719a6e5",
    DECOMPOSE: "8000187763219c9c049e028a46c892cbfec7ab4c07234ccf30e859bb8b257298",
    JUDGE: "c5a7f7ca1198eec3368a52917785d0f9742182e8a585ae1dd41a16b1ec3900b5",
    ARENA: "7476b6f3d0c6c2e8c2e4e93e254eb496a80dfd3b461546fe31d2d239de143b32",
    ARENA_USER: "c4a0042ffe3e54c3dc3c224f64cc4d2a8acf98c96e99e941f16c98274a9c99cd",
}
"""SHA-256 of the official texts; of the users' texts filled with `EXAMPLES`."""
EXAMPLES: Mapping[Place, Mapping[str, str]] = {
    COVERAGE_USER: {
        "caption": "{caption}",
        "questions_set": "0. {question_0}\n\n1. {question_1}",
    },
    ARENA_USER: {
        "caption_1": "{caption_1}", "caption_2": "{caption_2}", "caption_ref": "{reference}",
    },
}  # fmt: skip


def with_capmas(prompts: Prompts, folder: Path, hashes: Mapping[Place, str] = HASHES) -> Prompts:
    """The prompts of CLAIR, Coverage and Factuality as a checkout of CapMAS has them.

    Raises FileNotFoundError or ValueError saying which file is missing or differs.
    """

    def read(place: Place) -> str:
        return read_prompt(folder, place, CAPMAS, hashes)

    return replace(
        prompts,
        clair=ClairPrompt("official-clair", "", read(CLAIR)),
        coverage=CoveragePrompt("official-coverage", read(COVERAGE), read(COVERAGE_USER)),
        decompose=DecomposePrompt("official-decompose", read(DECOMPOSE)),
        judge=JudgePrompt("official-judge", read(JUDGE), read(JUDGE_USER)),
    )


def with_caparena(prompts: Prompts, folder: Path, hashes: Mapping[Place, str] = HASHES) -> Prompts:
    """The prompt of CapArena as a checkout of it has it. Raises as `with_capmas` does."""
    system, user = (read_prompt(folder, place, CAPARENA, hashes) for place in (ARENA, ARENA_USER))
    return replace(prompts, arena=ArenaPrompt("official-arena", system, user))


def read_prompt(
    folder: Path, place: Place, repository: Repository, hashes: Mapping[Place, str]
) -> str:
    """One prompt, its values in braces; its hash is checked where one is known."""
    path = folder / place.file
    wanted = f"check out {repository.address} at {repository.commit} and name its folder"
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {wanted}")
    found = _put_together(path, place)
    if found is None:
        raise ValueError(f"{path} has no {place.name}; {wanted}")
    example = fill(found, **EXAMPLES.get(place, {}))
    if place in hashes and hashlib.sha256(example.encode()).hexdigest() != hashes[place]:
        raise ValueError(f"{path}: {place.name} is not the official text; {wanted}")
    return found


def _put_together(path: Path, place: Place) -> str | None:
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a Python file: {error}") from error
    body = module.body
    if place.function is not None:
        functions = (node for node in body if isinstance(node, ast.FunctionDef))
        body = next((node.body for node in functions if node.name == place.function), [])
    text: str | None = None
    for statement in _assignments(body, place.name):
        value = _text_of(statement.value)
        if isinstance(statement, ast.AugAssign):
            text = None if text is None or value is None else text + value
        elif text is None:
            text = value
    return text


def _assignments(body: Sequence[ast.stmt], name: str) -> Iterator[ast.Assign | ast.AugAssign]:
    """Assignments to a name in the order of the file; of an `if` its first branch."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            if any(isinstance(t, ast.Name) and t.id == name for t in statement.targets):
                yield statement
        elif isinstance(statement, ast.AugAssign):
            if isinstance(statement.target, ast.Name) and statement.target.id == name:
                yield statement
        elif isinstance(statement, ast.If | ast.For | ast.While | ast.With):
            yield from _assignments(statement.body, name)


def _text_of(value: ast.expr) -> str | None:
    """A string literal; the names in an f-string are left in braces."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if not isinstance(value, ast.JoinedStr):
        return None
    parts = [
        f"{{{part.value.id}}}"
        if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name)
        else _text_of(part)
        for part in value.values
    ]
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None
