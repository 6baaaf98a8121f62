from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from vlprompt_pipeline.reports.summary_report.averages import averages
from vlprompt_pipeline.reports.summary_report.summary import summarise, to_csv_frame
from vlprompt_pipeline.reports.summary_report.terminal import render_table
from vlprompt_pipeline.results.groups import group_records, read_records
from vlprompt_pipeline.results.published import DATASETS


def summaries_of(records, **options):
    read, problems = read_records(records)
    assert not problems
    return [summarise(group, **options) for group in group_records(read)]


def printed(summary) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render_table(summary))
    return console.export_text()


def test_two_seeds_by_hand(two_seeds):
    (summary,) = summaries_of(two_seeds)
    row = summary.row("coop")
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
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["seeds"] == (1, 2)
    assert row["n_seeds"] == 2
    assert summary.row("zero_shot")["base_std"] == 0
    assert summary.row("maple") is None
    assert "published_h" not in summary.table


def test_both_halves_together_by_hand(two_seeds_together):
    (summary,) = summaries_of(two_seeds_together)
    expected = {
        "base_mean": 55,
        "base_std": 5,
        "new_mean": 25,
        "new_std": 15,
        "h": 2750 / 80,
        "h_mean_of_seeds": (48 + 1000 / 60) / 2,
        "h_std": (48 - 1000 / 60) / 2,
    }
    row = summary.row("coop")
    found = {name: row[f"generalised_{name}"] for name in expected}
    assert found == pytest.approx(expected)
    assert row["base_mean"] == 70, "apart as before"
    assert summary.has_generalised


def test_older_records_have_nothing_together(two_seeds, two_seeds_together):
    (summary,) = summaries_of(two_seeds)
    assert not summary.has_generalised
    (mixed,) = summaries_of({"1": two_seeds["seed1"], "2": two_seeds_together["seed2"]})
    assert math.isnan(mixed.row("coop")["generalised_h"]), "a mean over one of two seeds is none"


def test_order_of_the_records_or_of_the_score(make_record):
    record = make_record({"zero_shot": (100, 100), "coop": (60, 60), "qcoop": (140, 140)})
    (plain,), (ranked,) = summaries_of({"1": record}), summaries_of({"1": record}, by_score=True)
    assert list(plain.table["method"]) == ["zero_shot", "coop", "qcoop"]
    assert list(ranked.table["method"]) == ["qcoop", "zero_shot", "coop"]


def test_a_missing_seed_is_visible(make_record):
    (summary,) = summaries_of(
        {
            "1": make_record({"zero_shot": (100, 100), "coop": (120, 120)}, seed=1),
            "2": make_record({"zero_shot": (100, 100)}, seed=2),
        }
    )
    assert summary.row("coop")["seeds"] == (1,)
    assert "seeds" in printed(summary).splitlines()[2]


def test_without_zero_shot_there_is_no_difference(make_record):
    (summary,) = summaries_of({"1": make_record({"coop": (120, 120)})})
    assert math.isnan(summary.row("coop")["delta_h"])
    assert "–" in printed(summary)


def test_all_classes_have_one_accuracy(make_record):
    (summary,) = summaries_of({"1": make_record({"zero_shot": (100, None), "coop": (130, None)})})
    assert summary.ranking.heading == "Accuracy"
    assert not {"new_mean", "h", "delta_h"} & set(summary.table)
    assert summary.row("coop")["delta_base"] == 15
    assert "Base" not in printed(summary)


def test_the_largest_file_ships(make_record):
    records = {
        str(seed): make_record(
            {"coop": (100, 100)}, seed=seed, changes={"coop": {"file_bytes": 900 + seed}}
        )
        for seed in (1, 2)
    }
    (summary,) = summaries_of(records)
    assert summary.row("coop")["file_bytes"] == 902


def test_published_figures_stand_beside_ours_in_their_setting_only(make_record):
    methods = {"zero_shot": (100, 100), "coop": (120, 120), "rlp": (120, 120)}
    (ours,) = summaries_of({"1": make_record(methods, dataset="caltech101", clip="vit_b16")})
    assert ours.row("zero_shot")["published_h"] == 95.40
    assert math.isnan(ours.row("rlp")["published_h"])
    assert ours.row("rlp")["published_source"] == ""
    (other,) = summaries_of({"1": make_record(methods, dataset="caltech101", clip="vit_b32")})
    assert "published_h" not in other.table


def test_the_csv_frame_names_its_group_and_keeps_all_digits(two_seeds, make_record):
    other = make_record({"coop": (67, None)}, dataset="demo_objects")
    frame = to_csv_frame(summaries_of(two_seeds | {"other": other}))
    assert list(frame["dataset"]) == ["demo_counts", "demo_counts", "demo_objects"]
    assert list(frame["seeds"]) == ["1, 2", "1, 2", "1"]
    assert frame.loc[1, "h"] == 5600 / 110
    assert frame.loc[2, "base_mean"] == 33.5


def test_average_over_datasets_in_both_conventions(make_record):
    methods = {"coop": (160, 120), "qcoop": (10, 10)}
    records = {
        "a": make_record(methods, dataset="demo_counts"),
        "b": make_record({"coop": (120, 40)}, dataset="demo_objects"),
        "other CLIP": make_record(methods, dataset="demo_objects", weights_sha256="d" * 64),
    }
    (average,) = averages(summaries_of(records))
    assert average.datasets == ("demo_counts", "demo_objects")
    (row,) = average.table.to_dict("records")
    assert row["method"] == "coop"
    assert row["h"] == pytest.approx(5600 / 110)
    assert row["mean_of_h"] == pytest.approx((480 / 7 + 30) / 2)
    assert average.left_out == ("QCoOp, 1 bit",)


def test_a_dataset_with_two_splits_has_no_average(make_record):
    records = {
        "a": make_record({"coop": (160, 120)}, dataset="demo_counts"),
        "b": make_record({"coop": (160, 120)}, dataset="demo_objects"),
        "c": make_record({"coop": (160, 120)}, dataset="demo_objects", split_sha256="d" * 64),
    }
    assert averages(summaries_of(records)) == []


def test_the_average_over_the_eleven_has_the_published_one_beside_it(make_record):
    records = {
        name: make_record({"zero_shot": (100, 100)}, dataset=name, clip="vit_b16")
        for name in DATASETS
    }
    (average,) = averages(summaries_of(records))
    assert average.table["published_h"].tolist() == [71.70]


def test_the_average_over_the_eleven_with_a_random_split_stands_alone_and_says_so(make_record):
    records = {
        name: make_record(
            {"zero_shot": (100, 100)},
            dataset=name,
            clip="vit_b16",
            random_split="own random split, seed 1" if name == "dtd" else "",
        )
        for name in DATASETS
    }
    (average,) = averages(summaries_of(records))
    assert "published_h" not in average.table
    assert "dtd (own random split, seed 1)" in average.datasets
    assert "caltech101" in average.datasets
