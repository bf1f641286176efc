"""Prompts of judges: our own, and the official ones from the user's checkouts.

The licences of the official prompts do not let us copy them. Their files are parsed and never run:
a prompt is the value of a constant, or built by a function from string literals.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rediff.llm_client.prompt import Prompt, fill

OWN = Path(__file__).parents[2] / "prompts"
"""Our own prompts: NAME.txt, or NAME.system.txt and NAME.user.txt."""


@dataclass(frozen=True, slots=True)
class Repository:
    """An official repository: its address, and the commit that the hashes belong to.

    `setting`: the field of `ScoringConfig` that names the user's checkout.
    """

    address: str
    commit: str
    setting: str


CAPMAS = Repository("https://github.com/adobe-research/CapMAS", "ca2aa00", "capmas_prompts")
CAPARENA = Repository("https://github.com/njucckevin/CapArena", "c251cdd", "caparena_prompts")


@dataclass(frozen=True, slots=True)
class OfficialText:
    """The place of an official text: a file's constant `name`, or a variable of a `function`.

    `sha256`: of the text, filled with `example` first; None where it is not known.
    """

    file: str
    name: str
    function: str | None = None
    sha256: str | None = None
    example: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A prompt that can be had in two ways: `own_prompt`, or `official_prompt` from a checkout of
    `repository`."""

    name: str
    repository: Repository | None = None
    system: OfficialText | None = None
    user: OfficialText | None = None


def own_prompt(source: PromptSource) -> Prompt:
    """The prompt that comes with this package."""

    def read(name: str) -> str:
        path = OWN / f"{name}.txt"
        return path.read_text(encoding="utf-8").rstrip("\n") if path.is_file() else ""

    name = source.name
    return Prompt(f"own-{name}", read(f"{name}.system"), read(f"{name}.user") or read(name))


def official_prompt(source: PromptSource, folder: Path) -> Prompt:
    """The prompt of an official checkout.

    Args:
        source: names the files and their contents.
        folder: of the checkout.

    Raises:
        FileNotFoundError: or ValueError, saying which file is missing or differs.
    """
    texts = (
        "" if text is None else read_text(folder, text, source.repository)
        for text in (source.system, source.user)
    )
    return Prompt(f"official-{source.name}", *texts)


def read_text(folder: Path, text: OfficialText, repository: Repository | None) -> str:
    """One text of a checkout, its values in braces; its hash is checked where one is known."""
    path = folder / text.file
    where = "the official repository"
    if repository is not None:
        where = f"{repository.address} at {repository.commit}"
    wanted = f"check out {where} and name its folder"
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {wanted}")
    found = _put_together(path, text)
    if found is None:
        raise ValueError(f"{path} has no {text.name}; {wanted}")
    example = fill(found, **text.example)
    if text.sha256 and hashlib.sha256(example.encode()).hexdigest() != text.sha256:
        raise ValueError(f"{path}: {text.name} is not the official text; {wanted}")
    return found


def _put_together(path: Path, text_place: OfficialText) -> str | None:
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a Python file: {error}") from error
    body = module.body
    if text_place.function is not None:
        functions = (node for node in body if isinstance(node, ast.FunctionDef))
        body = next((node.body for node in functions if node.name == text_place.function), [])
    text: str | None = None
    for statement in _assignments(body, text_place.name):
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
