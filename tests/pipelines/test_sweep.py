"""`kedro sweep`: cells of a grid, each a run that is finished once, then one report."""

from __future__ import annotations

import json
import shlex
import socket

import click
import psutil
import pytest

from pipelines.project import CELL, DATASET, QUICK, merged
from pipelines.sweeps import PARAMS, sweep, why_due
from vlprompt_pipeline.export import EXPORT_FORMATS, ExportFormat
from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock
from vlprompt_pipeline.filesystem.manifests import Manifest, layer_path, write_manifest
from vlprompt_pipeline.processes import Process
from vlprompt_pipeline.sweep import Options, grid, protocol_grid, run_cells, worker
from vlprompt_pipeline.sweep.dry_run import print_plan
from vlprompt_pipeline.sweep.plan import plan, shared_jobs
from vlprompt_pipeline.sweep.worker import run_job


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
    assert told.endswith(
        "\nimages were not looked at: if they have changed, the sweep finds more cells due\n"
    )
    print_plan(grid(methods=["coop"]), project.root, None, PARAMS, Options())
    assert capsys.readouterr().out.endswith(
        "\n1 cell: 0 finished, 1 due\nnot known yet how long: coop (docs/scaling.md has a model)\n"
    )
    with pytest.raises(click.ClickException, match="did you mean 'demo_counts'"):
        print_plan(grid(dataset=["demo_count"]), project.root, None, PARAMS, Options())

    ran = []
    monkeypatch.setattr(worker, "run_session", lambda each, *given: ran.append(each.kind))
    watch = sweep(project, options=Options(report=False), seed=[1, 2], shots=[2, 4])
    assert (ran, watch.counts) == (["shared"], {"found": 4}), "the images are looked at"
    sweep(project, options=Options(force=True, report=False), seed=[1], shots=[2])
    assert ran == ["shared", "shared", "shared", "cell"], "images, then features, then the cell"


def test_force_leaves_a_cell_alone_that_another_run_is_writing(project):
    project.run({"methods": ["zero_shot"]})
    (cell,) = plan([{}], project.root, None, PARAMS)
    writer = HeldLocks(project.data / "locks")
    writer.acquire([Lock(f"the cell {CELL}")], patience=0)
    other = Process(socket.gethostname(), 1, psutil.Process(1).create_time())
    (file,) = (project.data / "locks").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"process": str(other)}))
    before = project.files()
    assert run_job(cell.job(force=True)).status == "busy"
    assert project.files() == before
    writer.release()


def test_a_cell_that_is_due_is_not_recorded_as_finished(project):
    """Such as where another machine, with other code or photos, gets the job of recording it."""
    project.run({"methods": ["zero_shot"]})
    (cell,) = plan([{}], project.root, None, merged(PARAMS, {"features": {"views": 3}}))
    due = "zero_shot: its settings changed"
    assert cell.why_due() == due
    outcome = run_job(cell.job(kind="record"))
    assert outcome.status == "failed"
    assert outcome.sentence.startswith(f"it is due again ({due}): ")
    assert cell.why_due() == due


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
    (project.root / ".venv/bin").mkdir(parents=True)
    (project.root / ".venv/bin/kedro").touch()
    assert cell.command.startswith(".venv/bin/kedro sweep ")


def test_a_worker_elsewhere_has_the_environment_that_is_set_here(project, monkeypatch):
    monkeypatch.setenv("KEDRO_ENV", "miniature")
    project.bootstrap()
    (cell,) = plan([{}], project.root, None, PARAMS)
    assert cell.job().env == "miniature"
    assert cell.command.endswith(" --env=miniature")


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
    names = {name.rpartition("/")[2] for name in stored["outputs"]}
    assert {"classifier_weights.safetensors", "per_class.parquet", "zero_shot.json"} <= names
    for name in stored["outputs"]:
        file = project.root / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        (why,) = why_due(project, PARAMS, seed=[1])
        assert why == f"zero_shot: {file.name} has been changed since it was written"
        file.write_bytes(content)
    code = [stored["key"][0], "0" * 64, stored["key"][2]]
    record.write_text(json.dumps(stored | {"key": code}))
    assert why_due(project, PARAMS, seed=[1]) == ["zero_shot: its code changed"]
    record.write_text("half a rec")
    assert why_due(project, PARAMS, seed=[1]) == ["not run yet"]
    record.write_text(json.dumps(stored))
    index = project.path("03_primary", "image_index.parquet", DATASET)
    index.write_bytes(index.read_bytes() + b" ")
    write_manifest(index, Manifest.of(index, layer_path(index)))  # as after a look at other photos
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
