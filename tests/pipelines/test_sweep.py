"""`kedro sweep`: cells of a grid, each a run that is finished once, then one report."""

from __future__ import annotations

import errno
import json
import shlex
from pathlib import Path

import click
import pytest
from mlflow import MlflowClient

from pipelines.project import CELL, DATASET, QUICK, Project, merged
from vlprompt_pipeline.errors import ConfigError, TrackingError
from vlprompt_pipeline.export import EXPORT_FORMATS, ExportFormat
from vlprompt_pipeline.filesystem.manifests import describe, place_of
from vlprompt_pipeline.hooks.errors import in_one_sentence
from vlprompt_pipeline.parsing import overlay
from vlprompt_pipeline.sweep import (
    Options,
    grid,
    nested,
    protocol_grid,
    read_grid,
    run_cells,
    runs,
    worker,
)
from vlprompt_pipeline.sweep.dry_run import print_plan
from vlprompt_pipeline.sweep.plan import plan, shared_jobs

PARAMS = {**QUICK, "methods": ["zero_shot"]}


def sweep(project: Project, params: dict | None = None, options: Options | None = None, **axes):
    return run_cells(grid(**axes), project.root, None, merged(PARAMS, params or {}), options)


def why_due(project: Project, params: dict, **axes) -> list[str]:
    return [each.why_due() for each in plan(grid(**axes), project.root, None, params)]


def test_a_grid_is_every_combination_of_what_is_given():
    assert grid(dataset=[], shots=[1, 2], seed=[1, 3]) == [
        {"shots": 1, "seed": 1},
        {"shots": 1, "seed": 3},
        {"shots": 2, "seed": 1},
        {"shots": 2, "seed": 3},
    ]
    assert grid(dataset=[], shots=[], seed=[]) == [{}]


def test_images_of_datasets_are_looked_at_together_unless_one_is_in_two_jobs(project):
    def groups(cells: list[dict]) -> list[str]:
        jobs = shared_jobs(plan(cells, project.root, None, PARAMS))
        assert [job.after for job in jobs] == [
            name for job in jobs[::2] for name in ("", job.name)
        ], "features wait for their images"
        return [job.group for job in jobs]

    apart = groups(grid(dataset=["demo_flags", "demo_counts"], seed=[1, 2]))
    assert apart == [
        *("index: demo_flags", "features: demo_flags"),
        *("index: demo_counts", "features: demo_counts"),
    ]
    section = {"dataset": "demo_flags", "shots": 4, "targets": ["demo_counts"]}
    targets = {"protocol": "cross_dataset", "cross_dataset": section}
    overlapping = groups([{"dataset": "demo_counts"}, {"dataset": "demo_flags", **targets}])
    assert overlapping == ["index: what cells share", "features: what cells share"] * 2


def test_a_grid_file_adds_and_leaves_out_cells(tmp_path, caplog):
    file = tmp_path / "grid.yml"
    file.write_text(
        "datasets: [demo_flags, demo_counts]\nshots: [1, 4]\nmethods: [coop]\n"
        "include: [{dataset: demo_aerial, shots: 16, seed: 2}, {dataset: demo_flags, shots: 1,"
        " methods: coop}]\n"
        "exclude: [{dataset: demo_counts, shots: 1}, {dataset: demo_count}, {dataset: demo_counts,"
        " shots: 1, methods: coop}]\n"
    )
    asked = read_grid(file)
    cells = asked.within(protocol_grid(asked.protocols, asked.axes, tmp_path, None, {}))
    assert cells == [
        {"dataset": "demo_flags", "shots": 1, "methods": "coop"},
        {"dataset": "demo_flags", "shots": 4, "methods": "coop"},
        {"dataset": "demo_counts", "shots": 4, "methods": "coop"},
        {"dataset": "demo_aerial", "shots": 16, "seed": 2},
    ]
    assert caplog.messages == ["exclude: {dataset: demo_count} fits no cell of the grid"]


