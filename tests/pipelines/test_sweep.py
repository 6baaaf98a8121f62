"""`kedro sweep`: cells of a grid, each a run, then one report."""

from __future__ import annotations

import click
import pytest

from pipelines.project import CELL, QUICK, Project
from vlprompt_pipeline.sweep import grid, run_cells

PARAMS = {**QUICK, "methods": ["zero_shot"]}


def sweep(project: Project, **axes: list) -> None:
    run_cells(grid(**axes), project.root, None, PARAMS)


def test_a_grid_is_every_combination_of_what_is_given():
    assert grid(dataset=[], shots=[1, 2], seed=[1, 3]) == [
        {"shots": 1, "seed": 1},
        {"shots": 1, "seed": 3},
        {"shots": 2, "seed": 1},
        {"shots": 2, "seed": 3},
    ]
    assert grid(dataset=[], shots=[], seed=[]) == [{}]


def test_every_cell_is_run_and_reported_once(project):
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
            assert run["nodes"]["zero_shot.train_zero_shot"] < run["seconds"], "of this cell alone"
    report = project.report()
    assert sorted(report["shots"]) == [2, 4]
    assert set(report["n_seeds"]) == {2}


def test_all_cells_are_checked_before_the_first_runs(project):
    project.bootstrap()
    with pytest.raises(click.ClickException, match="'demo_count' is unknown; did you mean"):
        sweep(project, dataset=["demo_counts", "demo_count"])
    assert project.files() == {}


def test_a_failing_cell_leaves_finished_ones(project):
    project.bootstrap()
    with pytest.raises(click.ClickException, match="fewer training images than the 6 shots"):
        sweep(project, shots=[4, 6])
    assert project.path("07_model_output", "zero_shot/metrics.json").is_file()
