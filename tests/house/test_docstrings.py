"""What docstrings must say: the arguments of every function that other rooms call."""

import ast
from pathlib import Path

from test_structure import PACKAGES, ROOT, module_of, tracked

REFERENCE = {
    line.split()[1]
    for line in (ROOT / "docs" / "api.md").read_text(encoding="utf-8").splitlines()
    if line.startswith(":::")
}


def called_from_elsewhere() -> set[tuple[str, str]]:
    """(module, name) of all that a module of another folder imports."""
    found = set()
    for path in tracked(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                home = ROOT / Path(*node.module.split(".")[:-1])
                if home != path.parent:
                    found |= {(node.module, alias.name) for alias in node.names}
    return found


def arguments(function: ast.FunctionDef) -> list[str]:
    every = function.args
    named = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    return [one.arg for one in named if one is not None and one.arg not in ("self", "cls")]


def public_functions(tree: ast.Module, called: set[str], *, shown: bool) -> list[ast.FunctionDef]:
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and (shown or n.name in called)]
    if shown:
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
        found += [n for c in classes for n in c.body if isinstance(n, ast.FunctionDef)]
    return [n for n in found if not n.name.startswith("_")]


def test_arguments_are_described_where_others_call() -> None:
    called, seen, missing = called_from_elsewhere(), 0, []
    for path in tracked(*PACKAGES):
        module = module_of(path)
        names = {name for where, name in called if where == module}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in public_functions(tree, names, shown=module in REFERENCE):
            said = ast.get_docstring(function) or ""
            if len(arguments(function)) > 1 and not said.startswith("See `"):
                seen += 1
                if "Args:" not in said:
                    missing.append(f"{path.relative_to(ROOT)}: {function.name}")
    assert seen > 130
    assert not missing


def test_the_formatter_has_no_exceptions() -> None:
    for path in tracked(*PACKAGES):
        text = path.read_text(encoding="utf-8")
        assert "# fmt:" not in text, path