def test_parameters_of_a_grid_file_stay_beside_those_of_the_command_line(tmp_path):
    file = tmp_path / "grid.yml"
    file.write_text(
        "params:\n"
        "  recipes.coop.training.epochs: 10\n"
        "  recipes: {qcoop: {training: {epochs: 20, lr: 0.1}}}\n"
        "  features.views: 4\n"
    )
    on_command_line = {"recipes": {"qcoop": {"training": {"epochs": 3}}}, "metrics": ["nll"]}
    assert overlay(nested(read_grid(file).params), on_command_line) == {
        "recipes": {
            "coop": {"training": {"epochs": 10}},
            "qcoop": {"training": {"epochs": 3, "lr": 0.1}},
        },
        "features": {"views": 4},
        "metrics": ["nll"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: [a]", "--grid grid.yml: unknown key 'dataset' (did you mean 'datasets'?)"),
        ("[a, b]", "give axes such as datasets"),
        ("shots: [x]", "shots.0 is 'x'"),
        ("exclude: [{sed: 1}]", "unknown key 'sed' (did you mean 'seed'?); allowed: dataset, "),
        ("a: b: c", "cannot be read"),
    ],
)
def test_a_wrong_grid_file_is_refused(text, message, tmp_path):
    file = tmp_path / "grid.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_grid(file)
    assert message in str(caught.value)


def test_all_methods_are_cells_of_their_own(project):
    project.bootstrap()
    cells = protocol_grid((), {"methods": ["all"]}, project.root, None, {})
    assert {"methods": "coop"} in cells
    assert len(cells) > 20


def test_every_cell_is_run_and_reported_once(project, capsys, monkeypatch):
    project.bootstrap()
    sweep(project, seed=[1, 2], shots=[2, 4])
    for shots in (2, 4):
        for seed in (1, 2):
            cell = CELL.replace("shots4", f"shots{shots}").replace("seed1", f"seed{seed}")
            assert project.path("07_model_output", "zero_shot/metrics.json", cell).is_file()
            folder = f"08_reporting/reproducibility/{cell}/zero_shot"
            record = project.json(folder, "reproducibility.json", "")
            (run,) = record["runs"]
            assert (record["seed"], run["parameters"]["shots"]) == (seed, shots)
            trained = run["nodes"]["methods.zero_shot.train_zero_shot"]
            assert trained < run["seconds"], "of this cell alone"
    assert "Completed node" not in capsys.readouterr().out, "Kedro's lines are quieted"
    report = project.report()
    assert sorted(report["shots"]) == [2, 4]
    assert set(report["n_seeds"]) == {2}

    print_plan(grid(seed=[1, 2, 3], shots=[4]), project.root, None, PARAMS, Options())
    told = capsys.readouterr().out
    assert "seed 3, base_to_new: not run yet\n3 cells: 2 finished, 1 due\nabout " in told
    print_plan(grid(methods=["coop"]), project.root, None, PARAMS, Options())
    assert capsys.readouterr().out.endswith(
        "\n1 cell: 0 finished, 1 due\nnot known yet how long: coop (docs/scaling.md has a model)\n"
    )
    with pytest.raises(click.ClickException, match="did you mean 'demo_counts'"):
        print_plan(grid(dataset=["demo_count"]), project.root, None, PARAMS, Options())

    ran = []
    monkeypatch.setattr(worker, "run_session", lambda each, params: ran.append(each.kind))
    watch = sweep(project, options=Options(report=False), seed=[1, 2], shots=[2, 4])
    assert (ran, watch.counts) == (["shared"], {"found": 4}), "the images are looked at"
    sweep(project, options=Options(force=True, report=False), seed=[1], shots=[2])
    assert ran == ["shared", "shared", "shared", "cell"], "images, then features, then the cell"


@pytest.mark.parametrize("methods", ["coop", ["coop"], None], ids=["named", "listed", "configured"])
def test_force_trains_again_however_the_methods_are_given(project, methods):
    project.bootstrap()
    base = {key: value for key, value in QUICK.items() if key != "methods"}
    if methods is None:
        (project.root / "conf/local/parameters.yml").write_text("methods: [coop]\n")
    params = base if methods is None else {**base, "methods": methods}
    made = []
    for options in (Options(report=False), Options(report=False, force=True)):
        run_cells(grid(seed=[1]), project.root, None, params, options)
        checkpoint = project.path("06_models", "checkpoints/coop.safetensors")
        made.append(checkpoint.stat().st_mtime_ns)
    assert made[0] < made[1]


def test_the_command_of_a_cell_can_be_copied(project):
    given = {**PARAMS, "own_data": {"template": "a picture of a {}."}}
    (cell,) = plan([{"seed": 2, "shots": 1}], project.root, None, given)
    words = shlex.split(cell.command)
    assert words[:2] == ["kedro", "sweep"]
    assert words[-1].endswith("own_data.template=a picture of a {}.")
    assert ", 1 shot, seed 2" in cell.name


