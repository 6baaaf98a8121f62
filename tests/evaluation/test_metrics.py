from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from vlprompt_pipeline.evaluation import metrics

PRINTED_IN_ANOTHER_CONVENTION = {"RPO"}
"""Its printed average H is not the H of its printed averages; the source column says so."""


def test_accuracy_is_in_percent():
    assert metrics.accuracy(1, 8) == 12.5


class TestCalibrationError:
    def test_by_hand(self):
        """Two bins of (0, 1]: the lower is 0.4 sure and half right, the upper 0.8 and all right."""
        confidence, correct = [0.3, 0.5, 0.7, 0.9], [True, False, True, True]
        expected = 100 * (0.5 * abs(0.5 - 0.4) + 0.5 * abs(1.0 - 0.8))
        assert metrics.calibration_error(confidence, correct, bins=2) == pytest.approx(expected)

    def test_edges_belong_to_the_lower_bin(self):
        """0.5 is in (0, 0.5]: there 0.5 and 0.1 meet and cancel to |1/2 - 0.3|."""
        found = metrics.calibration_error([0.5, 0.1], [True, False], bins=2)
        assert found == pytest.approx(100 * (0.5 - 0.3))

    def test_sure_and_right_is_perfect_and_sure_and_wrong_the_worst(self):
        assert metrics.calibration_error([1.0, 1.0], [True, True]) == 0
        assert metrics.calibration_error([1.0, 0.0], [False, True]) == 100

    def test_it_equals_a_loop_over_fifteen_bins(self):
        draw = np.random.default_rng(0)
        confidence, correct = draw.uniform(0.01, 1, 500), draw.random(500) < 0.6
        expected = 0.0
        for b in range(15):
            inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
            if inside.any():
                gap = abs(correct[inside].mean() - confidence[inside].mean())
                expected += 100 * inside.mean() * gap
        assert metrics.calibration_error(confidence, correct) == pytest.approx(expected)


def test_the_score_of_predictions():
    predicted = pd.DataFrame(
        {
            "label": [0, 1, 1, 0],
            "prediction": [0, 1, 0, 0],
            "probability": [1.0] * 4,
            "entropy": [0.0, 0.0, 0.2, 0.2],
        }
    )
    plain = metrics.score_of(predicted)
    assert (plain["correct"], plain["total"], plain["accuracy"]) == (3, 4, 75.0)
    assert plain["calibration_error"] == 25
    assert plain["entropy"] == pytest.approx(0.1)
    more = predicted.assign(
        spread=0.05, sampled_prediction=[0, 1, 0, 0], mean_prediction=[0, 1, 1, 0]
    )
    scores = metrics.score_of(more)
    assert (scores["sampled_accuracy"], scores["mean_accuracy"]) == (75, 100)
    assert scores["spread"] == pytest.approx(5)


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [(60, 40, 48), (50, 50, 50), (100, 0, 0), (0, 0, 0), (82.69, 63.22, 71.66)],
)
def test_harmonic_mean(base, new, expected):
    assert metrics.harmonic_mean(base, new) == pytest.approx(expected, abs=0.005)


def test_the_two_conventions_of_h_differ():
    base, new = [80, 60], [60, 20]  # H of 480/7 and 30; averages 70 and 40
    assert metrics.h_of_averages(base, new) == pytest.approx(5600 / 110)
    assert metrics.mean_of_h(base, new) == pytest.approx((480 / 7 + 30) / 2)


def test_std_is_of_the_population():
    assert metrics.mean_and_std([1, 2, 3]) == pytest.approx((2, (2 / 3) ** 0.5))


def test_h_of_averages_is_how_the_published_averages_were_made():
    table = defaultdict(dict)
    with files("vlprompt_pipeline.evaluation").joinpath("published_results.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["protocol"] == "base_to_new_16shot_vitb16":
                table[row["method"]][row["dataset"], row["metric"]] = float(row["value"])
    checked = set()
    for method, figures in table.items():
        datasets = {dataset for dataset, metric in figures if metric == "new"} - {"average"}
        if len(datasets) < 11:
            continue
        base, new = (
            [figures[dataset, metric] for dataset in datasets] for metric in ("base", "new")
        )
        assert sum(base) / 11 == pytest.approx(figures["average", "base"], abs=0.03), method
        assert sum(new) / 11 == pytest.approx(figures["average", "new"], abs=0.03), method
        if method not in PRINTED_IN_ANOTHER_CONVENTION:
            printed = figures["average", "H"]
            assert metrics.h_of_averages(base, new) == pytest.approx(printed, abs=0.03), method
        checked.add(method)
    assert {"CLIP", "CoOp", "CoCoOp", "KgCoOp", "MaPLe", "PromptSRC", "RPO", "TCP"} <= checked
