"""Recipes are strict and say what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rediff.training.fingerprint import fingerprint
from rediff.training.overrides import with_seed
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import RECIPES, find_recipe

GOOD = """
stages:
  vision: {kind: vision, optimisation: {steps: 1}}
  base: {kind: predict, start: vision, optimisation: {steps: 1}}
export: {base: {stage: base}}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    assert Recipe.load(path).stages


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "start: vision",
            "strat: vision",
            "base.strat: unknown key 'strat'; did you mean 'start'",
        ),
        (
            "start: vision",
            "start: visoin",
            "stage 'base' depends on 'visoin', which is not defined above it",
        ),
        ("steps: 1}}", "steps: many}}", "steps: expected a whole number, got 'many'"),
        ("stage: base", "stage: bsae", "export 'base': no stage is called 'bsae'"),
        (
            "start: vision",
            "start: vision, data: [questions]",
            "say how many there are of each scene",
        ),
        ("kind: vision", "kind: 'vision", "not valid YAML"),
        ("kind: predict", "kind: predcit", "predcit"),
        (
            "start: vision",
            "start: public",
            "'start' of 'base' takes .* 'public' is of kind records",
        ),
        (
            "start: vision",
            "start: vision, data: [vision]",
            "'data' of 'base' takes .* kind drafts or records",
        ),
        ("{stage: base}", "{stage: public}", "'stage' of 'base' takes .* kind records"),
        ("{stage: base}", "{stage: base, sampler: refin}", "'base': .*did you mean 'refine'"),
        ("{stage: base}", "{stage: base, sampler: greedy}", "'base': unknown sampler 'greedy'"),
        (
            "{kind: predict, start: vision, optimisation: {steps: 1}}",
            "{kind: drafts, start: vision, pictures: 3, tokens_per_step: [1]}\n"
            "  told: {kind: expert, drafts: base, expert: self, start: vision, sampler: greedy}",
            "'told': unknown sampler 'greedy'",
        ),
        ("kind: predict", "kind: revise, loss_weights: {edits: 0.3}", "loss_weights.edits"),
        ("kind: predict", "kind: predict, weighting: llada", "weighting"),
        ("kind: predict", "kind: predict, tied: true", "'tied' belongs elsewhere"),
        (
            "{kind: predict, start: vision, optimisation: {steps: 1}}",
            "{kind: drafts, start: vision, pictures: 3, tokens_per_step: [0]}",
            "tokens_per_step.0",
        ),
        (
            "{kind: predict, start: vision, optimisation: {steps: 1}}",
            "{kind: drafts, start: vision, pictures: 3, tokens_per_step: [8, 500]}",
            "'base': 500 tokens per step are more than the",
        ),
        (
            "{kind: predict, start: vision, optimisation: {steps: 1}}",
            "{kind: drafts, start: vision, sampler: greedy, pictures: 3, tokens_per_step: [1]}",
            "'greedy' is how autoregressive models draft, and 'vision' is none",
        ),
        (
            "{kind: predict, start: vision, optimisation: {steps: 1}}",
            "{kind: drafts, start: vision, pictures: 3, tokens_per_step: [1], ties: 0.5}",
            "`ties` are of autoregressive models, and 'vision' is none",
        ),
        (
            "optimisation: {steps: 1}}\nexport",
            "causal: true, optimisation: {steps: 1}}\n"
            "  told: {kind: drafts, start: base, pictures: 3, tokens_per_step: [1]}\nexport",
            "'told': 'base' is an autoregressive model, which drafts with `sampler: greedy`",
        ),
        (
            "optimisation: {steps: 1}}\nexport",
            "causal: true, optimisation: {steps: 1}}\n"
            "  told: {kind: fills, start: base, pictures: 3}\nexport",
            "'told': 'base' is an autoregressive model, and this needs a diffusion model",
        ),
        (
            "optimisation: {steps: 1}}\nexport",
            "causal: true, optimisation: {steps: 1}}\n"
            "  hasty: {kind: drafts, start: vision, pictures: 3, tokens_per_step: [1]}\n"
            "  told: {kind: expert, drafts: hasty, expert: repair, start: base}\nexport",
            "'told': 'base' is an autoregressive model, and this needs a diffusion model",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.replace("stages:\n", "stages:\n  public: {kind: records}\n")
    path = write(tmp_path, text.replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        Recipe.load(path)
    assert str(path) in str(error.value)


def test_unknown_recipes_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'scenes'"):
        find_recipe("scene")


def test_a_stage_depends_on_what_comes_before_it_and_on_nothing_else(tmp_path: Path) -> None:
    recipe = Recipe.load(write(tmp_path, GOOD))
    before = recipe.model_copy(deep=True)
    changed = Recipe.load(write(tmp_path, GOOD.replace("vision, opt", "vision, seed: 1, opt")))
    assert fingerprint("base", recipe) == fingerprint("base", before)
    assert fingerprint("vision", recipe) != fingerprint("vision", changed) or (
        fingerprint("base", recipe) != fingerprint("base", changed)
    )
    later = Recipe.load(write(tmp_path, GOOD.replace("start: vision", "start: vision, power: 0.5")))
    assert fingerprint("vision", recipe) == fingerprint("vision", later)
    assert fingerprint("base", recipe) != fingerprint("base", later)


def test_a_recipe_has_what_it_extends_and_says_otherwise_where_it_does(tmp_path: Path) -> None:
    base = write(tmp_path, GOOD + "canvas: 20\n")
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: recipe.yaml\n"
        "stages: {more: {kind: predict, start: base, optimisation: {steps: 2}}}\n"
        "export: {more: {stage: more}}\n"
    )
    recipe, under = Recipe.load(own), Recipe.load(base)
    assert list(recipe.stages) == ["vision", "base", "more"]
    assert list(recipe.export) == ["more"]
    assert recipe.canvas == 20
    assert fingerprint("base", recipe) == fingerprint("base", under)
    own.write_text("extends: own.yaml\n")
    with pytest.raises(ValueError, match="extends itself"):
        Recipe.load(own)


def test_a_stage_says_only_what_it_does_otherwise_than_another(tmp_path: Path) -> None:
    """Than what it replaces, than one above it, and than one of what the recipe extends."""
    write(tmp_path, GOOD.replace("start: vision", "start: vision, power: 0.5"))
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: recipe.yaml\n"
        "stages:\n"
        "  first: {like: base, optimisation: {lr: 0.5}}\n"
        "  base: {like: base, start: first, optimisation: {steps: 3}}\n"
        "  more: {like: first, start: base, kind: revise, power: 2}\n"
        "export: {more: {stage: more}}\n"
    )
    stages = Recipe.load(own).model_dump(exclude_unset=True)["stages"]
    assert list(stages) == ["vision", "first", "base", "more"]
    first = {"kind": "predict", "start": "vision", "power": 0.5}
    assert stages["first"] == {**first, "optimisation": {"steps": 1, "lr": 0.5}}
    assert stages["base"] == {**first, "start": "first", "optimisation": {"steps": 3}}
    assert stages["more"] == {**stages["first"], "kind": "revise", "start": "base", "power": 2}


