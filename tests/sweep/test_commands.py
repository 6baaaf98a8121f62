"""`kedro sweep` in processes of its own: two on one grid, and one that the user stops."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from pipelines.killed_sweeps import require_one_run_a_cell, runs
from pipelines.project import CELL, DATASET
from sweep.commands import Command, small_project
from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock

SEEDS = [1, 2, 3, 4]


@pytest.mark.parametrize(
    "engines",
    [
        ("local", "local"),
        pytest.param(("local", "ray"), marks=pytest.mark.long),
        pytest.param(("ray", "ray"), marks=pytest.mark.long),
    ],
)
def test_two_sweeps_over_one_grid_run_each_cell_once(engines, tmp_path, request):
    project = small_project(tmp_path / "project")
    first_cell = HeldLocks(project.data / "locks")
    first_cell.acquire([Lock(f"the cell {CELL}")], patience=0)
    both = []
    for number, engine in enumerate(engines):
        options = [f"--engine={engine}"]
        if engine == "ray":
            options.append(f"--address={request.getfixturevalue('ray_address')}")
        both.append(Command.sweep(project, SEEDS, *options, name=f"sweep{number}"))
    for each in both:
        each.wait_for(f"features of {DATASET}: ")
    first_cell.release()  # now both put it back again and again
    for each in both:
        each.require_well_ended()
    names = [name for each in both for name in each.cells]
    assert len(names) == len(set(names)) == len(SEEDS), names
    require_one_run_a_cell(project, SEEDS)
    records = list((project.data / "08_reporting/completion").glob("**/*.json"))
    assert len(records) == 2 * len(SEEDS)


@pytest.mark.long
def test_ctrl_c_ends_a_sweep_on_ray_in_seconds(tmp_path):
    project = small_project(tmp_path / "project", epochs=30)
    sweep = Command.sweep(project, [*range(1, 9)], "--engine=ray", "--workers=2", name="sweep")
    sweep.wait_for("cell 1 of 8: ")
    started = psutil.Process(sweep.process.pid).children(recursive=True)
    os.killpg(sweep.process.pid, signal.SIGINT)
    begin = time.monotonic()
    code = sweep.process.wait(60)
    assert code == 130, sweep.words
    assert time.monotonic() - begin < 15
    done = len(sweep.cells)
    assert f"stopped: {done} of 8 cells are finished and kept" in sweep.words, sweep.words
    assert "Traceback" not in sweep.words
    _, alive = psutil.wait_procs(started, timeout=15)
    assert not alive, "Ray goes on"
    statuses, finished = runs(project)
    assert statuses["RUNNING"] == 0
    assert sum(name.startswith("coop ") for name in finished) == done
