"""Averages and ranks with one dataset left out, against what they are by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from results.made import Disk, right
from results.synthetic import comparison
from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS as PRINTED
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.markdown import to_markdown
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.results.left_out import average_without, left_out

ACCURACIES = {  # percent; CoOp is ahead of QCoOp by eurosat alone
    "coop": {"dtd": 40, "eurosat": 90, "ucf101": 50},
    "qcoop": {"dtd": 50, "eurosat": 45, "ucf101": 60},
    "zero_shot": {"dtd": 30, "eurosat": 30, "ucf101": 90},
}


def disk(datasets=("dtd", "eurosat", "ucf101")) -> Disk:
    made = Disk()
    for method, own in ACCURACIES.items():
        for dataset in datasets:
            made.add(method, {"base": right(own[dataset] / 100)}, dataset=dataset)
    return made


def test_averages_and_ranks_of_three_datasets():
    """Averages 60, 51.67 and 50; without DTD 70, 52.5, 60; EuroSAT 45, 55, 60; UCF101 65, 47.5, 30.

    So CoOp is third without EuroSAT, QCoOp third without DTD, and zero-shot first without EuroSAT.
    """
    rows = left_out(disk().compare()).set_index("method")
    assert list(rows.index) == ["coop", "qcoop", "zero_shot"]
    assert rows["average"].tolist() == pytest.approx([60, 155 / 3, 50])
    assert rows["without_eurosat"].tolist() == pytest.approx([45, 55, 60])
    assert rows["rank"].tolist() == [1, 2, 3]
    assert rows["best_rank"].tolist() == [1, 2, 1]
    assert rows["worst_rank"].tolist() == [3, 3, 3]
    assert rows["worst_without"].tolist() == ["eurosat", "dtd", ""]


def test_eurosat_with_a_split_drawn_at_random_is_eurosat_too():
    made = Disk()
    for dataset, share in ACCURACIES["coop"].items():
        split = "own random split, seed 1" if dataset == "eurosat" else ""
        made.add("coop", {"base": right(share / 100)}, dataset=dataset, random_split=split)
    (row,) = left_out(made.compare()).to_dict("records")
    assert (row["average"], row["without_eurosat"]) == pytest.approx((60, 45))


def test_h_is_that_of_the_averages_that_are_left():
    accuracies = {"dtd": (80.0, 60.0), "eurosat": (90.0, 30.0), "ucf101": (60.0, 40.0)}
    assert average_without(accuracies, ("eurosat",)) == pytest.approx(2 * 70 * 50 / 120)
    base, new = 230 / 3, 130 / 3
    assert average_without(accuracies) == pytest.approx(2 * base * new / (base + new))


def test_equal_methods_share_a_rank():
    made = Disk()
    for method in ("coop", "qcoop", "zero_shot"):
        share = 0.5 if method == "zero_shot" else 0.6
        for dataset in ("dtd", "eurosat", "ucf101"):
            made.add(method, {"base": right(share)}, dataset=dataset)
    rows = left_out(made.compare()).set_index("method")
    assert rows["rank"].to_dict() == {"coop": 1, "qcoop": 1, "zero_shot": 3}
    assert set(rows["worst_without"]) == {""}


def test_a_method_that_lacks_a_dataset_has_no_rank():
    made = disk()
    made.add("rlp", {"base": right(0.9)}, dataset="dtd")
    assert set(left_out(made.compare())["method"]) == set(ACCURACIES)


def test_two_datasets_leave_no_average():
    assert left_out(disk(("dtd", "eurosat")).compare()).empty


def test_a_source_is_no_part_of_the_average():
    whole = comparison(["cross_dataset"], datasets=["imagenet", "dtd", "eurosat", "ucf101"])
    rows = left_out(whole)
    scores = whole.scores.query("method == 'coop' and metric == 'accuracy'")
    means = scores.set_index("dataset")["mean"]
    row = rows[rows["method"] == "coop"].iloc[0]
    assert row["average"] == pytest.approx(means["average"])
    assert row["without_eurosat"] == pytest.approx((means["dtd"] + means["ucf101"]) / 2)
    assert "imagenet" not in set(rows["worst_without"])


def test_the_published_average_without_eurosat_stands_beside_ours():
    """CoOp prints all 11: base 82.69, new 63.22; EuroSAT 92.19 and 54.74 (CoCoOp's Table 1)."""
    made = Disk()
    for dataset in sorted(PRINTED):
        for method in ("coop", "qcoop"):
            halves = {"base": right(0.8), "new": right(0.6)}
            made.add(method, halves, dataset=dataset, clip="vit_b16")
    rows = left_out(made.compare()).set_index("method")
    base, new = (11 * 82.69 - 92.19) / 10, (11 * 63.22 - 54.74) / 10
    row = rows.loc["coop"]
    assert row["published"] == pytest.approx(2 * 82.69 * 63.22 / (82.69 + 63.22), abs=0.01)
    assert row["published_without_eurosat"] == pytest.approx(
        2 * base * new / (base + new), abs=0.01
    )
    assert rows["published"].isna()["qcoop"]  # only its average was printed


def test_markdown_shows_what_decides_a_rank():
    whole = replace(disk().compare(), remarks=())
    text = to_markdown(text_tables(whole), (), left_out(whole))
    assert "## One dataset left out: few-shot, " in text
    assert "| CoOp | 60.00 | 45.00 | 1 | 1 to 3 | eurosat |" in text


def test_the_page_has_the_ranks_too():
    page = render(disk().compare())
    assert "Ranks with one dataset left out" in page
    row = '<td>CoOp</td><td>60.0</td><td>45.0</td><td>1</td><td data-value="3">1 to 3</td>'
    assert f"{row}<td>eurosat</td>" in page
    assert "left out" not in render(disk(("dtd", "eurosat")).compare())
