"""The documentation: links that lead somewhere, commands that exist, a site that builds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "tasks/*/README.md", "results/**/README.md",
                    "benchmarks/README.md", "rediff/captioners/workers/README.md")
    for path in ROOT.glob(pattern)
)  # fmt: skip
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(
    r"`((?:rediff|rediff_eval|tests|docs|examples|benchmarks|results|tasks)/[\w./-]+)`"
)
README_LINES = 160


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target
    for name in NAMED.findall(text):
        assert (ROOT / name).exists(), name


def commands() -> set[str]:
    """The lines of the pages that call `rediff-eval`, each without its comment."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        found |= {line.partition(" #")[0] for line in text.splitlines()
                  if line.startswith("rediff-eval ")}  # fmt: skip
    return found


def test_commands_of_the_pages_have_such_verbs_and_options() -> None:
    from rediff_eval.cli import cli

    lines = commands()
    assert len(lines) > 30
    for line in lines:
        verb, *arguments = line.split()[1:]
        command = cli.commands[verb]
        names = {option for parameter in command.params for option in parameter.opts}
        names |= {o for parameter in command.params for o in parameter.secondary_opts}
        sub = getattr(command, "commands", {}).get(arguments[0] if arguments else "")
        names |= {o for parameter in (sub.params if sub else ()) for o in parameter.opts}
        used = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert used <= names, line


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_python_of_the_readme_and_of_the_decoding_page_runs(tmp_path: Path) -> None:
    (readme,) = python_of(ROOT / "README.md")
    code = [line for line in readme.splitlines() if line.strip()]
    assert len(code) <= 10
    for text in (readme, *python_of(ROOT / "docs" / "decoding.md")):
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "trace.png").is_file()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs pip install 'rediff[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    for name in (
        "rediff.loaded.LoadedModel.caption",
        "rediff.decoding.revise.RepredictVisible",
        "rediff.training.losses.loss_sums",
        "rediff_eval.metrics.base.register_metric",
    ):
        assert f'id="{name}"' in page
