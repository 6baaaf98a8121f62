"""The reproducibility record of a run, and `kedro run --pipelines=verify`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.runner import ThreadRunner

from pipelines.project import CELL, QUICK, Project, merged
from pipelines.watched import watch_epochs
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.methods.trained import TrainedPrompt

METHODS = ("coop", "qcoop", "zero_shot")
ANY_METHOD = {key: value for key, value in QUICK.items() if key != "methods"}


@pytest.fixture
def stored(finished: Project, tmp_path: Path) -> Project:
    """A copy of a project in which the default pipeline has run."""
    return Project(shutil.copytree(finished.root, tmp_path / "copy"))


def verify(project: Project, params: Mapping[str, Any] = ANY_METHOD, **how: Any) -> None:
    """`kedro run --pipelines=verify`; methods only if `params` has some."""
    project.bootstrap()
    with KedroSession.create(project.root, runtime_params=dict(params)) as session:
        session.run(pipeline_names=["verify"], **how)


def refusal(project: Project, params: Mapping[str, Any] = ANY_METHOD) -> str:
    with pytest.raises(click.ClickException) as caught:
        verify(project, params)
    return caught.value.message


def record_file(project: Project, method: str) -> Path:
    return project.path("08_reporting/reproducibility", f"{method}/reproducibility.json")


def record(project: Project, method: str) -> dict[str, Any]:
    return project.json("08_reporting/reproducibility", f"{method}/reproducibility.json")


def verification(project: Project) -> dict[str, Any]:
    return project.json("08_reporting/verification", "verification.json")


def left(project: Project) -> dict[str, bytes]:
    """All files but the verification's own, records included."""
    records = {str(path): path.read_bytes() for path in project.data.rglob("reproducibility.json")}
    found = {name: data for name, data in project.files().items() if "verification" not in name}
    assert list(project.data.glob("04_feature/verification/*")) == [], "its folder is gone"
    return records | found


@pytest.mark.parametrize("method", METHODS)
def test_a_run_leaves_a_record_of_what_made_its_files(finished, method):
    found = record(finished, method)
    assert set(found["files"]) == {"prompt", "packed_prompt", "predictions"}
    for file in found["files"].values():
        assert sha256_file(finished.root / file["path"]) == file["sha256"]
        assert file["run"] == 0
    prompt = TrainedPrompt.load(finished.path("06_models", f"{method}/prompt.safetensors"))
    few_shot = prompt.provenance["few_shot_sha256"]
    assert found["hashes"]["few_shot"] == few_shot
    assert found["hashes"]["weights"] == prompt.weights_sha256
    (run,) = found["runs"]
    others = set(METHODS) - {method}
    assert not [node for node in run["nodes"] if node.partition(".")[0] in others]
    assert run["pipelines"] == ["__default__"]
    assert run["parameters"]["features"]["views"] == 2
    assert set(run["environment"]["code"]) == {"commit", "dirty", "changed", "remark"}


def test_a_cell_that_is_found_finished_keeps_its_record(stored):
    before = {method: record_file(stored, method).stat().st_mtime_ns for method in METHODS}
    stored.run(stages=("cell",))
    after = {method: record_file(stored, method).stat().st_mtime_ns for method in METHODS}
    assert after == before


def test_what_is_made_anew_is_put_down_to_the_later_run(stored):
    first = record(stored, "coop")["runs"][0]
    stored.run({"features": {"decoding": "as_seen"}}, stages=("evaluation",))
    assert record(stored, "coop")["runs"] == [first], "the same answers"
    stored.run({"recipes": {"coop": {"training": {"epochs": 2}}}, "methods": ["coop"]})
    changed = record(stored, "coop")
    assert changed["files"]["prompt"]["run"] == changed["files"]["packed_prompt"]["run"]
    made = changed["runs"][changed["files"]["prompt"]["run"]]
    assert made["started"] > first["ended"]


def test_a_training_that_an_earlier_run_did_is_not_put_down_to_this_one(stored):
    record_file(stored, "coop").unlink()
    stored.run({"methods": ["coop"]}, stages=("prompt_training",))
    (run,) = record(stored, "coop")["runs"]
    assert any(text.startswith("training: an earlier run did it") for text in run["not_measured"])