def test_what_changes_a_result_makes_a_cell_due_again(project, monkeypatch):
    project.bootstrap()
    sweep(project, seed=[1])
    assert why_due(project, PARAMS, seed=[1]) == [""]
    nothing = {"features": {"workers": 1}, "wait_for_other_runs": 3, "tracking": {"enabled": True}}
    assert why_due(project, merged(PARAMS, nothing), seed=[1]) == [""]
    memory = {"recipes": {"zero_shot": {"title": "Other"}}}
    assert why_due(project, merged(PARAMS, memory), seed=[1]) == [""]
    for changed in ({"features": {"views": 3}}, {"metrics": ["macro_f1"]}, {"threads": 2}):
        assert why_due(project, merged(PARAMS, changed), seed=[1]) == [
            "zero_shot: its settings changed"
        ]
    own = ExportFormat("own", "own_bytes", lambda context: b"")
    with monkeypatch.context() as patched:
        patched.setitem(EXPORT_FORMATS, "own", own)
        assert why_due(project, PARAMS, seed=[1]) == ["zero_shot: its code changed"]
    metrics = project.path("07_model_output", "zero_shot/metrics.json")
    content = metrics.read_bytes()
    metrics.unlink()
    assert why_due(project, PARAMS, seed=[1]) == ["zero_shot: metrics.json is gone"]
    metrics.write_bytes(content)
    record = project.path("08_reporting/completion", "zero_shot.json")
    stored = json.loads(record.read_text())
    code = [stored["key"][0], "0" * 64, stored["key"][2]]
    record.write_text(json.dumps(stored | {"key": code}))
    assert why_due(project, PARAMS, seed=[1]) == ["zero_shot: its code changed"]
    record.write_text("half a rec")
    assert why_due(project, PARAMS, seed=[1]) == ["not run yet"]
    record.write_text(json.dumps(stored))
    index = project.path("03_primary", "image_index.parquet", DATASET)
    index.write_bytes(index.read_bytes() + b" ")
    describe(index, place_of(index))  # as after a look at other photos
    assert why_due(project, PARAMS, seed=[1]) == ["zero_shot: its inputs changed"]


def test_all_cells_are_checked_before_the_first_runs(project):
    project.bootstrap()
    with pytest.raises(click.ClickException, match="'demo_count' is unknown; did you mean"):
        sweep(project, dataset=["demo_counts", "demo_count"])
    assert project.files() == {}


def test_recipes_of_all_methods_are_checked_before_the_first_cell(project):
    project.bootstrap()
    wrong = {"recipes": {"qcoop": {"quantize": {"bits": 99}}}}
    with pytest.raises(click.ClickException, match=r"recipes\.qcoop\.quantize\.bits is 99"):
        sweep(project, wrong, methods=["coop", "qcoop"])
    assert project.files() == {}


def test_a_failing_cell_leaves_the_others(project):
    project.bootstrap()
    with pytest.raises(click.ClickException) as caught:
        sweep(project, shots=[6, 4])
    told = caught.value.message
    assert told.startswith("1 of 2 cells failed, the others are finished:\n")
    assert "fewer training images than the 6 shots" in told
    command = f"again: kedro sweep --protocols=base_to_new --datasets={DATASET} --shots=6 --seeds=1"
    assert command in told
    assert project.path("07_model_output", "zero_shot/metrics.json").is_file()


class Faults:
    """Sessions that fail at their first calls, in the place of real ones."""

    def __init__(self, monkeypatch, *errors: BaseException | None):
        self.errors, self.params = list(errors), []
        monkeypatch.setattr(worker, "run_session", self)

    def __call__(self, each, params):
        if each.kind == "shared":
            return
        self.params.append(params)
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, Exception):  # as the hook for errors raises it in a real session
            raise in_one_sentence(error, Path(each.project)) from error
        if error is not None:
            raise error


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_and_a_fault_are_tried_again(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, full_disk(), ZeroDivisionError("a fault"))
    watch = sweep(project, options=Options(report=False), seed=[1])
    assert (watch.counts, len(faults.params)) == ({"finished": 1}, 3)


