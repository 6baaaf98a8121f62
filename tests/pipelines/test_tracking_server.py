"""MLflow for several machines: a server over HTTP that keeps runs in PostgreSQL."""

from __future__ import annotations

from pipelines.project import DATASET, QUICK, Project, merged
from pipelines.tracking_server import mlflow_server, postgres
from servers import free_port
from vlprompt_pipeline.sweep import Options, grid, run_cells, worker

PARAMS = merged(QUICK, {"methods": ["zero_shot"], "tracking": {"enabled": True}})


def sweep(project: Project, options: Options, *seeds: int) -> dict[str, int]:
    return dict(run_cells(grid(seed=list(seeds)), project.root, None, PARAMS, options).counts)


def runs(database: str) -> dict[str, list[str]]:
    """The status of every run, by the run's name."""
    import psycopg2

    found: dict[str, list[str]] = {}
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active'")
        for name, status in cursor:
            found.setdefault(name, []).append(status)
    connection.close()
    return found


def test_each_cell_is_one_finished_run_also_of_a_server_that_was_away(
    project, tmp_path, monkeypatch, capsys
):
    import mlflow

    port, artifacts, quiet = free_port(), tmp_path / "artifacts", Options(report=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    worker.mlflow_absence = worker.Absence()
    project.bootstrap()
    assert sweep(project, quiet, 1) == {"unrecorded": 1}
    assert "finished but not in MLflow: 1 cell;" in capsys.readouterr().err
    metrics = project.path("07_model_output", "zero_shot/metrics.json")
    written = metrics.stat().st_mtime_ns

    with postgres() as database, mlflow_server(database, artifacts, port) as address:
        worker.mlflow_absence = worker.Absence()
        assert sweep(project, Options(record=True), 1) == {"finished": 1}
        assert metrics.stat().st_mtime_ns == written, "nothing was computed again"
        assert sweep(project, quiet, 1, 2) == {"found": 1, "finished": 1}
        assert "View run" not in capsys.readouterr().out, "MLflow prints nothing between the lines"
        assert sweep(project, Options(record=True), 1, 2) == {}
        once = ["sweep of 2 cells"]
        for seed in (1, 2):
            once += [f"k4 s{seed} {DATASET} base_to_new"]
            once += [f"zero_shot k4 s{seed} {DATASET} base_to_new"]
        assert runs(database) == {name: ["FINISHED"] for name in once}
        client = mlflow.MlflowClient(address)
        (logged,) = client.search_runs(["1"], f"attributes.run_name = '{once[2]}'")
        scores = project.json("07_model_output", "zero_shot/metrics.json")
        assert logged.data.metrics["base.accuracy"] == scores["base"]["accuracy"]
        files = {file.path for file in client.list_artifacts(logged.info.run_id)}
        assert "prompt.vlp" in files
        (cell,) = client.search_runs(["1"], f"attributes.run_name = '{once[1]}'")
        assert "image_check.json" in {file.path for file in client.list_artifacts(cell.info.run_id)}
    assert list(artifacts.rglob("image_check.json")), "the server keeps them, not the project"
    assert not (project.root / "mlflow.db").exists()
