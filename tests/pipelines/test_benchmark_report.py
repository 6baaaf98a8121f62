"""`kedro run --pipelines=benchmark_report` over what runs left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.framework.session import KedroSession

from pipelines.project import CELL, DATASET, ROOT, Project
from vlprompt_pipeline.results.cells import COLUMNS

STAGE = ("benchmark_report",)
FILES = {
    "benchmark.html",
    "missing.csv",
    "pairs.csv",
    "scores.csv",
    "scores.parquet",
    "tables.md",
    "tables.tex",
    "tables.txt",
}


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """The finished project, to write into."""
    root = tmp_path / "project"
    shutil.copytree(finished.root, root, ignore=shutil.ignore_patterns("01_raw", "04_feature"))
    return Project(root)


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.data / "08_reporting/benchmark" / name)


def test_a_finished_cell_becomes_tables(copied, capsys):
    copied.run({"benchmark_report": {"seeds": [1, 2]}}, stages=STAGE)
    folder = copied.data / "08_reporting/benchmark"
    assert {path.name for path in folder.iterdir()} >= FILES
    scores = table(copied, "scores.csv")
    for method in ("zero_shot", "coop", "qcoop"):
        metrics = copied.json("07_model_output", f"{method}/metrics.json")
        own = scores[scores["method"] == method].set_index("metric")
        for half in ("base", "new"):
            assert own.loc[half, "mean"] == pytest.approx(metrics[half]["accuracy"])
            if metrics[half]["accuracy"] < 100:  # where all are right there is no interval
                assert own.loc[half, "low"] <= own.loc[half, "mean"] <= own.loc[half, "high"]
        assert own.loc["h", "mean"] == pytest.approx(metrics["harmonic_mean"])
        assert {"base_top5_accuracy", "new_macro_f1", "generalised_h"} <= set(own.index)
    assert len(pd.read_parquet(folder / "scores.parquet")) == len(scores)
    assert set(table(copied, "pairs.csv")["against"]) == {"zero_shot", "coop"}
    missing = table(copied, "missing.csv")
    assert (missing["seed"] == 2).all()
    assert set(missing["reason"]) == {"not run yet"}
    assert missing["command"][0].startswith(
        "kedro sweep --datasets=demo_counts --shots=4 --seeds=2 "
        "--params=protocol=base_to_new,methods=coop,device=cpu,features.views=2,"
    )
    for kind in ("png", "svg"):
        assert list((folder / "figures" / kind).glob(f"*.{kind}"))
    assert "demo_counts" in (folder / "benchmark.html").read_text()
    assert r"demo\_counts & Base" in (folder / "tables.tex").read_text()
    printed = capsys.readouterr().out
    assert "base to new, 4 shots, CLIP demo" in printed
    assert "data/08_reporting/benchmark/tables.tex" in printed


def test_only_the_columns_that_are_used_are_read():
    entries = yaml.safe_load((ROOT / "conf/base/catalog_reporting.yml").read_text())
    predictions = entries["results"]["parts"]["predictions"]
    assert tuple(predictions["dataset"]["load_args"]["columns"]) == COLUMNS


def test_broken_and_absent_files_do_not_stop_the_report(copied):
    copied.path("08_reporting/records", "coop.json").write_text('{"schema_version": 1')
    copied.path("07_model_output", "qcoop/predictions.parquet").write_bytes(b"PAR1")
    copied.path("07_model_output", "zero_shot/predictions.parquet").unlink()
    copied.run(stages=STAGE)
    text = (copied.data / "08_reporting/benchmark/tables.txt").read_text()
    untested = "Without intervals and tests"
    for what, method, *reasons in (
        ("Left out", "coop", "cannot be read (", "coop.json has not the"),
        (untested, "qcoop", "predictions cannot be read (", "predictions.parquet has not the"),
        (untested, "zero_shot", "has a record but no predictions"),
    ):
        (line,) = (line for line in text.splitlines() if f"! {what}: {CELL}/{method}: " in line)
        assert all(reason in line for reason in reasons)
    assert set(table(copied, "scores.csv")["method"]) == {"zero_shot", "qcoop"}
    assert table(copied, "missing.csv")["method"].tolist() == ["coop"]


def test_without_any_result_it_says_so(project):
    assert "run a cell" in project.refusal(stages=STAGE)


def test_commands_are_of_the_environment_of_the_run(project):
    (project.root / "conf/mine").mkdir()
    project.bootstrap()
    begin = {}
    for env in (None, "local", "mine"):
        with KedroSession.create(project.root, env=env) as session:
            begin[env] = session.load_context().catalog.load("params:benchmark_report.sweep")
    assert begin == {
        None: "kedro sweep",
        "local": "kedro sweep",
        "mine": "kedro sweep --env=mine",
    }


def test_a_dataset_that_is_none_is_refused_and_one_without_results_is_missing(copied):
    asked = {"datasets": [DATASET, "demo_count"]}
    said = copied.refusal({"benchmark_report": asked}, stages=STAGE)
    assert said.startswith("dataset 'demo_count' is unknown; did you mean 'demo_counts'?")
    asked["datasets"][1] = "demo_flags"
    copied.run({"benchmark_report": asked}, stages=STAGE)
    missing = pd.read_csv(copied.data / "08_reporting/benchmark/missing.csv")
    assert set(missing["dataset"]) == {"demo_flags"}


def test_a_wrong_grid_is_refused_before_anything_is_read(project):
    said = project.refusal({"benchmark_report": {"protocols": "few_shots"}}, stages=STAGE)
    assert "benchmark_report.protocols" in said
    assert "few_shots" in said
