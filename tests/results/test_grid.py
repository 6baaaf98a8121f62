"""What is missing of the asked grid, and what makes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from results.made import Disk, base_to_new, right
from vlprompt_pipeline import sweep
from vlprompt_pipeline.commands.sweep import sweep as sweep_command
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import parse
from vlprompt_pipeline.results.config import BenchmarkReportParameters


def cells(comparison):
    columns = ["protocol", "dataset", "shots", "seed", "method"]
    return [tuple(row) for row in comparison.missing[columns].itertuples(index=False)]


def test_a_hole_is_named_with_its_command():
    disk = base_to_new(("demo_aerial", "demo_flags"))
    place = "demo/demo_flags/base_to_new/shots16/seed2/coop"
    del disk.records[place], disk.predictions[place]
    comparison = disk.compare()
    (row,) = comparison.missing.to_dict("records")
    assert row == {
        "protocol": "base_to_new",
        "clip": "demo",
        "dataset": "demo_flags",
        "shots": 16,
        "seed": 2,
        "method": "coop",
        "reason": "not run yet",
        "command": "kedro sweep --datasets=demo_flags --shots=16 --seeds=2 "
        "--params=protocol=base_to_new,methods=coop",
    }
    assert "1 cell of these tables is missing." in comparison.remarks


def test_the_command_is_that_of_the_projects_own_environment(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/kedro").touch()
    asked = {"seeds": (1, 2), "sweep": "kedro sweep --env=photos"}
    (row,) = (
        base_to_new(methods=("coop",), seeds=(1,))
        .compare(project=tmp_path, against=(), **asked)
        .missing.to_dict("records")
    )
    assert row["command"].startswith(".venv/bin/kedro sweep --env=photos --datasets=demo_aerial ")


def test_what_was_asked_for_and_never_run_is_missing():
    comparison = base_to_new(seeds=(1,)).compare(
        datasets=("demo_aerial", "demo_flags"), seeds=(1, 2), methods=("coop",)
    )
    assert cells(comparison) == [
        ("base_to_new", "demo_aerial", 16, 2, "coop"),
        ("base_to_new", "demo_flags", 16, 1, "coop"),
        ("base_to_new", "demo_flags", 16, 2, "coop"),
    ]


def test_what_was_not_asked_for_is_left_out_and_counted():
    comparison = base_to_new(seeds=(1, 2)).compare(seeds=(2,), methods=("coop",))
    assert set(comparison.scores["method"]) == {"coop"}
    assert set(comparison.scores["n_seeds"]) == {1}
    said = "3 of 4 results on disk were not asked for and are left out."
    assert said in comparison.remarks


def test_holes_are_those_of_tables_not_of_all_protocols_together():
    disk = base_to_new(seeds=(1, 2))
    disk.add("coop", {"base": right(0.5)}, dataset="demo_flags", shots=1)
    disk.add("coop", {"base": right(0.5), "new": right(0.5)}, dataset="demo_flags", shots=4)
    assert disk.compare().missing.empty


def test_a_few_shot_curve_with_a_gap_has_a_hole():
    disk = Disk()
    for dataset, shots in (("demo_aerial", 1), ("demo_aerial", 4), ("demo_flags", 4)):
        disk.add("coop", {"base": right(0.5)}, dataset=dataset, shots=shots)
    assert cells(disk.compare()) == [("few_shot", "demo_flags", 1, 1, "coop")]


def test_a_protocol_that_was_never_run_is_missing():
    comparison = base_to_new(seeds=(1,)).compare(protocols=("base_to_new", "few_shot"))
    assert cells(comparison) == [
        ("few_shot", "demo_aerial", 16, 1, "coop"),
        ("few_shot", "demo_aerial", 16, 1, "zero_shot"),
    ]


def test_kinds_of_datasets_and_shots_that_were_never_run_have_the_methods_and_seeds_of_others():
    disk = base_to_new(methods=("coop",), seeds=(1,))
    kinds = disk.compare(datasets=("demo_aerial", "dtd"))
    assert cells(kinds) == [("base_to_new", "dtd", 16, 1, "coop")]
    shots = disk.compare(shots=(4, 16))
    assert cells(shots) == [("base_to_new", "demo_aerial", 4, 1, "coop")]


def test_datasets_without_shifts_are_not_asked_of_domain_generalisation():
    disk = base_to_new(("demo_aerial", "demo_objects"), methods=("coop",), seeds=(1,))
    comparison = disk.compare(protocols=("base_to_new", "domain_generalisation"))
    assert cells(comparison) == [("domain_generalisation", "demo_objects", 16, 1, "coop")]


def test_what_was_begun_but_has_no_record_is_missing():
    disk = base_to_new(methods=("zero_shot", "coop", "qcoop"), seeds=(1,))
    for method in ("coop", "qcoop"):
        del disk.records[f"demo/demo_aerial/base_to_new/shots16/seed1/{method}"]
    assert [row[-1] for row in cells(disk.compare())] == ["coop", "qcoop"]
    assert [row[-1] for row in cells(disk.compare(methods=("zero_shot", "coop")))] == ["coop"]


def test_names_carry_the_prefix_and_commands_do_not():
    disk = base_to_new(("miniature_dtd",), seeds=(1,))
    comparison = disk.compare(
        prefix="miniature_",
        datasets=("dtd",),
        seeds=(1, 2),
        methods=("coop",),
        sweep="kedro sweep --env=miniature",
    )
    (row,) = comparison.missing.to_dict("records")
    assert row["dataset"] == "miniature_dtd"
    assert row["command"].startswith("kedro sweep --env=miniature --datasets=dtd --shots=16")


def test_a_cell_of_another_clip_has_no_command_of_this_configuration():
    disk = base_to_new(seeds=(1, 2))
    del disk.records["demo/demo_aerial/base_to_new/shots16/seed2/coop"]
    assert disk.compare(clip="vit_b16").missing["command"].tolist() == [""]


def test_another_share_of_base_classes_is_a_protocol_of_its_own():
    disk = base_to_new(seeds=(1,))
    name = "base_to_new_share_0.3"
    for seed in (1, 2):
        disk.add("coop", {"base": right(0.5), "new": right(0.5)}, protocol=name, seed=seed)
    disk.add("zero_shot", {"base": right(0.5), "new": right(0.5)}, protocol=name, seed=1)
    comparison = disk.compare()
    assert len(comparison.families) == 2
    (row,) = comparison.missing.to_dict("records")
    assert row["command"].endswith(
        "--seeds=2 --params=protocol=base_to_new,methods=zero_shot,base_to_new.base_share=0.3"
    )
    assert set(disk.compare(protocols=(name,)).families["protocol"]) == {name}
    given = {"base_to_new": {"base_share": 0.3}, "device": "cpu"}
    (row,) = disk.compare(given=given, protocols=(name,)).missing.to_dict("records")
    assert row["command"].endswith("methods=zero_shot,base_to_new.base_share=0.3,device=cpu")
    plain = disk.compare(given=given, seeds=(1, 2), protocols=("base_to_new",)).missing
    assert plain["command"][0].endswith("--params=protocol=base_to_new,methods=coop,device=cpu")


def test_a_command_is_one_that_the_command_line_takes(monkeypatch):
    """Word for word, up to what the cells of the sweep are given."""
    disk = base_to_new(seeds=(1, 2))
    del disk.records["demo/demo_aerial/base_to_new/shots16/seed2/coop"]
    (command,) = disk.compare().missing["command"]
    words = command.split()
    assert words[:2] == ["kedro", "sweep"]
    ran = []
    monkeypatch.setattr(sweep, "run_cells", lambda cells, *given: ran.append((cells, *given)))
    project = SimpleNamespace(project_path=Path("project"))
    command = sweep_command
    result = CliRunner().invoke(command, words[2:], obj=project, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    params = {"protocol": "base_to_new", "methods": "coop"}
    cells = [{"dataset": "demo_aerial", "shots": 16, "seed": 2}]
    assert ran == [(cells, Path("project"), None, params, sweep.Options())]


def test_a_misspelt_method_is_refused():
    with pytest.raises(ConfigError, match="unknown method 'coopp' .did you mean 'coop'"):
        base_to_new(seeds=(1,)).compare(methods=("coopp",))


def parsed(**values):
    return parse(BenchmarkReportParameters, {"against": [], "sweep": "kedro sweep"} | values)


def test_axes_are_lists_or_joined_by_plus():
    asked = parsed(seeds="1+2", shots=4, datasets="dtd+eurosat", methods=["coop"])
    assert (asked.seeds, asked.shots) == ((1, 2), (4,))
    assert (asked.datasets, asked.methods) == (("dtd", "eurosat"), ("coop",))
    assert asked.protocols is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"protocols": ["base_to_old"]}, "base_to_old"),
        ({"shots": [0]}, "greater than or equal to 1"),
        ({"seeds": "one"}, "valid integer"),
        ({"datasets": []}, "at least 1 item"),
        ({"protocol": ["few_shot"]}, "did you mean 'protocols'"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(values, message):
    with pytest.raises(ConfigError, match=message):
        parsed(**values)


def test_own_photos_are_no_hole_in_the_tables_of_other_datasets():
    disk = Disk()
    for seed in (1, 2):
        for shots in (4, 16):
            disk.add("coop", {"base": right(0.6)}, seed=seed, shots=shots)
    disk.add("gda", {"base": right(0.7)}, dataset="my_photos")
    assert cells(disk.compare()) == []
    disk.add("coop", {"base": right(0.7)}, dataset="more_photos")
    assert cells(disk.compare()) == [
        ("few_shot", "more_photos", 16, 1, "gda"),
        ("few_shot", "my_photos", 16, 1, "coop"),
    ]


def test_a_wrong_value_of_an_axis_is_all_that_is_told():
    with pytest.raises(ConfigError) as refused:
        parsed(seeds="1-3")
    assert "seeds.0 is '1-3'" in str(refused.value)
    assert "at least 1 item" not in str(refused.value)