def test_a_refusal_is_not_tried_again_and_fail_fast_ends(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, ConfigError("no such thing"))
    with pytest.raises(click.ClickException, match="1 of 3 cells failed"):
        sweep(project, options=Options(report=False), seed=[1, 2, 3])
    assert len(faults.params) == 3
    faults = Faults(monkeypatch, ConfigError("no such thing"))
    with pytest.raises(click.ClickException, match="no such thing") as caught:
        sweep(project, options=Options(fail_fast=True), seed=[1, 2, 3])
    assert caught.value.message.startswith("1 of 3 cells failed, of the others 0 are finished:\n")
    assert len(faults.params) == 1


def test_out_of_memory_is_tried_again_with_fewer_activations(project, monkeypatch):
    project.bootstrap()
    faults = Faults(monkeypatch, MemoryError(), RuntimeError("CUDA out of memory. Tried"))
    watch = sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])
    assert watch.counts["finished"] == 1
    kept = [each["recipes"]["coop"]["training"].get("memory_gb") for each in faults.params]
    assert kept == [None, 1.0, 0.5]
    (project.root / "conf/local/parameters.yml").write_text(
        "recipes: {coop: {training: {memory_gb: 0.5}}}\n"
    )
    faults = Faults(monkeypatch, MemoryError())
    sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])
    assert faults.params[1]["recipes"]["coop"]["training"]["memory_gb"] == 0.25, "of the configured"
    faults = Faults(monkeypatch, *[MemoryError()] * 9)
    with pytest.raises(click.ClickException, match="ran out of memory in 4 tries"):
        sweep(project, {"methods": ["coop"]}, Options(report=False), seed=[1])


def test_fewer_activations_leave_the_same_prompt(project, finished):
    recipes = {"coop": {"training": {"memory_gb": 0.5}}}
    project.run({"methods": ["coop"], "recipes": recipes})
    for name in ("prompt.safetensors", "prompt.vlp"):
        ours, theirs = (each.path("06_models", f"coop/{name}") for each in (project, finished))
        assert ours.read_bytes() == theirs.read_bytes()


def test_ctrl_c_keeps_what_is_finished(project, monkeypatch, capsys):
    project.bootstrap()
    Faults(monkeypatch, None, KeyboardInterrupt())
    with pytest.raises(click.exceptions.Exit) as caught:
        sweep(project, options=Options(report=False), seed=[1, 2, 3])
    assert caught.value.exit_code == 130
    assert "stopped: 1 of 3 cells are finished and kept" in capsys.readouterr().err


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
    worker.mlflow_absence.end()
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
    worker.mlflow_absence.end()
    watch = sweep(project, on, Options(report=False), seed=[1, 2, 3])
    worker.mlflow_absence.end()
    assert watch.counts == {"unrecorded": 3}
    assert [each["tracking"]["enabled"] for each in faults.params] == [True, False, False, False]
    faults.params.clear()
    watch = sweep(project, on, Options(report=False), seed=[1])
    assert [each["tracking"]["enabled"] for each in faults.params] == [True], "it is asked again"


def test_a_sweep_of_one_cell_says_why_it_is_not_in_mlflow(project, monkeypatch, capsys):
    project.bootstrap()
    Faults(monkeypatch, TrackingError("MLflow refused the name of the host"))
    worker.mlflow_absence.end()
    sweep(project, {"tracking": {"enabled": True}}, Options(report=False), seed=[1])
    worker.mlflow_absence.end()
    said = capsys.readouterr().err
    assert "1 cell;" in said and "refused the name of the host" in said


def test_without_mlflow_cells_are_finished_and_recorded_later(project, monkeypatch, capsys):
    project.bootstrap()
    on = {"tracking": {"enabled": True}}
    broken = project.root / "broken.db"
    broken.write_text("this is no database at all, whoever reads it")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{broken}")
    worker.mlflow_absence.end()
    watch = sweep(project, on, Options(report=False), seed=[1, 2])
    assert watch.counts == {"unrecorded": 2}
    said = capsys.readouterr().err
    assert "not in MLflow: 2 cells; the same command logs them later" in said
    assert str(broken) in said.partition("later")[2], "where and why not, of the last thing said"
    before = project.files()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    worker.mlflow_absence.end()
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
    noted.write_text(noted.read_text().replace('"recorded": true', '"recorded": false'))
    assert sweep(project, on, Options(report=False), seed=[2]).counts == {"finished": 1}
    assert noted.read_bytes() == after[str(noted.relative_to(project.root / "data"))]
    assert _runs(project.root / "mlflow.db") == once


def _runs(database: Path) -> list[tuple[str, str]]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.execute("SELECT name, status FROM runs").fetchall())
