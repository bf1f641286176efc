"""The shape of the house: who imports whom, and how large files and functions may be."""

import ast
import graphlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES, FUNCTION_LINES = 300, 60
PACKAGES = ("rediff", "rediff_eval")


def tracked(*folders: str) -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [ROOT / name for name in done.stdout.splitlines() if name.endswith(".py")]
    return [path for path in files if path.is_file()]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from statements(child)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_method_knows_nothing_of_the_harness() -> None:
    for path in tracked("rediff"):
        assert not {name for name in imports(path) if name.startswith("rediff_eval")}, path


@pytest.mark.parametrize(
    "folder", ["training", "models", "decoding", "captioners", "data", "llm_client", "io"]
)
def test_only_the_front_door_and_the_scenes_know_the_scenes(folder: str) -> None:
    for path in tracked(f"rediff/{folder}"):
        assert not {name for name in imports(path) if name.startswith("rediff.scenes")}, path


def test_nothing_imports_in_a_circle() -> None:
    modules = {module_of(path): path for path in tracked(*PACKAGES)}
    graph = {name: (imports(path) & modules.keys()) - {name} for name, path in modules.items()}
    assert len(graph) > 200
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_have_an_order(package: str) -> None:
    """What lies directly in a package imports downwards only, so that it can be read in order."""
    graph: dict[str, set[str]] = {}
    for path in tracked(package):
        room = module_of(path).split(".")[1:2]
        names = {name.split(".")[1] for name in imports(path) if name.startswith(f"{package}.")}
        if room:
            graph.setdefault(room[0], set()).update(names - set(room))
    assert len(graph) > 8
    list(graphlib.TopologicalSorter(graph).static_order())


def test_files_and_functions_stay_small() -> None:
    for path in tracked(*PACKAGES, "tests", "examples", "benchmarks"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                assert node.end_lineno - node.lineno < FUNCTION_LINES, (path, node.name)
