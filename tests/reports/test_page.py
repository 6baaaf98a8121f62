"""The page as bytes: whole, alone, of the comparison and nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest

from html_page import Page
from results.synthetic import METHODS, comparison, with_flags, with_holes
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.payload import payload


def embedded(html: str) -> dict:
    """What the page's scripts read."""
    (text,) = re.findall(r'<script type="application/json" id="comparison">(.*?)</script>', html)
    return json.loads(text)


@pytest.fixture(scope="module")
def whole():
    return with_flags(with_holes(comparison(remarks=("broken.json: is not a <cell> record",))))


@pytest.fixture(scope="module")
def html(whole):
    return render(whole)


def test_the_page_is_whole_and_needs_nothing_else(html):
    page = Page(html)
    names = "http-equiv|http://www.w3.org/2000/svg"  # no address is one that anything is read from
    assert "http" not in re.sub(names, "", html)
    loads = [value for name, value in page.attributes if name in {"src", "href", "srcset"}]
    assert loads and all(value.startswith(("#", "data:,")) for value in loads)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {value[1:] for value in loads if value.startswith("#")} <= set(page.ids)


def test_the_same_comparison_gives_the_same_bytes(whole, html):
    assert render(whole) == html


def test_three_hundred_cells_stay_below_three_megabytes():
    cells = render(comparison(("base_to_new",)))  # 11 datasets, 9 methods, 3 seeds
    assert "297 finished cells of 9 methods on 11 datasets, in 1 table" in cells
    assert len(cells.encode()) < 1_000_000


def test_all_four_protocols_of_the_literature_too(html):
    assert "1,818 finished cells of 9 methods on 15 datasets, in 4 tables" in html
    assert len(html.encode()) < 3_000_000


def test_every_score_is_there_once_and_rounded(whole, html):
    data = embedded(html)
    for family in data["families"]:
        table = family["scores"]
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        own = whole.of(family["name"])
        assert len(rows) == len(own)
        assert [row["mean"] for row in rows] == pytest.approx(list(own["mean"]), abs=5e-4)
        without = [row["low"] is None for row in rows]
        assert without == list(own["low"].isna())
        assert len(family["pairs"]["rows"]) == len(whole.of(family["name"], "pairs"))


def test_average_and_source_come_first_and_h_has_no_switch_of_its_mean(whole):
    base_to_new, _, cross_dataset, _ = payload(whole)["families"]
    assert [title for _, title in base_to_new["datasets"][:2]] == ["Average", "imagenet"]
    assert cross_dataset["datasets"][:3] == [
        ("average", "Average of targets"),
        ("imagenet", "imagenet (source)"),
        ("caltech101", "caltech101"),
    ]
    assert base_to_new["metrics"][:3] == ["base", "new", "h"]
    assert "mean_of_h" not in base_to_new["metrics"]
    assert base_to_new["metrics"][-1] == "new_calibration_error"


def test_seeds_missing_for_one_reason_are_told_in_one_row(html):
    table = embedded(html)["missing"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [(row["seeds"], row["reason"]) for row in rows] == [
        ("seeds 1, 2", "no record on disk"),
        ("seed 3", "metrics.json: is not valid JSON"),
    ]
    assert "<td>seeds 1, 2</td><td>no record on disk</td>" in html


def test_names_and_remarks_are_text_not_markup(html):
    odd = {"zero_shot": "Zero-shot", "coop": "</script><b>CoOp</b> {{ x }} <!-- & '"}
    page = render(comparison(("few_shot",), methods=odd, datasets=["my </script> disc"]))
    Page(page)
    assert page.count("</script>") == html.count("</script>")
    assert embedded(page)["methods"]["coop"]["title"] == odd["coop"]
    assert "broken.json: is not a &lt;cell&gt; record" in html


def test_flags_are_told_with_whose_figures_have_them(html):
    assert "<dt>test-selected</dt><dd>published PromptSRC, Tip-Adapter-F: the best of" in html


def test_methods_that_are_bound_to_their_classes_have_their_base_accuracy_shown():
    made = comparison(("base_to_new",), datasets=["dtd"])
    page = render(replace(made, scores=made.scores[made.scores["metric"] == "base"]))
    assert 'name="metric" value="base" checked' in page
    assert "No method has a figure for H." in page


@pytest.mark.parametrize(
    "odd",
    [
        {"protocols": ()},
        {"methods": {"coop": "CoOp"}, "seeds": (1,)},
        {"methods": {"zero_shot": "Zero-shot CLIP"}},
        {"protocols": ("base_to_new", "few_shot"), "datasets": ["dtd"]},
        {"methods": METHODS | {f"method_{i}": f"Method {i}" for i in range(30)}, "datasets": ["a"]},
    ],
    ids=["nothing", "one method, one seed", "zero-shot alone", "one dataset", "39 methods"],
)
def test_little_and_much_make_a_page(odd):
    Page(render(comparison(**({"protocols": ("base_to_new", "few_shot")} | odd))))
