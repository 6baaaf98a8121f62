"""The columns of report.csv by hand: a row a method of every dataset that was run."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.report_table import report_table


def table_of(records) -> pd.DataFrame:
    readable, problems = read_records(records)
    assert not problems
    return report_table(readable)


def row_of(records, method: str) -> pd.Series:
    return table_of(records).set_index("method").loc[method]


def test_two_seeds_by_hand(two_seeds):
    row = row_of(two_seeds, "coop")
    expected = {
        "base_mean": 70,
        "base_std": 10,
        "new_mean": 40,
        "new_std": 20,
        "h": 5600 / 110,
        "h_mean_of_seeds": (480 / 7 + 30) / 2,
        "h_std": (480 / 7 - 30) / 2,
        "delta_base": 20,
        "delta_new": -10,
        "delta_h": 5600 / 110 - 50,
    }
    assert row[list(expected)].to_dict() == pytest.approx(expected)
    assert (row["seeds"], row["n_seeds"]) == ("1, 2", 2)
    assert row_of(two_seeds, "zero_shot")["base_std"] == 0
    assert "published_h" not in row
    assert math.isnan(row["inference_cost"])  # which records of earlier versions lack


def test_both_halves_among_all_classes_by_hand(two_seeds_together):
    expected = {
        "base_mean": 55,
        "base_std": 5,
        "new_mean": 25,
        "new_std": 15,
        "h": 2750 / 80,
        "h_mean_of_seeds": (48 + 1000 / 60) / 2,
        "h_std": (48 - 1000 / 60) / 2,
    }
    row = row_of(two_seeds_together, "coop")
    assert {name: row[f"generalised_{name}"] for name in expected} == pytest.approx(expected)
    assert row["base_mean"] == 70, "apart as before"


def test_a_mean_over_one_of_two_seeds_is_none(two_seeds, two_seeds_together):
    assert math.isnan(row_of(two_seeds, "coop")["generalised_h"])
    mixed = {"1": two_seeds["seed1"], "2": two_seeds_together["seed2"]}
    assert math.isnan(row_of(mixed, "coop")["generalised_h"])


def test_the_best_method_comes_first(make_record):
    record = make_record({"zero_shot": (100, 100), "coop": (60, 60), "qcoop": (140, 140)})
    assert list(table_of({"1": record})["method"]) == ["qcoop", "zero_shot", "coop"]


def test_without_zero_shot_there_is_no_difference(make_record):
    assert math.isnan(row_of({"1": make_record({"coop": (120, 120)})}, "coop")["delta_h"])


def test_all_classes_have_one_accuracy(make_record):
    row = row_of({"1": make_record({"zero_shot": (100, None), "coop": (130, None)})}, "coop")
    assert not {"new_mean", "h", "delta_h"} & set(row.index)
    assert (row["base_mean"], row["delta_base"]) == (65, 15)


def test_the_largest_file_ships(make_record):
    records = {
        str(seed): make_record(
            {"coop": (100, 100)}, seed=seed, changes={"coop": {"file_bytes": 900 + seed}}
        )
        for seed in (1, 2)
    }
    assert row_of(records, "coop")["file_bytes"] == 902


def test_metrics_stand_beside_the_accuracy_of_their_images(make_record):
    scores = {"correct": 100, "total": 200, "macro_f1": 51.5, "my_metric": 0.25}
    record = make_record({"coop": (100, 100)}, changes={"coop": {"base": scores}})
    row = row_of({"1": record}, "coop")
    assert (row["base_macro_f1"], row["base_my_metric"]) == (51.5, 0.25)
    assert math.isnan(row["new_macro_f1"])


def test_what_is_bound_to_its_classes_has_a_base_score_and_stands_last(make_record):
    methods = {"tip": (180, None), "zero_shot": (100, 100), "coop": (160, 120)}
    table = table_of({"1": make_record(methods)}).set_index("method")
    assert list(table.index) == ["coop", "zero_shot", "tip"]
    assert table.loc["tip", "base_mean"] == 90
    for column in ("new_mean", "new_std", "h", "h_std", "h_mean_of_seeds", "delta_h", "delta_new"):
        assert pd.isna(table.loc["tip", column])


def test_targets_stand_in_the_row_of_their_source(make_record):
    targets = [{"dataset": name, "classes": 3, "split_sha256": "e"} for name in ("dtd", "eurosat")]
    scores = [{"correct": correct, "total": 200} for correct in (20, 60)]
    records = {
        str(seed): make_record(
            {"coop": (100 + seed, None)},
            seed=seed,
            protocol="cross_dataset",
            targets=targets,
            changes={"coop": {"targets": scores[::seed]}},
        )
        for seed in (1, -1)
    }
    row = row_of(records, "coop")
    assert row[["on_dtd_mean", "on_dtd_std", "on_eurosat_mean"]].tolist() == [20, 10, 20]
    assert row[["on_average_mean", "on_average_std"]].tolist() == [20, 0]
    assert row["base_mean"] == 50


def test_published_figures_stand_beside_ours_in_their_setting_only(make_record):
    methods = {"zero_shot": (100, 100), "coop": (120, 120), "rlp": (120, 120)}
    table = table_of({"1": make_record(methods, dataset="caltech101", clip="vit_b16")})
    rows = table.set_index("method")
    assert rows.loc["zero_shot", "published_h"] == 95.40
    assert math.isnan(rows.loc["rlp", "published_h"])
    assert rows.loc["rlp", "published_source"] == ""
    assert "OnPoKD paper Table 1" in rows.loc["zero_shot", "published_source"]
    for other in ({"clip": "vit_b32"}, {"clip": "vit_b16", "random_split": "own split"}):
        alone = table_of({"1": make_record(methods, dataset="caltech101", **other)})
        assert "published_h" not in alone


def test_rows_name_their_group_and_keep_all_digits(two_seeds, make_record):
    other = make_record({"coop": (67, None)}, dataset="demo_objects")
    frame = table_of(two_seeds | {"other": other})
    assert list(frame["dataset"]) == ["demo_counts", "demo_counts", "demo_objects"]
    assert list(frame["seeds"]) == ["1, 2", "1, 2", "1"]
    assert frame.loc[0, "h"] == 5600 / 110
    assert frame.loc[2, "base_mean"] == 33.5


def test_other_weights_are_a_group_of_their_own(two_seeds, make_record):
    other = make_record({"coop": (200, 200)}, seed=3, weights_sha256="d" * 64)
    best = table_of(two_seeds | {"other": other}).groupby("weights_sha256")["base_mean"].max()
    assert best.to_dict() == {"a" * 64: 70, "d" * 64: 100}


def test_the_eleven_datasets_have_a_row_each(make_record):
    records = {
        name: make_record({"zero_shot": (100, 100)}, dataset=name, clip="vit_b16")
        for name in PUBLISHED_DATASETS
    }
    assert sorted(table_of(records)["dataset"]) == sorted(PUBLISHED_DATASETS)
