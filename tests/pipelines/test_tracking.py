"""MLflow: a run for each `kedro run`, a child for each method, a failed one that says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
import torch
from kedro.io import MemoryDataset
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from pipelines.project import DATASET, Project, merged
from pipelines.watched import watch_epochs
from servers import free_port
from vlprompt_pipeline.hooks import mlflow_runs
from vlprompt_pipeline.hooks.mlflow_runs import find_or_open
from vlprompt_pipeline.hooks.run_descriptions import Description, RunDescriptions
from vlprompt_pipeline.hooks.run_outputs import LoggedOutput
from vlprompt_pipeline.registry.experiment import Experiment

METHODS = ["zero_shot", "coop"]
ON = {"tracking": {"enabled": True}, "methods": METHODS}


@pytest.fixture(autouse=True)
def own_store(monkeypatch) -> Iterator[None]:
    """No store of the environment, and none left for other tests."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    mlflow.set_tracking_uri(None)


def runs(project: Project) -> list[Run]:
    """All runs of the project, the first first."""
    client = mlflow.MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("vlprompt")
    return client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])


@pytest.mark.parametrize(
    ("root", "folder"), [("s3://photos/", "s3://photos/cats"), ("/photos/", "/photos/cats")]
)
def test_the_folder_of_photos_is_told_where_they_lie_in_a_bucket_too(root, folder, monkeypatch):
    cell = {"dataset": "cats", "shots": 4, "seed": 1}
    monkeypatch.setattr(RunDescriptions, "cell", lambda _: cell)
    described = RunDescriptions({"dataset_root": root}, Path(), "")
    hashes = {"split": "s", "few_shot": "f"}
    record = SimpleNamespace(exists=lambda _: True, load=lambda _: {"hashes": hashes})
    assert described.inputs(record, "coop") == [
        ("cats", "s", folder, "evaluation"),
        ("cats, 4 shots, seed 1", "f", folder, "training"),
    ]


def test_a_run_and_a_failure_are_recorded(project, monkeypatch, capsys):
    monkeypatch.chdir(project.data)  # where the store is does not depend on it
    project.run(ON, report=True)
    shown = capsys.readouterr().out
    assert "report: data/08_reporting/report.html\n" in shown
    assert f"runs: sqlite:///{project.root / 'mlflow.db'}\n" in shown
    parent, *children = runs(project)
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "k4 s1 demo_counts base_to_new"
    assert parent.data.params["clip.name"] == "demo"
    assert parent.data.params["features.views"] == "2"
    assert parent.data.params["base_to_new.base_share"] == "0.5"
    others = ("recipes", "few_shot.", "cross_dataset.", "domain_generalisation.")
    assert not [name for name in parent.data.params if name.startswith(others)]
    client = mlflow.MlflowClient()
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "report.csv", "headline.png", "few_shot_set.json"} <= kept

    by_method = {child.data.tags["method"]: child for child in children}
    assert set(by_method) == set(METHODS)
    for method, child in by_method.items():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        metrics = project.json("07_model_output", f"{method}/metrics.json")
        sizes = project.json("06_models", f"{method}/sizes.json")
        assert child.data.metrics["h"] == metrics["harmonic_mean"]
        assert child.data.metrics["new.accuracy"] == metrics["new"]["accuracy"]
        together = metrics["generalised"]
        assert child.data.metrics["generalised.h"] == together["harmonic_mean"]
        top5 = child.data.metrics["generalised.new.top5_accuracy"]
        assert top5 == together["new"]["top5_accuracy"]
        assert child.data.metrics["file_bytes"] == sizes["file_bytes"]
        files = {file.path for file in client.list_artifacts(child.info.run_id)}
        assert {"prompt.safetensors", "prompt.vlp", "history.csv"} <= files
        assert {"reproducibility.json", "per_class.parquet"} <= files
        assert child.data.tags["made.torch"] == torch.__version__
    curve = client.get_metric_history(by_method["coop"].info.run_id, "epoch.loss")
    assert [point.step for point in curve] == [0, 1, 2]

    asked = f"metrics.h > 0 and params.dataset = '{DATASET}' and params.method = 'coop'"
    found = client.search_runs([parent.info.experiment_id], f"{asked} and params.shots = '4'")
    assert [run.info.run_name for run in found] == ["coop k4 s1 demo_counts base_to_new"]
    for run in (parent, *children):
        recorded = client.get_run(run.info.run_id).inputs.dataset_inputs
        names = {given.dataset.name: given.dataset.digest for given in recorded}
        assert set(names) == {DATASET, f"{DATASET}, 4 shots, seed 1"}
        record = project.json("08_reporting/reproducibility", "coop/reproducibility.json")
        assert names[DATASET] == record["hashes"]["split"][:36]

    watch_epochs(monkeypatch, lambda *_: 1 / 0)
    assert "ZeroDivisionError" in project.refusal({**ON, "seed": 2})
    failed = runs(project)[-1]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "division by zero"
    assert mlflow.active_run() is None


