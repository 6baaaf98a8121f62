"""The page of backbones is what the command writes, and its methods do train."""

from __future__ import annotations

import pytest

from command_line import vlprompt
from conftest import ROOT
from learners import RECIPES
from vlprompt_pipeline import backbones
from vlprompt_pipeline.clip.lazy_libraries import open_clip


def test_the_table_of_tags_is_that_of_the_installed_open_clip():
    page = (ROOT / "docs/backbones.md").read_text()
    if f"open_clip {open_clip.__version__}" not in page:
        pytest.skip("the page was written for another version of open_clip")
    head, _, table = backbones.document(RECIPES, tried=False).partition("## All pretrained tags")
    assert page.startswith(head.rstrip())
    assert page.endswith(table)


@pytest.mark.parametrize("model", ["EVA02-B-16", "ViT-B-16-SigLIP", "RN50"])
def test_methods_train_on_a_kind_as_the_page_says(model):
    page = (ROOT / "docs/backbones.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    (methods,) = [row[2] for row in rows if len(row) == 4 and model in row[3].split(", ")]
    refused = methods.removeprefix("all but ").split(", ")
    clip, shallow = backbones.small_clip(model), backbones.cut_recipes(RECIPES)
    for name in ("zero_shot", "coop", "tip_adapter", "maple", "prolip", "mmrl", "two_stage"):
        assert backbones.try_method(name, shallow, clip) == (name not in refused), name


def test_models_that_differ_in_sizes_alone_are_one_row(monkeypatch):
    models = ["RN50", "RN101", "coca_ViT-B-32"]  # the last is not accepted
    monkeypatch.setattr(open_clip, "list_models", lambda: models)
    few = {name: RECIPES[name] for name in ("zero_shot", "coop", "maple")}
    table = backbones.document(few, tried=True).partition("## Methods on each kind of tower")[2]
    rows = [line for line in table.partition("##")[0].splitlines() if line.startswith("| ")]
    assert rows[2:] == [
        "| causal, read at the end token | ModifiedResNet | all but maple | RN50, RN101 |"
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("ViT-B-16-SigLIP", ["bidirectional, read at the last token", "64 tokens", "methods"]),
        ("ViT-B-16:openai", ["as ViT-B-16-quickgelu:openai"]),
        ("RN50", ["ModifiedResNet", "all but maple"]),
        ("coca_ViT-B-32", ["not accepted, it is CoCa", "the nearest that is: open_clip:ViT-B-32"]),
    ],
)
def test_the_command_describes_a_model(model, expected, monkeypatch):
    monkeypatch.chdir(ROOT)
    said = vlprompt("backbones", model)
    for text in expected:
        assert text in said


def test_an_unknown_model_is_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    said = vlprompt("backbones", "ViT-B-16-SigLP", status=1)
    assert "open_clip has no model 'ViT-B-16-SigLP'; did you mean 'ViT-B-16-SigLIP'?" in said
    for model in ("ViT-B-16", "ViT-B-16-quickgelu"):
        said = vlprompt("backbones", f"{model}:opanai", status=1)
        assert f"{model} has no pretrained tag 'opanai'; it has: openai" in said
