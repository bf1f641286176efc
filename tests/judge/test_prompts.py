"""Our prompts, and the official ones out of a checkout."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from conversations import PROMPTS

from rediff.llm_client.prompt import fill
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.judged import caparena, clair, coverage, factuality
from rediff_eval.metrics.judged.prompts import (
    OfficialText,
    PromptSource,
    official_prompt,
    own_prompt,
)
from rediff_eval.metrics.resources import Resources

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


def unchecked(source: PromptSource) -> PromptSource:
    """The same source without the hashes of the official texts."""

    def without(text: OfficialText | None) -> OfficialText | None:
        return None if text is None else replace(text, sha256=None)

    return replace(source, system=without(source.system), user=without(source.user))


def test_texts_are_put_together_without_running_anything(checkout: Path) -> None:
    expected = sha("Are {candidate_statements} and {target_statements} alike?\n")
    assert clair.PROMPT.user is not None
    hashed = replace(clair.PROMPT, user=replace(clair.PROMPT.user, sha256=expected))
    found = official_prompt(hashed, checkout)
    assert clair.fill_prompt(found, "a", "b") == "Are - a\n and - b\n alike?\n"
    assert found.id.startswith("official-clair@")
    assert coverage.PROMPT.user is not None
    expected = sha("C: {caption}.\nQ:\n0. {question_0}\n\n1. {question_1}")
    user = replace(coverage.PROMPT.user, sha256=expected)
    found = official_prompt(replace(unchecked(coverage.PROMPT), user=user), checkout)
    assert found.system == 'Answer. By "letter".'
    assert coverage.fill_prompt(found, "a", ["x", "y"]) == "C: a.\nQ:\n0. x\n\n1. y"
    assert official_prompt(unchecked(factuality.DECOMPOSE), checkout).system == "Split."
    found = official_prompt(unchecked(factuality.JUDGE), checkout)
    assert factuality.fill_judgement(found, "r", ["1. a"]) == "D: r\n1. a"
    found = official_prompt(unchecked(caparena.PROMPT), checkout)
    assert caparena.fill_prompt(found, "a", "b", "c") == "1 a 2 b R c"


def test_a_file_that_is_not_the_official_one_is_refused(checkout: Path) -> None:
    with pytest.raises(ValueError, match=r"eval_clair\.py: _CLAIR_PROMPT is not the official text"):
        official_prompt(clair.PROMPT, checkout)
    with pytest.raises(ValueError, match="njucckevin/CapArena"):
        Resources(config=ScoringConfig(caparena_prompts=checkout)).prompt(caparena.PROMPT)
    source = unchecked(coverage.PROMPT)
    (checkout / "eval_coverage.py").write_text("def generate_a_caption(")
    with pytest.raises(ValueError, match="not a Python file"):
        official_prompt(source, checkout)
    (checkout / "eval_coverage.py").write_text("x = 1")
    with pytest.raises(ValueError, match="has no prompt_sys; check out https"):
        official_prompt(source, checkout)
    (checkout / "eval_coverage.py").unlink()
    with pytest.raises(FileNotFoundError, match="adobe-research/CapMAS"):
        official_prompt(source, checkout)


def test_a_checkout_is_used_where_it_is_named(checkout: Path) -> None:
    resources = Resources(config=ScoringConfig(capmas_prompts=checkout))
    with pytest.raises(ValueError, match="not the official text"):
        resources.prompt(clair.PROMPT)
    assert resources.prompt(caparena.PROMPT) == own_prompt(caparena.PROMPT)


def test_braces_in_a_caption_stay_as_they_are() -> None:
    assert fill("{a} and {b}", a="{b}", b="{a}") == "{b} and {a}"
    assert clair.fill_prompt(PROMPTS.clair, "{target_statements}", "r").count("- r") == 1


def test_our_prompts_are_whole_and_different() -> None:
    prompts = PROMPTS
    every = [prompts.clair, prompts.coverage, prompts.decompose, prompts.judge, prompts.arena]
    assert len({prompt.id for prompt in every}) == 5
    assert all(prompt.system or prompt.template for prompt in every)
    assert all(
        f"{{{name}}}" in prompts.arena.template
        for name in ("caption_1", "caption_2", "caption_ref")
    )
