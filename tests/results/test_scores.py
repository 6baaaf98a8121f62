"""Means, spreads, intervals and averages against what they are by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from results.made import Disk, base_to_new, predictions, right, score, score_row
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.statistics import accuracy_interval, h_interval


@pytest.fixture
def two_seeds():
    """CoOp with 80 / 60 % in seed 1 and 60 / 20 % in seed 2."""
    disk = Disk()
    halves = [
        {"base": right(0.8, seed=1), "new": right(0.6, seed=2)},
        {"base": right(0.6, seed=3), "new": right(0.2, seed=4)},
    ]
    for seed, both in enumerate(halves, start=1):
        disk.add("coop", both, seed=seed)
    return disk, halves


def test_means_and_both_standard_deviations(two_seeds):
    disk, _ = two_seeds
    row = score_row(disk.compare(), metric="base")
    assert (row["mean"], row["std"]) == pytest.approx((70, 10))
    assert row["sample_std"] == pytest.approx(math.sqrt(200))
    assert (row["seeds"], row["n_seeds"], row["images"]) == ((1, 2), 2, 200)


def test_h_in_both_conventions(two_seeds):
    disk, _ = two_seeds
    comparison = disk.compare()
    h_of_seeds = [2 * 80 * 60 / 140, 2 * 60 * 20 / 80]
    assert score_row(comparison, metric="h")["mean"] == pytest.approx(2 * 70 * 40 / 110)
    assert score_row(comparison, metric="h")["std"] == pytest.approx(np.std(h_of_seeds))
    assert score_row(comparison, metric="mean_of_h")["mean"] == pytest.approx(np.mean(h_of_seeds))


def test_the_mean_of_h_is_that_of_h_whatever_h_there_is_among_all_classes(two_seeds):
    disk, _ = two_seeds
    alone = score_row(disk.compare(), metric="mean_of_h")["mean"]
    for record in disk.records.values():
        half = score(right(0.5))
        record["methods"][0]["generalised"] = {"base": half, "new": half}
    assert score_row(disk.compare(), metric="generalised_h")["mean"] == pytest.approx(50)
    assert score_row(disk.compare(), metric="mean_of_h")["mean"] == alone


def test_intervals_are_over_the_images_of_all_seeds(two_seeds):
    disk, halves = two_seeds
    base, new = (np.stack([both[half] for both in halves]) for half in ("base", "new"))
    comparison = disk.compare()
    for metric, expected in (("base", accuracy_interval(base)), ("h", h_interval(base, new))):
        row = score_row(comparison, metric=metric)
        assert (row["low"], row["high"]) == pytest.approx(expected)


def test_a_half_that_a_seed_lacks_has_no_mean(two_seeds):
    disk, _ = two_seeds
    disk.add("coop", {"base": right(0.7)}, seed=3, bound=True)
    scores = disk.compare().scores
    assert set(scores["metric"]) == {"base", "base_calibration_error"}


def test_one_method_bound_to_its_classes_leaves_the_ranking_by_h(two_seeds):
    disk, _ = two_seeds
    disk.add("linear_probe", {"base": right(0.7)}, bound=True)
    assert disk.compare().families["ranking"].tolist() == ["h"]


def test_a_cell_tells_its_images_of_both_halves_whichever_method_comes_first():
    told = []
    for bound, whole in (("coop", "qcoop"), ("qcoop", "coop")):
        disk = Disk()
        disk.add(bound, {"base": right(0.7)}, bound=True)
        disk.add(whole, {"base": right(0.8), "new": right(0.6)})
        told.append(disk.compare().provenance["test_images"].tolist())
    assert told == [["200 base, 200 new"]] * 2


def test_one_seed_has_no_deviation():
    disk = Disk()
    disk.add("coop", {"base": right(0.5)})
    row = score_row(disk.compare(), metric="accuracy")
    assert row["mean"] == 50
    assert math.isnan(row["std"])
    assert math.isnan(row["sample_std"])


def test_averages_are_over_methods_that_have_all_datasets():
    disk = base_to_new(("demo_aerial", "demo_flags"), ("zero_shot", "coop"), seeds=(1,))
    disk.add("qcoop", {"base": right(0.5), "new": right(0.5)})
    scores = disk.compare().scores
    averaged = scores[scores["dataset"] == AVERAGE]
    assert set(averaged["method"]) == {"zero_shot", "coop"}


def test_the_h_of_an_average_is_that_of_average_accuracies():
    disk = Disk()
    disk.add("coop", {"base": right(0.9), "new": right(0.3)}, dataset="demo_aerial")
    disk.add("coop", {"base": right(0.5), "new": right(0.7)}, dataset="demo_flags")
    comparison = disk.compare()
    one, other = 2 * 90 * 30 / 120, 2 * 50 * 70 / 120
    row = score_row(comparison, dataset=AVERAGE, metric="h")
    assert row["mean"] == pytest.approx(2 * 70 * 50 / 120)
    assert row["images"] == 800
    mean_of_h = score_row(comparison, dataset=AVERAGE, metric="mean_of_h")["mean"]
    assert mean_of_h == pytest.approx((one + other) / 2)


def test_the_mean_of_the_h_of_seeds_is_that_on_average_too_where_seeds_differ():
    """H of seed 1 is 18 on both datasets, and of seed 2, which one has, 18 too: each time 18."""
    disk = Disk()
    for dataset, seeds in (("demo_aerial", (1, 2)), ("demo_flags", (1,))):
        for seed in seeds:
            base, new = (0.9, 0.1) if seed == 1 else (0.1, 0.9)
            disk.add("coop", {"base": right(base), "new": right(new)}, dataset=dataset, seed=seed)
    for dataset in ("demo_aerial", "demo_flags", AVERAGE):
        row = score_row(disk.compare(), dataset=dataset, metric="mean_of_h")
        assert row["mean"] == pytest.approx(18)


def test_an_average_over_seeds_that_differ_has_no_spread():
    disk = Disk()
    for dataset, seeds in (("demo_aerial", (1, 2)), ("demo_flags", (1, 3))):
        for seed in seeds:
            disk.add("coop", {"base": right(0.5 + seed / 100)}, dataset=dataset, seed=seed)
    comparison = disk.compare()
    row = score_row(comparison, dataset=AVERAGE, metric="accuracy")
    assert row["mean"] == pytest.approx((51.5 + 52) / 2)
    assert math.isnan(row["std"])
    assert not math.isnan(score_row(comparison, dataset="demo_flags", metric="accuracy")["std"])


def test_targets_have_an_average_without_the_source():
    disk = Disk()
    disk.add(
        "coop",
        {"base": right(0.9)},
        protocol="cross_dataset",
        targets={"demo_flags": right(0.4), "demo_glyphs": right(0.6)},
    )
    disk.add(
        "tip_adapter",
        {"base": right(0.9)},
        protocol="cross_dataset",
        bound=True,
        targets={"demo_flags": right(0.4), "demo_glyphs": right(0.6)},
    )
    comparison = disk.compare()
    means = comparison.scores.query("method == 'coop' and metric == 'accuracy'")
    found = dict(zip(means["dataset"], means["mean"], strict=True))
    assert found == pytest.approx(
        {"demo_aerial": 90, "demo_flags": 40, "demo_glyphs": 60, AVERAGE: 50}
    )
    bound = comparison.scores.query("method == 'tip_adapter'")
    assert set(bound["dataset"]) == {"demo_aerial"}
    assert comparison.families["source"].tolist() == ["demo_aerial"]


def test_generalised_and_further_metrics_are_shown_where_records_have_them():
    disk = Disk()
    halves = {"base": right(0.8), "new": right(0.6)}
    place = disk.add("coop", halves)
    without = disk.compare().scores["metric"]
    assert not without.str.startswith("generalised").any()
    among_all = {"generalised_base": right(0.7), "generalised_new": right(0.3)}
    method = disk.records[place]["methods"][0]
    method["generalised"] = {
        "base": score(among_all["generalised_base"]),
        "new": score(among_all["generalised_new"]),
    }
    method["base"] |= {"top5_accuracy": 99.0, "macro_f1": 79.0}
    disk.predictions[place] = predictions({**halves, **among_all}, "demo_aerial")
    comparison = disk.compare()
    assert score_row(comparison, metric="generalised_h")["mean"] == pytest.approx(42)
    assert score_row(comparison, metric="generalised_h")["low"] < 42
    assert score_row(comparison, metric="base_top5_accuracy")["mean"] == 99
    assert score_row(comparison, metric="base_macro_f1")["mean"] == 79
    assert score_row(comparison, metric="new_calibration_error")["mean"] == 5
    assert "new_top5_accuracy" not in set(comparison.scores["metric"])


def test_sizes_are_the_largest_of_all_cells():
    disk = base_to_new(seeds=(1, 2))
    place = "demo/demo_aerial/base_to_new/shots16/seed2/coop"
    disk.records[place]["methods"][0]["file_bytes"] = 5000
    sizes = disk.compare().sizes.set_index("method")
    assert sizes["file_bytes"].to_dict() == {"zero_shot": 4200, "coop": 5000}


@pytest.mark.parametrize(
    ("code", "averaged"), [(("a", "a", "a"), True), (("a", "b", "a"), False), (("", "", ""), True)]
)
def test_a_metric_whose_code_changed_between_seeds_has_no_mean(code, averaged):
    disk = base_to_new()
    for place, record in disk.records.items():
        (method,) = record["methods"]
        seed = record["cell"]["seed"]
        if code[seed - 1] and place.endswith("coop"):  # else of a version without it
            method["metric_code"] = {"calibration_error": code[seed - 1]}
    made = disk.compare()
    coop = set(made.scores.loc[made.scores["method"] == "coop", "metric"])
    assert ("base_calibration_error" in coop) == averaged
    assert {"base", "new", "h"} <= coop
    said = [remark for remark in made.remarks if "different code of this metric" in remark]
    expected = "CoOp has no calibration error on demo_aerial: its seeds were scored with "
    assert [remark.startswith(expected) for remark in said] == [True] * (not averaged)
