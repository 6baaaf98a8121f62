"""Both conventions of H against the published tables: which average follows from which rows."""

from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files

import pytest

from results.made import Disk, right, score_row
from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS
from vlprompt_pipeline.results.dataset_names import AVERAGE

ROUNDING = 0.03
"""Percentage points: figures are printed with two digits, and some were averaged unrounded."""

MEAN_OF_H = {"RPO"}
"""Methods whose paper averages the datasets' H; all others take H of the averages."""

H_DOES_NOT_FOLLOW = {
    ("RPO", "caltech101"),
    ("RPO", "dtd"),
    ("MMRL", "dtd"),
    ("RPO", "average"),
    ("HPT", "average"),
}
"""Where the printed H is not that of the printed base and new accuracy; kept as printed."""
IMAGES = 10_000
"""So that a printed accuracy is a count of images."""


def printed() -> dict[str, dict[tuple[str, str], float]]:
    """Base-to-new figures of each method by (dataset, metric)."""
    table: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    with files("vlprompt_pipeline.results").joinpath("published_results.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["protocol"] == "base_to_new_16shot_vitb16":
                table[row["method"]][row["dataset"], row["metric"]] = float(row["value"])
    return table


PRINTED = printed()
COMPLETE = sorted(
    m for m, known in PRINTED.items() if {(d, "new") for d in PUBLISHED_DATASETS} <= set(known)
)


def test_these_methods_print_all_eleven_datasets():
    known = "CLIP CoCoOp CoOp CoPrompt GDA-CLIP KgCoOp MaPLe PromptKD PromptSRC RPO TCP"
    assert known.split() == COMPLETE


@pytest.mark.parametrize("method", COMPLETE)
def test_our_averages_of_printed_rows_are_those_printed(method):
    """Records with the accuracies of a paper's rows give its averages, in its convention of H."""
    known, disk = PRINTED[method], Disk()
    for dataset in PUBLISHED_DATASETS:
        place = disk.add("printed", {"base": right(1.0), "new": right(1.0)}, dataset=dataset)
        disk.records[place]["methods"][0] |= {
            half: {"correct": round(100 * known[dataset, half]), "total": IMAGES}
            for half in ("base", "new")
        }
    disk.predictions.clear()
    ours = {
        metric: score_row(comparison, dataset=AVERAGE, metric=metric)["mean"]
        for comparison in [disk.compare(against=())]
        for metric in ("base", "new", "h", "mean_of_h")
    }
    assert ours["base"] == pytest.approx(known["average", "base"], abs=ROUNDING)
    assert ours["new"] == pytest.approx(known["average", "new"], abs=ROUNDING)
    convention, other = ("h", "mean_of_h") if method not in MEAN_OF_H else ("mean_of_h", "h")
    assert ours[convention] == pytest.approx(known["average", "H"], abs=ROUNDING)
    assert abs(ours[other] - known["average", "H"]) > ROUNDING, "they can be told apart"


def test_every_printed_h_is_of_its_own_row():
    failing = {
        (method, dataset)
        for method, known in PRINTED.items()
        for dataset in {dataset for dataset, _ in known}
        if {(dataset, metric) for metric in ("base", "new", "H")} <= set(known)
        and abs(harmonic_mean(known[dataset, "base"], known[dataset, "new"]) - known[dataset, "H"])
        > ROUNDING
    }
    assert failing == H_DOES_NOT_FOLLOW
