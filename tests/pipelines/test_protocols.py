"""Other protocols, online crops, and changes between runs of one project."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pipelines.project import CELL, CLASSES, DATASET, PER_CLASS, QUICK, Project
from vlprompt_pipeline.methods.trained import TrainedPrompt

FEW_SHOT = f"demo/{DATASET}/few_shot/shots4/seed1"
ONLINE = {"features": {"train": "online"}, "methods": ["coop"]}
RESULTS = ("06_models", "07_model_output", "08_reporting")


def prompt(project: Project, method: str = "coop", cell: str = CELL) -> TrainedPrompt:
    """The trained prompt of a method."""
    return TrainedPrompt.load(project.path("06_models", f"{method}/prompt.safetensors", cell))


def results(project: Project) -> dict[str, bytes]:
    """Every file that trained prompts and their scores are in."""
    return {k: v for k, v in project.files().items() if k.startswith(RESULTS)}


def test_few_shot_trains_and_scores_all_classes_and_allows_class_specific_prompts(project):
    params = {
        "protocol": "few_shot",
        "methods": ["zero_shot", "csc"],
        "recipes": {"csc": {"extends": "coop", "prompt": {"class_specific": True}}},
    }
    project.run(params, report=True)
    assert len(prompt(project, "csc", FEW_SHOT).classes.names) == CLASSES
    context = prompt(project, "csc", FEW_SHOT).state["context"]
    assert context.shape[:2] == (CLASSES, 4)
    assert not torch.equal(context[0], context[1])
    metrics = project.json("07_model_output", "csc/metrics.json", FEW_SHOT)
    assert set(metrics) == {"base", "validation"}
    assert metrics["base"]["total"] == CLASSES * PER_CLASS.test
    table = pd.read_parquet(project.path("07_model_output", "csc/predictions.parquet", FEW_SHOT))
    assert set(table["half"]) == {"base"}
    assert sorted(table["label"].unique()) == list(range(CLASSES))
    report = project.report()
    assert report.loc["csc", "base_mean"] == pytest.approx(metrics["base"]["accuracy"])
    assert "new_mean" not in report
    record = project.json("08_reporting/records", "csc.json", FEW_SHOT)
    assert record["classes"]["new"] == []
    assert record["methods"][0]["new"] is None


def test_both_protocols_stand_in_one_report(project):
    for protocol in ("base_to_new", "few_shot"):
        project.run({"protocol": protocol, "methods": ["zero_shot"]}, report=True)
    report = project.report()
    assert sorted(report["protocol"]) == ["base_to_new", "few_shot"]
    assert report["h"].notna().tolist() == (report["protocol"] == "base_to_new").tolist()


def test_online_crops_give_the_same_bits_again_and_cache_no_view(project, tmp_path, finished):
    again = Project.create(tmp_path / "again")
    for each in (project, again):
        each.run(ONLINE)
        described = each.json(
            "04_feature", "training_features.json", f"demo/{DATASET}/shots4/seed1"
        )
        assert (described["mode"], described["key"]) == ("online", None)
        assert (
            len(list((each.data / "04_feature/store").iterdir())) == 2
        )  # test and validation images
    assert results(project) == results(again)
    assert not torch.equal(prompt(project).state["context"], prompt(finished).state["context"])


def test_rendered_pictures_that_were_changed_are_drawn_again(project):
    """So online training, which reads the files, gives the same bits."""
    project.run(ONLINE)
    before = prompt(project).state["context"]
    for path in (project.data / "01_raw").rglob("*.png"):
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(path)
    project.run(ONLINE)
    assert torch.equal(prompt(project).state["context"], before)


def test_another_clip_under_the_same_name_shares_nothing(project, tmp_path, tiny_clip_folder):
    """A whole run with changed weights gives what a project that never saw the others gives."""
    changed = shutil.copytree(tiny_clip_folder, tmp_path / "changed")
    weights = changed / "open_clip_model.safetensors"
    tensors = load_file(weights)
    save_file({**tensors, "logit_scale": tensors["logit_scale"] / 2}, weights)
    other = {"clip": {"name": "tiny", "source": f"local-dir:{changed}"}}
    project.run({"clip": {"name": "tiny", "source": f"local-dir:{tiny_clip_folder}"}})
    project.run(other)
    fresh = Project.create(tmp_path / "fresh")
    fresh.run(other)
    assert results(project) == results(fresh)


def test_clips_of_different_names_stand_side_by_side(project, finished, tiny_clip_folder):
    project.run()
    project.run({"clip": {"name": "tiny", "source": f"local-dir:{tiny_clip_folder}"}}, report=True)
    assert prompt(project).weights_sha256 == prompt(finished).weights_sha256
    tiny = prompt(project, cell=CELL.replace("demo/", "tiny/", 1))
    assert tiny.weights_sha256 != prompt(project).weights_sha256
    report = project.report().reset_index()
    assert sorted(report["clip"].unique()) == ["demo", "tiny"]
    assert len(report) == 2 * len(QUICK["methods"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"recipes": {"coop": {"training": {"lr": 0.1}}}}, id="learning rate"),
        pytest.param({"features": {"crop_scale": [0.3, 0.5]}}, id="crops", marks=pytest.mark.long),
        pytest.param(
            {"recipes": {"coop": {"prompt": {"init": "one two three four"}}}},
            id="initial words",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_changed_setting_trains_anew(project, finished, tmp_path, change):
    project.run()
    project.run(change)
    fresh = Project.create(tmp_path / "fresh")
    fresh.run(change)
    assert results(project) == results(fresh)
    assert not torch.equal(prompt(project).state["context"], prompt(finished).state["context"])
