"""Who is compared with whom, on which images, and what may be said then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from results.made import Disk, base_to_new, predictions, right
from vlprompt_pipeline.results import pairs
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.statistics import compare_accuracy, compare_h, holm

COOP = "demo/demo_aerial/base_to_new/shots16/seed1/coop"


def by_metric(comparison):
    return comparison.pairs.set_index("metric")


def test_one_seed_is_mcnemars_and_several_are_the_paired_bootstrap():
    one = by_metric(base_to_new(seeds=(1,)).compare())
    assert one["test"].to_dict() == {"base": "McNemar", "new": "McNemar", "h": "paired bootstrap"}
    assert set(by_metric(base_to_new().compare())["test"]) == {"paired bootstrap"}


def test_numbers_are_those_of_the_statistics():
    disk = Disk()
    zero = {"base": right(0.5, seed=1), "new": right(0.6, seed=2)}
    coop = {"base": right(0.62, seed=3), "new": right(0.5, seed=4)}
    disk.add("zero_shot", zero)
    disk.add("coop", coop)
    found = by_metric(disk.compare())
    expected = {half: compare_accuracy(coop[half], zero[half]) for half in ("base", "new")}
    expected["h"] = compare_h(coop["base"], coop["new"], zero["base"], zero["new"])
    for metric, paired in expected.items():
        row = found.loc[metric]
        fields = ("difference", "low", "high", "p_value")
        assert [row[name] for name in fields] == pytest.approx([getattr(paired, n) for n in fields])
        assert (row["method"], row["against"]) == ("coop", "zero_shot")


def test_better_is_said_only_after_adjustment_over_the_table():
    methods = ("zero_shot", *(f"method_{number}" for number in range(6)))
    disk = Disk()
    for dataset in ("demo_aerial", "demo_flags"):
        for number, method in enumerate(methods):
            disk.add(method, {"base": right(0.5 + number / 50, seed=number)}, dataset=dataset)
    tests = disk.compare().pairs
    assert len(tests) == 6 * 3  # two datasets and their average
    assert tests["p_holm"].tolist() == pytest.approx(holm(tests["p_value"].tolist()))
    said = tests["verdict"] != "no difference shown"
    assert (said == (tests["p_holm"] <= 0.05)).all()
    assert (tests["p_value"] <= 0.05).sum() > said.sum(), "some verdicts fall by the adjustment"


@pytest.mark.parametrize("against", [("zero_shot", "coop"), ("coop", "zero_shot")])
def test_each_two_methods_are_compared_once_and_only_with_the_references(against):
    disk = base_to_new(methods=("zero_shot", "coop", "qcoop", "rlp"), seeds=(1,))
    tests = disk.compare(against=against).pairs
    assert "zero_shot" not in set(tests["method"])
    couples = {frozenset(pair) for pair in zip(tests["method"], tests["against"], strict=True)}
    assert couples == {
        frozenset(pair)
        for pair in (
            ("zero_shot", "coop"),
            ("zero_shot", "qcoop"),
            ("zero_shot", "rlp"),
            ("coop", "qcoop"),
            ("coop", "rlp"),
        )
    }
    assert not tests.duplicated(["metric", "method", "against"]).any()
    assert len(tests) == 5 * 3


def test_a_reference_that_no_cell_has_is_said():
    comparison = base_to_new(seeds=(1,)).compare(against=("zero_shot", "rlp"))
    assert "Nothing is compared with rlp: no cell has it." in comparison.remarks


@pytest.mark.parametrize("column", ["path", "label"])
def test_other_images_or_labels_are_not_compared(column):
    disk = base_to_new(seeds=(1,))
    table = disk.predictions[COOP].copy()
    if column == "path":
        table["path"] = table["path"].to_numpy()[::-1]
    else:  # other labels, as many right
        table[["label", "prediction"]] += 1
    disk.predictions[COOP] = table
    comparison = disk.compare()
    assert comparison.pairs.empty
    assert any(
        "coop and zero_shot are not compared on demo_aerial" in remark
        for remark in comparison.remarks
    )
    assert comparison.scores["low"].notna().any(), "each still has its intervals"


def test_an_average_over_what_is_not_compared_is_not_told_beside_it():
    disk = base_to_new(("demo_aerial", "demo_flags"), seeds=(1,))
    disk.predictions[COOP] = disk.predictions[COOP].assign(path="elsewhere")
    comparison = disk.compare()
    assert set(comparison.pairs["dataset"]) == {"demo_flags"}
    assert any("are not compared on demo_aerial: " in said for said in comparison.remarks)


def test_seeds_that_only_one_method_has_are_left_out():
    disk = base_to_new()
    del (
        disk.records[COOP.replace("seed1", "seed3")],
        disk.predictions[COOP.replace("seed1", "seed3")],
    )
    row = by_metric(disk.compare()).loc["base"]
    shares = [np.mean([0.61, 0.62]), 0.5]
    assert row["difference"] == pytest.approx(100 * (shares[0] - shares[1]))


def test_seeds_with_predictions_of_only_one_method_are_left_out():
    disk = base_to_new(("demo_aerial", "demo_flags"))
    whole = by_metric(base_to_new(seeds=(2, 3)).compare())
    disk.predictions[COOP] = disk.predictions[COOP][:10]  # not what its record was made of
    comparison = disk.compare()
    tests = comparison.pairs
    one = tests[tests["dataset"] == "demo_aerial"].set_index("metric")
    assert set(one["seeds"]) == {(2, 3)}
    assert list(one["p_value"]) == list(whole["p_value"])
    assert set(tests["dataset"]) == {"demo_aerial", "demo_flags", AVERAGE}
    assert not any("are not compared" in remark for remark in comparison.remarks)


def test_averages_are_compared_too():
    disk = base_to_new(("demo_aerial", "demo_flags"))
    tests = disk.compare().pairs
    row = tests[(tests["dataset"] == AVERAGE) & (tests["metric"] == "base")].iloc[0]
    assert row["difference"] == pytest.approx(12)
    assert row["verdict"] == "better"


def test_a_table_of_many_tests_draws_more_often(monkeypatch):
    monkeypatch.setattr(pairs, "resamples_for", lambda tests: 4_000 * tests)
    tests = base_to_new(("demo_aerial", "demo_flags")).compare().pairs
    assert len(tests) == 3 * 3 and set(tests["test"]) == {"paired bootstrap"}
    assert tests["p_value"].min() == 1 / 12_001


def test_a_part_without_common_images_leaves_the_others():
    disk = base_to_new(seeds=(1,))
    halves = {"base": right(0.6), "new": right(0.7)}
    other = predictions({"new": halves["new"]}, "elsewhere")
    own = predictions({"base": halves["base"]}, "demo_aerial")

    disk.add("coop", halves)
    disk.predictions[COOP] = pd.concat([own, other], ignore_index=True)
    assert set(disk.compare().pairs["metric"]) == {"base"}
