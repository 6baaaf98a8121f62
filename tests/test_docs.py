"""What the documentation shows runs as it stands."""

from __future__ import annotations

import re
from unittest.mock import patch

import torch
import yaml

from conftest import ROOT
from learners import RECIPES, unit_vectors
from vlprompt_pipeline.export import load_learner, pack, pack_learner
from vlprompt_pipeline.methods import (
    METHODS,
    ClassTexts,
    Situation,
    build_learner,
    recipes_in,
    resolve_recipe,
)
from vlprompt_pipeline.parsing import overlay
from vlprompt_pipeline.training import CachedViews, train


def test_the_python_api_page(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "python-api.md", "exec"), names)
    printed = re.findall(r"(\d+) bytes, (\d+) classes: ([\d.]+) %", capsys.readouterr().out)
    assert len(printed) == 2
    assert all(int(size) <= 160 for size, _, _ in printed)
    assert all(float(accuracy) > 3 * 100 / int(classes) for _, classes, accuracy in printed)
    assert names["history"][-1]["loss"] < names["history"][0]["loss"]
    seen = names["prompt"].prompt_tensors()["context"].numpy()
    assert (names["context"] == seen).all()
    features = names["images"].values[:, 0]
    assert (names["weights"].logits(features) == names["prompt"].logits(features)).all()
    rows = names["trained"].prompt_tensors()["context"]
    assert all(len(row.unique()) <= 16 for row in rows)


def test_the_cases_of_the_page_on_methods():
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    entry = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])["coop"]
    coop = overlay(RECIPES["coop"], entry)

    def found(*situation: str | int) -> tuple[int, int]:
        recipe = resolve_recipe("coop", recipes_in(Situation(*situation), {"coop": coop}))
        return recipe.prompt.length, recipe.training.epochs

    assert found("base_to_new", "dtd", 4) == (4, 200)
    assert found("few_shot", "dtd", 4) == (16, 100)
    assert found("few_shot", "imagenet", 4) == (16, 50)


@patch.dict(METHODS)  # what the page registers goes again
def test_the_page_on_adding_a_method(tiny_clip):
    """Its file registers, its entry trains and ships, its test passes, and it is short."""
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    page = page.partition("## A method")[2].partition("## A dataset")[0]
    method, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (entry,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    exec(compile(method, "extending.md", "exec"), {"__name__": "taskres"})
    names: dict = {"__name__": "test_taskres"}
    exec(compile(test, "extending.md", "exec"), names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name](tiny_clip)

    recipe = resolve_recipe("taskres", yaml.safe_load(entry)["recipes"])
    classes = names["CLASSES"]
    features = unit_vectors(8, 1, tiny_clip.embed_dim)
    learner = build_learner(recipe, tiny_clip, ClassTexts(classes.names, classes.template), seed=1)
    rows = train(learner, CachedViews(features, torch.arange(8) % 2, 8, seed=1), recipe.training)
    assert rows[-1]["loss"] < rows[0]["loss"]
    shipped = load_learner(pack(pack_learner(learner, recipe)), recipe, tiny_clip, classes)
    torch.testing.assert_close(
        shipped.logits(features[:, 0]), learner.logits(features[:, 0]), atol=0.2, rtol=0
    )
