from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files

import pytest

from vlprompt_pipeline.evaluation import metrics

PRINTED_IN_ANOTHER_CONVENTION = {"RPO"}
"""Its printed average H is not the H of its printed averages; the source column says so."""


def test_accuracy_is_in_percent():
    assert metrics.accuracy(1, 8) == 12.5


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