def test_a_refused_command_leaves_no_run(project):
    unknown = {"prediction": {"images": "data/01_raw", "model": f"{DATASET}.coop/9", "top_k": 1}}
    for stage, params in (("register", {"seed": 9}), ("prediction", unknown)):
        project.refusal(merged(ON, params), stages=(stage,))
    project.refusal({**ON, "shots": 6})  # after the nodes that read the images
    assert runs(project) == []
    client = mlflow.MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    number = client.get_experiment_by_name("vlprompt").experiment_id
    deleted = client.search_runs([number], run_view_type=ViewType.DELETED_ONLY)
    assert [run.info.status for run in deleted] == ["KILLED"], "none goes on for ever"


def test_a_run_that_was_interrupted_ends_when_the_next_one_of_its_process_begins(
    project, monkeypatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("vlprompt_pipeline.pipelines.prompt_training.nodes.train_alone", interrupt)
        project.run(ON)
    assert [run.info.status for run in runs(project)] == ["RUNNING"]
    project.run({**ON, "seed": 2}, stages=("data_preparation",))
    assert runs(project)[0].info.status == "KILLED"


def test_a_prediction_is_called_like_its_model(tmp_path):
    model = {"prediction": {"model": "my.photos.linear_probe@champion", "top_k": 1}}
    described = RunDescriptions(model, tmp_path, "sqlite:///mlflow.db").of_other(["prediction"])
    assert described.name == "my.photos.linear_probe@champion, prediction"
    for where in (described.parameters, described.tags):
        assert (where["dataset"], where["method"]) == ("my.photos", "linear_probe")


def test_metrics_of_targets_are_told_apart(tmp_path):
    outputs = {
        f"coop.{name}.target_metrics": LoggedOutput(
            MemoryDataset({"target": {"accuracy": accuracy}}), "metrics"
        )
        for name, accuracy in {"dtd": 40.0, "demo_flags": 70.0}.items()
    }
    experiment = Experiment.open(f"sqlite:///{tmp_path / 'mlflow.db'}", "vlprompt", tmp_path)
    run = find_or_open(experiment, None, Description("run", {}))
    run.log_outputs(outputs)
    run.end("FINISHED")
    metrics = run.client.get_run(run.run_id).data.metrics
    assert metrics == {"dtd.target.accuracy": 40.0, "demo_flags.target.accuracy": 70.0}


def test_a_run_of_another_machine_is_dead_a_day_after_it_was_begun_or_went_on(
    tmp_path, monkeypatch
):
    experiment = Experiment.open(f"sqlite:///{tmp_path / 'mlflow.db'}", "vlprompt", tmp_path)
    days_ago = int((time.time() - 2 * 24 * 3600) * 1000)
    tags = {mlflow_runs.KEY: "a sweep", mlflow_runs.PROCESS: f"elsewhere 1 {days_ago / 1000:.2f}"}
    run = experiment.client.create_run(experiment.number, start_time=days_ago, tags=tags)
    assert mlflow_runs.close_dead_runs(experiment) == 1
    with monkeypatch.context() as there:
        there.setattr("socket.gethostname", lambda: "elsewhere")
        assert find_or_open(experiment, "a sweep", Description("", {})).run_id == run.info.run_id
    assert mlflow_runs.close_dead_runs(experiment) == 0
    assert experiment.client.get_run(run.info.run_id).info.status == "RUNNING"


def test_a_run_that_cannot_be_recorded_lets_go_of_its_locks(project, monkeypatch):
    def away(*given) -> None:
        raise MlflowException("Max retries exceeded with url: /api")

    monkeypatch.setattr(mlflow_runs.OpenRun, "log_outputs", away)
    assert "but not recorded" in project.refusal({**ON, "methods": ["zero_shot"]})
    assert list((project.data / "locks").glob("*.json")) == []


def test_it_can_be_off(finished):
    assert not (finished.root / "mlflow.db").exists()
    assert not (finished.root / "mlruns").exists()


def test_a_server_that_is_not_there_is_told_before_any_work(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    message = project.refusal(ON)
    assert message.startswith("MLflow at http://127.0.0.1:")
    assert "does not answer (is its server started?)" in message
    assert "name another place with MLFLOW_TRACKING_URI" in message
    assert {path.parent.name for path in project.data.rglob("*.*")} <= {"locks"}
