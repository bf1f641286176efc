"""Our prompts, and the official ones out of a checkout."""

import hashlib
from pathlib import Path

import pytest

from rediff_eval.metrics.judged.official_prompts import (
    ARENA,
    CLAIR,
    COVERAGE,
    COVERAGE_USER,
    Place,
    with_caparena,
    with_capmas,
)
from rediff_eval.metrics.judged.prompts import fill, own_prompts

CAPMAS = {
    "eval_clair.py": '''import secret_module
_CLAIR_PROMPT = """\\
Are {candidate_statements} and {target_statements} \\
alike?
"""
''',
    "eval_coverage.py": """
def generate_a_caption(questions, caption):
    prompt_sys = f"Answer. "
    prompt_sys += "By \\"letter\\"."
    user_input = f"C: {caption}.\\n"
    user_input += f"Q:\\n{questions_set}"
""",
    "eval_factuality.py": """
def generate_q(caption):
    prompt_sys = "Split."
def generate_a_image(questions, path, gt_caption):
    prompt_sys = "Judge."
    user_input = f"D: {gt_caption}\\n{questions}"
""",
}
CAPARENA = '''
system_prompt_with_ref = """Which?"""
def mllm_judge_pairs(with_ref=True):
    for item in items:
        if with_ref:
            compare_prompt = f"1 {caption_1} 2 {caption_2} R {caption_ref}"
        else:
            compare_prompt = f"1 {caption_1} 2 {caption_2}"
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in CAPMAS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "vlm_as_a_judge.py").write_text(CAPARENA)
    return tmp_path


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_texts_are_put_together_without_running_anything(checkout: Path) -> None:
    hashes = {
        CLAIR: sha("Are {candidate_statements} and {target_statements} alike?\n"),
        COVERAGE_USER: sha("C: {caption}.\nQ:\n0. {question_0}\n\n1. {question_1}"),
    }
    prompts = with_caparena(with_capmas(own_prompts(), checkout, hashes), checkout, hashes)
    assert prompts.clair.fill("a", "b") == "Are - a\n and - b\n alike?\n"
    assert prompts.coverage.system == 'Answer. By "letter".'
    assert prompts.coverage.fill("a", ["x", "y"]) == "C: a.\nQ:\n0. x\n\n1. y"
    assert prompts.decompose.system == "Split."
    assert prompts.judge.fill("r", ["1. a"]) == "D: r\n1. a"
    assert prompts.arena.fill("a", "b", "c") == "1 a 2 b R c"
    assert prompts.clair.id.startswith("official-clair@")


def test_a_file_that_is_not_the_official_one_is_refused(checkout: Path) -> None:
    with pytest.raises(ValueError, match=r"eval_clair\.py: _CLAIR_PROMPT is not the official text"):
        with_capmas(own_prompts(), checkout)
    (checkout / "eval_coverage.py").write_text("def generate_a_caption(")
    with pytest.raises(ValueError, match="not a Python file"):
        with_capmas(own_prompts(), checkout, {})
    (checkout / "eval_coverage.py").write_text("x = 1")
    with pytest.raises(ValueError, match="has no prompt_sys; check out https"):
        with_capmas(own_prompts(), checkout, {})
    (checkout / "eval_coverage.py").unlink()
    with pytest.raises(FileNotFoundError, match="adobe-research/CapMAS"):
        with_capmas(own_prompts(), checkout, {})
    with pytest.raises(ValueError, match="njucckevin/CapArena"):
        with_caparena(own_prompts(), checkout)


def test_places_are_distinct() -> None:
    assert len({CLAIR, COVERAGE, COVERAGE_USER, ARENA}) == 4
    assert Place("a", "b") == Place("a", "b", None)


def test_braces_in_a_caption_stay_as_they_are() -> None:
    assert fill("{a} and {b}", a="{b}", b="{a}") == "{b} and {a}"
    assert own_prompts().clair.fill("{target_statements}", "r").count("- r") == 1


def test_our_prompts_are_whole_and_different() -> None:
    prompts = own_prompts()
    every = [prompts.clair, prompts.coverage, prompts.decompose, prompts.judge, prompts.arena]
    assert len({prompt.id for prompt in every}) == 5
    assert all(prompt.system or prompt.template for prompt in every)
    assert all(
        f"{{{name}}}" in prompts.arena.template
        for name in ("caption_1", "caption_2", "caption_ref")
    )