@pytest.mark.parametrize(
    ("other", "message"),
    [("bsae", "stages.later.like: .*'bsae'.*'base'"), ("later", "'later'"), ("last", "'last'")],
)
def test_a_stage_is_like_one_that_is_known(tmp_path: Path, other: str, message: str) -> None:
    text = GOOD.replace("export", f"  later: {{like: {other}}}\n  last: {{kind: fills}}\nexport", 1)
    with pytest.raises(ValueError, match=message):
        Recipe.load(write(tmp_path, text))


def test_what_is_extended_is_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("[1, 2]\n")
    with pytest.raises(ValueError, match=r"list\.yaml: not a recipe, and .*yaml extends it"):
        Recipe.load(write(tmp_path, GOOD + "extends: list.yaml\n"))


def test_a_seed_makes_every_stage_another_on_the_same_scenes() -> None:
    recipe = Recipe.load(find_recipe("ablations"))
    again = with_seed(recipe, 2)
    assert again.sections == recipe.sections
    assert again.stages["round-2"].seed == recipe.stages["round-2"].seed + 2 == 3
    for name in recipe.stages:
        assert fingerprint(name, again) != fingerprint(name, recipe)
    assert with_seed(recipe, 0) == recipe


def test_arms_take_equal_steps() -> None:
    """From what all start from on: an arm is compared with others of as many steps."""
    recipe = Recipe.load(find_recipe("ablations"))

    def steps(name: str) -> int:
        stage: Any = recipe.stages[name]
        if name == "facts":
            return 0
        own = getattr(stage, "optimisation", None)
        return (own.steps if own else 0) + steps(getattr(stage, "stage", stage.start))

    taken = {arm: steps(export.stage) for arm, export in recipe.export.items()}
    others = {arm: number for arm, number in taken.items() if number != 4400}
    assert others == {
        **dict.fromkeys(("rediff-self", "mask-prediction-longer", "both-longer"), 8000),
        **{arm: 3600 for arm in taken if arm.startswith("stage1-")},
        "second-round": 5200,
    }
    repair: Any = recipe.stages["repair"]
    assert repair.sampler == "repair"


def test_a_stage_of_ones_own_stands_before_the_next_that_is_replaced(tmp_path: Path) -> None:
    """And stages that are replaced stay where they were, whatever order they are written in."""
    base = {"vision": {"kind": "vision", "optimisation": {"steps": 1, "batch_size": 2}}}
    for name, start in (("a", "vision"), ("b", "a"), ("c", "b")):
        base[name] = {
            "kind": "predict", "start": start, "optimisation": {"steps": 1, "batch_size": 2},
        }  # fmt: skip
    (tmp_path / "base.yaml").write_text(
        yaml.safe_dump({"stages": base, "export": {}}, sort_keys=False)
    )
    own = {
        "c": {**base["c"], "start": "a"},
        "new": {**base["a"], "start": "a"},
        "b": {**base["b"], "start": "new"},
    }
    child = tmp_path / "child.yaml"
    written = {"extends": "base.yaml", "stages": own, "export": {}}
    child.write_text(yaml.safe_dump(written, sort_keys=False))
    assert list(Recipe.load(child).stages) == ["vision", "a", "new", "b", "c"]
