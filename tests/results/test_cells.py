"""Broken, absent and contradictory files are named; the rest of the report stands."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.made import base_to_new, right, score_row
from vlprompt_pipeline.datasets import ParquetDataset
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.results.cells import COLUMNS

UNTESTED = "Without intervals and tests: "
COOP = "demo/demo_aerial/base_to_new/shots16/seed1/coop"


def remark(comparison, start: str) -> str:
    (found,) = [text for text in comparison.remarks if text.startswith(start)]
    return found


def test_a_whole_grid_has_nothing_to_be_told():
    assert base_to_new().compare().remarks == ()


def test_a_broken_record_is_named_and_missing(tmp_path):
    disk = base_to_new()
    file = tmp_path / "coop.json"
    file.write_text('{"schema_version": 1, "cell"')
    disk.records[COOP] = lambda: json.loads(file.read_text())
    comparison = disk.compare()
    assert "cannot be read (JSONDecodeError" in remark(comparison, f"Left out: {COOP}")
    (row,) = comparison.missing.to_dict("records")
    assert (row["method"], row["seed"]) == ("coop", 1)
    assert row["reason"].startswith("its record cannot be read (JSONDecodeError")
    assert score_row(comparison, method="coop", metric="h")["seeds"] == (2, 3)
    assert score_row(comparison, method="zero_shot", metric="h")["seeds"] == (1, 2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ArrowInvalid"),
        (b"PAR1 something else", "ArrowInvalid"),
    ],
)
def test_broken_predictions_cost_intervals_and_tests_alone(tmp_path, content, reason):
    disk = base_to_new()
    file = tmp_path / "predictions.parquet"
    file.write_bytes(content)
    disk.predictions[COOP] = partial(pd.read_parquet, file, columns=list(COLUMNS))
    comparison = disk.compare()
    said = remark(comparison, f"{UNTESTED}{COOP}: predictions cannot be read")
    assert reason in said
    row = score_row(comparison, method="coop", metric="base")
    assert row["mean"] == pytest.approx(62)
    assert np.isnan(row["low"])
    assert not np.isnan(score_row(comparison, method="zero_shot", metric="base")["low"])


def test_predictions_without_a_column_are_named(tmp_path):
    disk = base_to_new()
    file = tmp_path / "predictions.parquet"
    disk.predictions[COOP].drop(columns="path").to_parquet(file)
    disk.predictions[COOP] = partial(pd.read_parquet, file, columns=list(COLUMNS))
    assert "cannot be read" in remark(disk.compare(), f"{UNTESTED}{COOP}: ")


def test_a_damaged_file_has_one_remedy(tmp_path):
    disk = base_to_new()
    folder = tmp_path / "07_model_output/seed1"
    stored = ParquetDataset(filepath=(folder / "predictions.parquet").as_posix())
    stored.save(disk.predictions[COOP])
    with (folder / "predictions.parquet").open("ab") as file:
        file.write(b"!")
    disk.predictions[COOP] = stored.load
    said = remark(disk.compare(), f"{UNTESTED}{COOP}: predictions cannot be read")
    assert "predictions.parquet " in said
    assert said.endswith("; run the cell again.")
    assert "run the pipeline" not in said


def test_predictions_of_another_length_than_the_record_are_named():
    disk = base_to_new()
    disk.predictions[COOP] = disk.predictions[COOP].iloc[:-10]
    comparison = disk.compare()
    said = remark(comparison, f"{UNTESTED}{COOP}: ")
    assert "correct of 190 images of new, its record says 138 of 200; run the cell again" in said
    assert np.isnan(score_row(comparison, method="coop", metric="base")["low"])


def test_predictions_of_another_run_than_the_record_are_named():
    disk = base_to_new()
    table = disk.predictions[COOP]
    disk.predictions[COOP] = table.assign(prediction=table["label"])
    said = remark(disk.compare(), f"{UNTESTED}{COOP}: ")
    assert "its predictions have 200 correct of 200 images of base, its record says 122" in said


def test_a_record_without_predictions_is_named():
    disk = base_to_new()
    del disk.predictions[COOP]
    assert "has a record but no predictions" in remark(disk.compare(), f"{UNTESTED}{COOP}: ")


def test_predictions_without_a_record_are_named_and_missing():
    disk = base_to_new()
    del disk.records[COOP]
    comparison = disk.compare()
    remark(comparison, f"Left out: {COOP}, predictions without a record")
    (row,) = comparison.missing.to_dict("records")
    assert row["reason"] == "there are predictions, but no record: the run was cut short"


def test_other_predictions_are_no_cells():
    disk = base_to_new()
    disk.predictions["my_model/folder"] = disk.predictions[COOP]
    comparison = disk.compare()
    assert comparison.remarks == ()
    assert comparison.missing.empty


def test_broken_predictions_of_a_target_leave_the_source():
    disk = base_to_new(seeds=(1,))
    place = disk.add(
        "coop",
        {"base": right(0.9)},
        protocol="cross_dataset",
        targets={"demo_flags": right(0.4), "demo_glyphs": right(0.6)},
    )
    del disk.predictions[f"{place}/targets/demo_flags"]
    comparison = disk.compare()
    remark(comparison, f"{UNTESTED}{place}/targets/demo_flags: ")
    own = comparison.of("cross_dataset_demo_aerial_demo_16shots").set_index("dataset")
    own = own[own["metric"] == "accuracy"]
    assert own["low"].isna().to_dict() == {
        "demo_aerial": False,
        "demo_flags": True,
        "demo_glyphs": False,
        "average": True,
    }


def test_nothing_at_all_is_one_sentence():
    disk = base_to_new(seeds=(1,))
    with pytest.raises(UserError, match="none of the 2 records on disk is within the asked grid"):
        disk.compare(seeds=(7,))
    disk.records = {COOP: partial(Path("absent").read_text)}
    with pytest.raises(UserError, match="FileNotFoundError"):
        disk.compare()