def test_a_broken_record_costs_no_run(stored, caplog):
    record_file(stored, "coop").write_text("{")
    stored.run({"methods": ["coop"]}, stages=("prompt_training",))
    assert "reproducibility.json is broken and is written anew" in caplog.text
    assert set(record(stored, "coop")["files"]) == {"prompt"}


def test_a_finished_cell_is_made_again_from_the_images_and_nothing_of_it_is_touched(
    stored, capsys, caplog
):
    before = left(stored)
    verify(stored)
    assert not [record for record in caplog.records if record.name.startswith("kedro.io")]
    found = verification(stored)
    assert found["same"]
    assert tuple(sorted(each["method"] for each in found["methods"])) == METHODS
    for each in found["methods"]:
        assert each["same"]
        assert each["tensors"] == {"identical": True, "max_difference": 0.0}
        assert all(each["made_from"].values())
    assert "The cell was made again, bit for bit." in capsys.readouterr().out
    assert left(stored) == before


def test_only_the_methods_that_are_asked_for_and_in_threads(stored):
    verify(stored, merged(ANY_METHOD, {"methods": "coop"}), runner=ThreadRunner())
    assert [each["method"] for each in verification(stored)["methods"]] == ["coop"]


def test_other_bits_are_told_with_what_differs_and_the_run_fails(stored, monkeypatch):
    before = left(stored)

    def drift(learner, epoch):
        learner.context.data[0, 0] += 0.25

    watch_epochs(monkeypatch, drift)
    params = {"methods": ["zero_shot", "coop"], "features": {"views": 3}}
    said = refusal(stored, merged(ANY_METHOD, params))
    assert "  zero_shot  same: " in said
    assert "  coop       tensors differ by up to " in said
    assert "packed prompt differs" in said
    assert "parameters.features.views: 2 then, 3 now" in said
    zero_shot, coop = verification(stored)["methods"]
    assert zero_shot["same"]
    assert not coop["same"]
    assert coop["tensors"]["max_difference"] > 0.2
    assert coop["differences"]["parameters.features.views"] == [2, 3]
    assert left(stored) == before


@pytest.mark.parametrize("name", ["prompt.vlp", "predictions.parquet"])
def test_a_file_that_was_changed_is_named_before_anything_is_computed(stored, name, monkeypatch):
    layer = "06_models" if name == "prompt.vlp" else "07_model_output"
    path = stored.path(layer, f"coop/{name}")
    if name == "prompt.vlp":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        pd.read_parquet(path).assign(prediction=0).to_parquet(path)
    watch_epochs(monkeypatch, lambda *_: pytest.fail("it trains"))
    said = refusal(stored)
    assert said.startswith(f"data/{layer}/{CELL}/coop/{name} has been changed since the run of ")


def test_another_recipe_or_none_finished_is_told_before_anything_is_computed(stored, project):
    other = {"recipes": {"coop": {"training": {"epochs": 5}}}}
    said = refusal(stored, merged(ANY_METHOD, other))
    assert said.startswith(
        "recipes.coop is not the recipe of the stored run: training.epochs was 3 and is 5;"
    )
    said = refusal(project)
    assert said == (
        "nothing is finished for dataset demo_counts, base_to_new, shots 4, seed 1: run it first, "
        "or name a cell that is"
    )
    assert "reproducibility.json: run the pipeline that writes it" in refusal(project, QUICK)
    assert project.files() == {}


def test_prompts_in_the_image_tower_and_targets_are_made_again(project):
    project.bootstrap()
    params = {
        "device": "cpu",
        "tracking": {"enabled": False},
        "dataset": "caltech101",
        "protocol": "cross_dataset",
        "cross_dataset": {"targets": "dtd"},
        "methods": ["maple", "tip_adapter"],
        "recipes": {"maple": {"training": {"epochs": 1}}},
    }
    for stage in ("cell", "verify"):
        with KedroSession.create(project.root, env="miniature", runtime_params=params) as session:
            session.run(pipeline_names=[stage])
    cell = "demo/miniature_caltech101/cross_dataset/shots4/seed1"
    maple, adapter = project.json("08_reporting/verification", "verification.json", cell)["methods"]
    assert maple["same"]
    assert set(maple["answers"]) == {"caltech101", "dtd"}
    assert adapter["same"]
    assert set(adapter["answers"]) == {"caltech101"}, "bound to the classes of training"
    folder = f"08_reporting/reproducibility/{cell}/maple"
    assert "dtd.target_predictions" in project.json(folder, "reproducibility.json", "")["files"]
