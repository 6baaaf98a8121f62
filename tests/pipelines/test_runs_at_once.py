"""Runs at once, a killed sweep, a moved or copied project: nothing gets mixed up."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipelines.killed_sweeps import (
    ended,
    series,
    started,
)
from pipelines.project import CELL, DATASET, QUICK, Project, merged
from vlprompt_pipeline.filesystem.files import unfinished_prefix
from vlprompt_pipeline.filesystem.locks import Lock
from vlprompt_pipeline.hooks.locks import dataset_locks, few_shot_lock
from vlprompt_pipeline.processes import Process
from vlprompt_pipeline.protocol_runs import configured

ON = {"tracking": {"enabled": True}, "methods": ["coop"]}


@pytest.fixture(autouse=True)
def own_store(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def epochs(number: int, seed: int = 1) -> dict[str, Any]:
    return merged(ON, {"seed": seed, "recipes": {"coop": {"training": {"epochs": number}}}})


def at_once(project: Project, *runs: Mapping[str, Any]) -> str:
    """Start runs at the same time; what they said."""
    logs = [project.root / f"said{number}.txt" for number in range(len(runs))]
    processes = [
        started(lambda params=params: project.run(params), log)
        for params, log in zip(runs, logs, strict=True)
    ]
    for process, log in zip(processes, logs, strict=True):
        ended(process, log)
    return "".join(" ".join(log.read_text().split()) for log in logs)


def of_method(project: Project, method: str = "coop") -> list[Run]:
    """Finished runs of a method; there must be none of another status."""
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("vlprompt")
    found = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in found} == {"FINISHED"}
    return [run for run in found if run.data.tags.get("method") == method]


def require_own_settings_and_prompt(project: Project, run: Run) -> None:
    """The curve is as long as the recipe says, and the prompt is that of the tag."""
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    curve = client.get_metric_history(run.info.run_id, "epoch.loss")
    assert len(curve) == int(run.data.params["training.epochs"])
    packed = Path(client.download_artifacts(run.info.run_id, "prompt.vlp"))
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == run.data.tags["prompt_sha256"]
    record = json.loads(
        Path(client.download_artifacts(run.info.run_id, "reproducibility.json")).read_text()
    )
    assert record["files"]["packed_prompt"]["sha256"] == run.data.tags["prompt_sha256"]
    assert record["seed"] == int(run.data.params["seed"])


def test_two_settings_of_one_cell_at_once(project):
    """The later replaces the earlier on disk; in MLflow there are both."""
    said = at_once(project, epochs(1), epochs(2))
    assert f"waiting for the cell {CELL}" in said
    assert "coop in" in said
    assert ": this run replaces it on disk; MLflow keeps both" in said
    runs = of_method(project)
    assert sorted(run.data.params["training.epochs"] for run in runs) == ["1", "2"]
    for run in runs:
        require_own_settings_and_prompt(project, run)
    on_disk = hashlib.sha256(project.path("06_models", "coop/prompt.vlp").read_bytes()).hexdigest()
    record = project.json("08_reporting/reproducibility", "coop/reproducibility.json")
    assert record["files"]["packed_prompt"]["sha256"] == on_disk


@pytest.mark.long
def test_four_runs_on_two_cells_at_once(project):
    """In a fresh project, then the same in the used one: what MLflow has is not counted again."""
    for _ in range(2):
        at_once(project, epochs(2), epochs(2, seed=2), epochs(3), epochs(2))
        runs = of_method(project)
        made = sorted((run.data.params["seed"], run.data.params["training.epochs"]) for run in runs)
        assert made == [("1", "2"), ("1", "3"), ("2", "2")]
        for run in runs:
            require_own_settings_and_prompt(project, run)


def holding(project, name: str) -> int:
    """Start a process that holds a lock; returns its number."""
    from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock

    def hold() -> None:
        HeldLocks(project.data / "locks").acquire([Lock(name)], patience=0)
        time.sleep(60)

    holder = started(hold, project.root / "holder.txt")
    while not list((project.data / "locks").glob("*.json")):
        time.sleep(0.05)
    return holder


def test_a_run_waits_for_one_of_another_seed_that_trains_the_same_group(project):
    name = f"the prompts that train side by side in {Path(CELL).parent}"
    holder = holding(project, name)
    together = {"side_by_side": {"seeds": [1, 2]}, "seed": 2, "wait_for_other_runs": 0}
    assert project.refusal(together).startswith(f"{name} is still written by process {holder} on ")
    os.kill(holder, 9)
    os.waitpid(holder, 0)


def test_a_report_has_the_results_that_came_while_it_waited(project):
    holder = holding(project, "the reports in data/08_reporting")
    log = project.root / "said.txt"
    log.touch()
    reporting = started(lambda: project.run({"methods": ["zero_shot"]}, report=True), log)
    while "waiting for the reports" not in " ".join(log.read_text().split()):
        time.sleep(0.05)
    project.run({"methods": ["zero_shot"], "seed": 2})
    os.kill(holder, 9)
    os.waitpid(holder, 0)
    ended(reporting, log)
    assert project.report()["n_seeds"].to_list() == [2]


def test_a_run_that_is_refused_at_its_start_holds_nothing(project):
    (project.root / "folder").mkdir()
    tracking = {"enabled": True, "uri": "sqlite:///folder"}
    assert "MLflow" in project.refusal({"tracking": tracking})
    assert not list((project.data / "locks").glob("*.json"))


def test_files_of_other_parameters_are_not_taken_for_those_of_a_run(project):
    refused = pytest.raises(click.ClickException, match="--only-missing-outputs takes files of")
    with project.session() as session, refused:
        session.run(pipeline_names=["cell"], only_missing_outputs=True)


def test_a_file_of_no_cell_has_one_writer_too(project):
    name = "data/07_model_output/prediction/labels.csv"
    holder = holding(project, name)
    message = project.refusal({"wait_for_other_runs": 0}, stages=("prediction",))
    assert message.startswith(f"{name} is still written by process {holder} on ")
    os.kill(holder, 9)
    os.waitpid(holder, 0)


def test_runs_that_would_write_other_features_to_one_file_exclude_each_other(project):
    project.bootstrap()

    def locks(**changed) -> list[Lock]:
        own = configured(project.root, None, None, merged(QUICK, changed))
        return [*dataset_locks(own), few_shot_lock(own)]

    for other in ({"threads": 3}, {"precision": "bf16"}, {"side_by_side": {"seeds": [1, 2]}}):
        assert any(map(Lock.excludes, locks(), locks(**other))), other
    for other in ({"seed": 2}, {"protocol": "few_shot"}, {"features": {"workers": 1}}):
        assert not any(map(Lock.excludes, locks(), locks(**other))), other


def test_who_does_not_want_to_wait_is_told_who_writes(project):
    holder = holding(project, f"the cell {CELL}")
    message = project.refusal({"wait_for_other_runs": 0})
    assert message.startswith(f"the cell {CELL} is still written by process {holder} on ")
    os.kill(holder, 9)
    os.waitpid(holder, 0)
    writer = Process(socket.gethostname(), holder, 0)
    name = f"{unfinished_prefix('prompt.vlp', writer)}x1y2"
    cells = [project.path("06_models", name), project.path("04_feature", name, cell="store")]
    for left in cells:
        left.parent.mkdir(parents=True)
        left.write_text("of a run that was killed while it wrote")
    project.run({"methods": ["zero_shot"], "wait_for_other_runs": 0})
    assert not any(left.exists() for left in cells)


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.long)])
def test_sweeps_killed_at_random_end_as_if_undisturbed(kills, tmp_path):
    """Two kills of a fresh project; the long form goes on in fresh and used ones by turns."""
    assert series(tmp_path, kills, 5, random.Random(0)) == kills


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_moved_or_copied_project_works_and_leaves_the_old_place_alone(how, project, tmp_path):
    methods = {"tracking": {"enabled": True}, "methods": ["zero_shot", "coop"]}
    log = tmp_path / "log.txt"

    def first() -> None:
        project.run(methods)
        project.run(methods, stages=("register",))

    ended(started(first, log), log)
    new = Project(tmp_path / "new place")
    (shutil.move if how == "moved" else shutil.copytree)(project.root, new.root)
    before = snapshot(project.root) if project.root.exists() else None

    def again() -> None:
        new.run({**methods, "seed": 2})
        new.run({**methods, "seed": 2}, stages=("register",))
        new.run(methods, stages=("register",))
        model = f"{DATASET}.coop/1"
        asked = {"images": "data/01_raw", "model": model, "top_k": 1}
        new.run({"tracking": {"enabled": True}, "prediction": asked}, stages=("prediction",))

    ended(started(again, log), log)
    assert (new.data / "07_model_output/prediction/labels.csv").is_file()
    registration = new.json("06_models", "coop/registration.json")
    assert (registration["version"], registration["new"]) == ("1", False)
    assert (snapshot(project.root) if project.root.exists() else None) == before


def test_a_changed_file_of_a_version_is_named_before_anything_of_it_is_used(project, tmp_path):
    methods = {"tracking": {"enabled": True}, "methods": ["zero_shot"]}
    project.run(methods)
    project.run(methods, stages=("register",))
    asked = {"images": "data/01_raw", "model": f"{DATASET}.zero_shot/1", "top_k": 1}
    predicting = {"tracking": {"enabled": True}, "prediction": asked}
    (model,) = (project.root / "mlruns").rglob("model.py")
    untouched = model.read_text()
    model.write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n" + untouched)
    message = project.refusal(predicting, stages=("prediction",))
    assert "model.py of demo_counts.zero_shot version 1 was changed since" in message
    assert not (tmp_path / "trace").exists(), "it was run"
    model.write_text(untouched)
    for name in ("card.json", "prompt.vlp", "classifier_weights.safetensors"):
        file = model.parent / "artifacts" / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        for stage in ("prediction", "promote"):
            message = project.refusal(merged(methods, predicting), stages=(stage,))
            assert f"artifacts/{name} of demo_counts.zero_shot version 1 was changed" in message
        served(model.parent, name)
        file.write_bytes(content)
    project.run(predicting, stages=("prediction",))


def served(package: Path, name: str) -> None:
    """What `mlflow models serve` does with a package: it has the files alone."""
    import mlflow

    from vlprompt_pipeline.errors import PromptFileError

    parts = {"card.json": "card", "prompt.vlp": "prompt", "classifier_weights.safetensors": "head"}
    with pytest.raises(PromptFileError, match=f"{parts[name]} of this package was changed"):
        mlflow.pyfunc.load_model(str(package))


def test_a_search_in_mlflow_finds_the_run_with_the_metrics(project):
    project.run({"tracking": {"enabled": True}, "methods": ["zero_shot", "coop"]})
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    number = client.get_experiment_by_name("vlprompt").experiment_id
    query = f"metrics.h >= 0 and params.dataset = '{DATASET}' and params.method = 'coop'"
    (run,) = client.search_runs([number], query)
    cell = {"dataset": DATASET, "protocol": "base_to_new", "shots": "4", "seed": "1"}
    assert cell.items() <= run.data.params.items()
    assert cell.items() <= run.data.tags.items()
    inputs = {given.dataset.name: given for given in run.inputs.dataset_inputs}
    assert set(inputs) == {DATASET, f"{DATASET}, 4 shots, seed 1"}
    record = project.json("08_reporting/reproducibility", "coop/reproducibility.json")
    assert record["hashes"]["split"].startswith(inputs[DATASET].dataset.digest)
    project.run({"tracking": {"enabled": True}, "methods": ["zero_shot", "coop"]})
    assert len(client.search_runs([number], query)) == 1
