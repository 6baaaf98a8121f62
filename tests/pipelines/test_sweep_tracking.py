"""What MLflow knows of a sweep, and a sweep without MLflow."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from mlflow import MlflowClient

from pipelines.project import DATASET
from pipelines.sweeps import Faults, sweep
from vlprompt_pipeline.errors import ConfigError, TrackingError
from vlprompt_pipeline.sweep import Options, runs, worker


def test_a_sweep_whose_report_fails_has_failed_in_mlflow_too(project, monkeypatch):
    def broken(*given) -> None:
        raise ConfigError("no room for the report")

    project.bootstrap()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(runs, "_report", broken)
    with pytest.raises(ConfigError, match="no room"):
        sweep(project, {"tracking": {"enabled": True}}, seed=[1, 2])
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    number = client.get_experiment_by_name("vlprompt").experiment_id
    (found,) = client.search_runs([number], "tags.`mlflow.source.name` = 'kedro sweep'")
    assert found.info.status == "FAILED"


def test_the_run_of_a_sweep_tells_of_the_last_time(project, monkeypatch):
    project.bootstrap()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    worker.mlflow_absence = worker.Absence()
    on = {"tracking": {"enabled": True}}
    Faults(monkeypatch, ConfigError("no such thing"))
    with pytest.raises(click.ClickException, match="1 of 2 cells failed"):
        sweep(project, on, Options(report=False), seed=[1, 2])
    sweep(project, on, Options(report=False), seed=[1, 2])
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    number = client.get_experiment_by_name("vlprompt").experiment_id
    (found,) = client.search_runs([number], "tags.`mlflow.source.name` = 'kedro sweep'")
    counts = {key: value for key, value in found.data.tags.items() if key.startswith("cells.")}
    assert counts == {
        "cells.finished": "2",
        "cells.found": "0",
        "cells.unrecorded": "0",
        "cells.failed": "0",
    }


def test_mlflow_that_does_not_answer_is_asked_once_for_all_cells(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, TrackingError("MLflow is away"))
    on = {"tracking": {"enabled": True}}
    worker.mlflow_absence = worker.Absence()
    watch = sweep(project, on, Options(report=False), seed=[1, 2, 3])
    worker.mlflow_absence = worker.Absence()
    assert watch.counts == {"unrecorded": 3}
    assert [each["tracking"]["enabled"] for each in faults.params] == [True, False, False, False]
    faults.params.clear()
    watch = sweep(project, on, Options(report=False), seed=[1])
    assert [each["tracking"]["enabled"] for each in faults.params] == [True], "it is asked again"


def test_a_sweep_of_one_cell_says_why_it_is_not_in_mlflow(project, monkeypatch, capsys):
    project.bootstrap()
    Faults(monkeypatch, TrackingError("MLflow refused the name of the host"))
    worker.mlflow_absence = worker.Absence()
    sweep(project, {"tracking": {"enabled": True}}, Options(report=False), seed=[1])
    worker.mlflow_absence = worker.Absence()
    said = capsys.readouterr().err
    assert "1 cell;" in said and "refused the name of the host" in said


def test_without_mlflow_cells_are_finished_and_recorded_later(project, monkeypatch, capsys):
    project.bootstrap()
    on = {"tracking": {"enabled": True}}
    broken = project.root / "broken.db"
    broken.write_text("this is no database at all, whoever reads it")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{broken}")
    worker.mlflow_absence = worker.Absence()
    watch = sweep(project, on, Options(report=False), seed=[1, 2])
    assert watch.counts == {"unrecorded": 2}
    said = capsys.readouterr().err
    assert "not in MLflow: 2 cells; the same command logs them later" in said
    assert str(broken) in said.partition("later")[2], "where and why not, of the last thing said"
    before = project.files()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    worker.mlflow_absence = worker.Absence()
    assert sweep(project, on, Options(record=True), seed=[1]).counts == {"finished": 1}
    watch = sweep(project, on, Options(report=False), seed=[1, 2])
    assert watch.counts == {"found": 1, "finished": 1}
    after = project.files()
    changed = {name for name in after if after[name] != before.get(name)}
    assert all("completion" in name for name in changed), changed
    assert len(changed) == 2
    assert sweep(project, on, Options(record=True), seed=[1, 2]).counts == {}
    once = sorted(
        (name, "FINISHED")
        for name in [
            "sweep of 2 cells",
            *(f"k4 s{seed} {DATASET} base_to_new" for seed in (1, 2)),
            *(f"zero_shot k4 s{seed} {DATASET} base_to_new" for seed in (1, 2)),
        ]
    )
    assert _runs(project.root / "mlflow.db") == once
    # killed after MLflow had it, and before that was noted
    noted = project.root / "data" / next(name for name in changed if "seed2" in name)
    place = '"recorded": "vlprompt at sqlite:///mlflow.db"'
    assert place in noted.read_text()
    noted.write_text(noted.read_text().replace(place, '"recorded": ""'))
    assert sweep(project, on, Options(report=False), seed=[2]).counts == {"finished": 1}
    assert noted.read_bytes() == after[str(noted.relative_to(project.root / "data"))]
    assert _runs(project.root / "mlflow.db") == once


def test_what_another_mlflow_has_is_recorded_here_too(project, monkeypatch):
    project.bootstrap()
    on, quiet = {"tracking": {"enabled": True}}, Options(report=False)
    worker.mlflow_absence = worker.Absence()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.root / 'other.db'}")
    assert sweep(project, on, quiet, seed=[1]).counts == {"finished": 1}
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    sweep(project, {}, quiet, seed=[1])  # without MLflow, which forgets nothing
    assert (
        "at sqlite:///other.db"
        in project.path("08_reporting/completion", "zero_shot.json").read_text()
    )
    assert sweep(project, on, Options(record=True), seed=[1]).counts == {"finished": 1}
    assert sweep(project, on, Options(record=True), seed=[1]).counts == {}
    assert _runs(project.root / "mlflow.db") == _runs(project.root / "other.db") != []


def _runs(database: Path) -> list[tuple[str, str]]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.execute("SELECT name, status FROM runs").fetchall())
