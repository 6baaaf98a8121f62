"""Which methods a run trains, and how separate runs come together in the report."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
import yaml
from kedro.framework.project import pipelines

from pipelines.project import CELL, ROOT

CONF = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())
RECIPES = tuple(CONF["recipes"])


def _trained(project, methods) -> list[str]:
    nodes = project.nodes({"methods": methods}, "prompt_training")
    return sorted(node.removeprefix("train_") for node in nodes if "train_" in node)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["qcoop"], ["qcoop"]),
        (["coop", "zero_shot"], ["coop", "zero_shot"]),
        (["coop", "coop"], ["coop"]),
        ("coop+qcoop", ["coop", "qcoop"]),
        ("zero_shot", ["zero_shot"]),
        ("all", sorted(set(RECIPES) - {"zero"})),  # which takes 64 times as long
    ],
)
def test_methods_are_a_list_all_or_names_joined_by_plus(project, asked, expected):
    found = [name.rpartition(".")[2] for name in _trained(project, asked)]
    assert [name.removeprefix("train_") for name in found] == expected


def test_sessions_of_one_process_each_have_their_own_graph(project):
    one = project.nodes({"methods": ["coop"]})
    other = project.nodes({"methods": ["zero_shot", "qcoop"]})
    assert "methods.coop.train_coop" in one
    assert not any("qcoop" in name or "zero_shot" in name for name in one)
    assert {"methods.zero_shot.train_zero_shot", "methods.qcoop.train_qcoop"} <= other
    assert "methods.coop.train_coop" not in other
    assert project.nodes({"methods": ["coop"]}) == one


def test_kedro_warns_of_no_namespace_where_a_cell_is_run_and_registered(project):
    with project.session() as session, warnings.catch_warnings():
        session.load_context()
        warnings.filterwarnings("error", message="Namespace")
        assert (pipelines["cell"] + pipelines["register"]).filter().nodes


def test_a_recipe_of_the_command_line_is_a_method(project):
    params = {
        "methods": ["coop_8"],
        "recipes": {"coop_8": {"extends": "coop", "prompt": {"length": 8, "init": None}}},
    }
    project.run(params)
    assert project.json("06_models", "coop_8/sizes.json")["trainable_parameters"] == 8 * 128
    assert [path.name for path in project.path("07_model_output").iterdir()] == ["coop_8"]


def test_metrics_of_the_command_line_are_joined_with_plus(project):
    project.run({"methods": ["zero_shot"], "metrics": "macro_f1+entropy"})
    scores = project.json("07_model_output", "zero_shot/metrics.json")["base"]
    assert list(scores) == ["correct", "total", "accuracy", "macro_f1", "entropy"]


def test_a_method_at_test_time_is_marked_and_priced_by_its_views(project):
    zero = {"test_time": {"views": 4}}
    voting = {"extends": "coop", "title": "CoOp, voting", "test_time": {"views": 2, "keep": 1.0}}
    others = {name: {"training": {"epochs": 1}} for name in ("mma", "prolip")}
    recipes = {"zero": zero, "voting": voting, **others}
    project.run({"methods": list(recipes), "recipes": recipes}, report=True)
    record = project.json("08_reporting/records", "zero.json", CELL)
    (result,) = record["methods"]
    assert result["title"] == "ZERO (test-time)"
    assert result["inference_cost"] == pytest.approx(4, rel=0.05)
    report = project.report()
    titles = ["ZERO (test-time)", "CoOp, voting (test-time)", "MMA", "ProLIP"]
    assert sorted(report["title"]) == sorted(titles)
    predictions = project.path("07_model_output", "zero/predictions.parquet")
    assert pd.read_parquet(predictions)["probability"].isin([1.0, 0.5]).all()


def test_methods_run_one_after_the_other_meet_in_the_report(project, finished):
    project.run({"methods": ["coop"]}, report=True)
    alone = project.report()
    assert list(alone.index) == ["coop"]
    assert alone["delta_h"].isna().all()
    project.run({"methods": ["zero_shot"]}, report=True)
    both = project.report()
    together = finished.report()
    assert set(both.index) == {"coop", "zero_shot"}
    for column in ("base_mean", "new_mean", "h", "delta_h", "file_bytes"):
        assert both[column].to_dict() == together.loc[both.index, column].to_dict()


def test_seeds_are_averaged_in_the_report(project):
    for seed in (1, 2):
        project.run({"methods": ["zero_shot", "coop"], "seed": seed}, report=True)
    scores = [
        project.json("07_model_output", "coop/metrics.json", CELL.replace("seed1", f"seed{seed}"))
        for seed in (1, 2)
    ]
    row = project.report().loc["coop"]
    assert row["n_seeds"] == 2
    assert row["new_mean"] == pytest.approx(sum(s["new"]["accuracy"] for s in scores) / 2)


def test_unknown_methods_are_refused_with_the_nearest(project):
    message = project.refusal({"methods": "coop+qcop"})
    assert message.startswith("methods: unknown method 'qcop' (did you mean 'qcoop'?); allowed:")
    assert project.files() == {}


def test_what_a_protocol_is_run_on_unless_said_is_no_other_setting(project, capsys):
    """`few_shot.shots=4` and the cell of 4 shots of a sweep are the same run."""
    here = {"protocol": "few_shot", "methods": ["zero_shot"]}
    project.run(here)
    project.run(here | {"few_shot": {"shots": 9, "curve": [9], "dataset": "demo_flags"}})
    assert "is stored with" not in capsys.readouterr().out
    project.run(here | {"features": {"views": 3}})
    assert "is stored with" in capsys.readouterr().out
