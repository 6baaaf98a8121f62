"""Sweeps whose cells train in groups: formed among what is due, kept by what is finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.project import QUICK, Project, merged
from simulated_gpu import simulated_gpu
from vlprompt_pipeline.sweep import Options, grid, run_cells
from vlprompt_pipeline.sweep.dry_run import print_plan
from vlprompt_pipeline.sweep.engines import Resources
from vlprompt_pipeline.sweep.plan import PlannedCell, plan
from vlprompt_pipeline.sweep.side_by_side import with_groups
from vlprompt_pipeline.training import loop

PARAMS = merged(QUICK, {"recipes": {"coop": {"training": {"epochs": 1}}}})
ON = Options(side_by_side="on", report=False)


def planned(project: Project, params: dict | None = None, **axes: Sequence) -> list[PlannedCell]:
    return plan(grid(**axes), project.root, None, merged(PARAMS, params or {}))


def groups(cells: Sequence[PlannedCell], **how: bool) -> list[str]:
    """What each cell trains with, "-" for one that trains alone."""
    told = []
    for each in with_groups(cells, **how):
        group = each.parameters.side_by_side
        seeds = "".join(map(str, group.seeds))
        told.append(f"{'+'.join(group.methods)} {seeds}" if seeds else "-")
    return told


def run(project: Project, options: Options = ON, **axes: Sequence):
    return run_cells(grid(**axes), project.root, None, PARAMS, options)


def test_cells_that_differ_in_seed_or_in_recipe_of_one_layout_are_a_group(project):
    project.bootstrap()
    axes = {"methods": ["zero_shot", "coop", "qcoop", "cocoop"], "seed": [1, 2]}
    cells = planned(project, **axes)
    expected = ["-"] * 2 + ["coop+qcoop 12"] * 4 + ["-"] * 2
    assert groups(cells, form=True) == expected
    assert groups(cells, form=False) == ["-"] * 8
    assert groups(planned(project, methods=["coop"], seed=[1]), form=True) == ["-"]
    apart = planned(project, methods=["coop"], shots=[2, 4], seed=[1, 2])
    assert groups(apart, form=True) == ["coop 12"] * 4
    given = planned(project, {"side_by_side": {"seeds": [1, 5]}}, methods=["coop"], seed=[1])
    assert groups(given, form=True) == [" 15"], "as the user says"


def test_jobs_of_a_group_run_one_after_the_other_and_their_command_repeats_them(project):
    project.bootstrap()
    cells = with_groups(planned(project, methods=["coop"], seed=[1, 2]), form=True)
    assert len({each.job().group for each in cells}) == 1
    assert cells[0].command.startswith("kedro sweep --protocols=base_to_new ")
    assert "side_by_side.seeds=1+2,side_by_side.methods=coop" in cells[0].command
    assert "seed=1" not in cells[0].command, "the axes are options of their own"
    assert cells[0].job().params["side_by_side"] == {"seeds": [1, 2], "methods": ["coop"]}


def test_what_is_finished_keeps_its_group_and_a_killed_sweep_goes_on_in_it(
    project, monkeypatch, capsys
):
    project.bootstrap()
    epochs, epoch = [], loop.train_epoch
    monkeypatch.setattr(loop, "train_epoch", lambda *a: (epochs.append(1), epoch(*a))[1])
    asked = {"methods": ["coop"], "seed": [1, 2]}
    assert run(project, **asked).counts == {"finished": 2}
    assert len(epochs) == 1, "one training for both"
    alone = planned(project, **asked)
    assert [each.why_due() for each in alone] == ["coop: its settings changed"] * 2

    grown = planned(project, methods=["coop", "qcoop"], seed=[1, 2, 3])
    assert groups(grown, form=True) == [*["coop 12"] * 2, *["coop+qcoop 312"] * 4]
    assert groups(grown, form=False) == [*["coop 12"] * 2, *["-"] * 4]
    assert groups(grown, form=True, force=True) == ["coop+qcoop 123"] * 6
    print_plan(grid(methods=["coop"], seed=[1, 2, 3]), project.root, None, PARAMS, ON)
    told = capsys.readouterr().out
    assert "3 cells: 2 finished, 1 due" in told
    assert "not known yet how long: coop" in told, "seconds of a group are those of no cell"

    folder = project.path("06_models", "coop", "demo/demo_counts/base_to_new/shots4/seed2")
    kept = (folder / "prompt.vlp").read_bytes()
    for path in filter(Path.is_file, folder.glob("*")):
        path.unlink()
    assert groups(planned(project, **asked), form=True) == ["coop 12"] * 2
    assert run(project, **asked).counts == {"found": 1, "finished": 1}
    assert (folder / "prompt.vlp").read_bytes() == kept
    assert len(epochs) == 1, "the group is trained"

    forced = Options(side_by_side="on", force=True, report=False)
    assert run(project, forced, **asked).counts == {"finished": 2}
    assert len(epochs) == 2, "once more for both"


@pytest.mark.parametrize(
    ("options", "device", "forms"),
    [
        (Options(), "cpu", False),
        (Options(), "cuda", True),
        (Options(side_by_side="off"), "cuda", False),
        (Options(side_by_side="on"), "cpu", True),
        (Options(engine="ray"), "cuda", False),
        (Options(engine="ray", resources=Resources(gpus=0.25)), "auto", True),
    ],
)
def test_groups_are_formed_on_a_gpu_unless_one_says_otherwise(options, device, forms):
    with simulated_gpu():
        assert options.forms_groups(device) is forms
