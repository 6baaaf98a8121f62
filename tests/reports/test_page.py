"""The page as bytes: whole, alone, of the comparison and nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from html_page import Page
from results.synthetic import METHODS, comparison, with_flags, with_holes
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.payload import payload, table


def embedded(html: str) -> dict:
    """What the page's scripts read."""
    (text,) = re.findall(r'<script type="application/json" id="comparison">(.*?)</script>', html)
    return json.loads(text)


def rows_of(table: dict) -> list[dict]:
    """The rows of an encoded table."""
    columns = {}
    for name, column in table["columns"].items():
        if "all" in column:
            columns[name] = [column["all"]] * table["rows"]
        elif "int" in column:
            columns[name] = [None if v is None else _unscaled(v, column) for v in column["int"]]
        elif "runs" in column:
            runs = zip(column["runs"][::2], column["runs"][1::2], strict=True)
            columns[name] = [column["of"][index] for index, count in runs for _ in range(count)]
        else:
            at = column.get("at")
            columns[name] = column["plain"] if at is None else [column["of"][i] for i in at]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _unscaled(value, column: dict):
    if isinstance(value, list):
        return [one / column["scale"] for one in value]
    return value / column["scale"]


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
    key = ["dataset", "shots", "method"]
    for family in embedded(html)["families"]:
        expected = whole.of(family["name"])
        assert set(family["scores"]) == set(expected["metric"])
        for metric, scores in family["scores"].items():
            rows = {tuple(row[name] for name in key): row for row in rows_of(scores)}
            made = expected[expected["metric"] == metric].set_index(key)
            assert set(rows) == set(made.index)
            for place, row in made.iterrows():
                assert rows[place]["mean"] == pytest.approx(row["mean"], abs=5e-4)
                assert (rows[place]["low"] is None) == (row["low"] != row["low"])
                if metric in ("base", "new"):
                    assert rows[place]["per_seed"] == pytest.approx(row["per_seed"], abs=5e-4)
        pairs = [row for table in family["pairs"].values() for row in rows_of(table)]
        assert len(pairs) == len(whole.of(family["name"], "pairs"))


def test_no_p_value_is_rounded_over_a_thousandth():
    """The smallest of a bootstrap is 1 of 10,001; ten tests make it 0.0009999, below 0.001."""
    rows = pd.DataFrame({"p_holm": [10 / 10_001, 0.5], "mean": [65.2504, 65.2496]})
    one, other = rows_of(table(rows, "p_holm mean"))
    assert one["p_holm"] < 0.001
    assert (one["mean"], other["mean"]) == (65.2504, 65.2496)


def test_classes_and_provenance_are_there_once(whole, html):
    data = embedded(html)
    assert len(data["classes"]) == 11
    (first, *_) = rows_of(data["families"][0]["provenance"])
    assert data["classes"][first["classes"]][1][0] == f"{first['dataset']} class 100"
    assert first["few_shot_sha256"] == f"{1:064x}"


def test_the_date_is_that_of_the_newest_result(html):
    assert "Newest result: 2026-03-01." in html


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
    assert base_to_new["metrics"][-1].startswith("new_")


def test_seeds_missing_for_one_reason_are_told_in_one_row(html):
    rows = rows_of(embedded(html)["missing"])
    assert [(row["seeds"], row["reason"]) for row in rows] == [
        ("seeds 1, 2", "no record on disk"),
        ("seed 3", "metrics.json: is not valid JSON"),
    ]
    command = "kedro sweep --datasets=eurosat --shots=16 --seeds=1,2"
    row = f"<td>seeds 1, 2</td><td>no record on disk</td><td><code>{command}</code></td>"
    assert row in html


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
    assert '<option value="base" selected>Base</option>' in page
    assert "No method has a figure for H." in page
    assert "<h2>dtd, base to new, 16 shots, CLIP vit_b16</h2>" in page


def test_zero_shot_alone_is_not_set_against_itself(html):
    alone = render(comparison(("base_to_new",), methods={"zero_shot": "Zero-shot CLIP"}))
    option = '<option value="zero_shot">against zero-shot</option>'
    assert option in html and option not in alone


@pytest.mark.parametrize(
    "odd",
    [
        {"methods": {"coop": "CoOp"}, "seeds": (1,)},
        {"methods": {"zero_shot": "Zero-shot CLIP"}},
        {"protocols": ("base_to_new", "few_shot"), "datasets": ["dtd"]},
        {"methods": METHODS | {f"method_{i}": f"Method {i}" for i in range(30)}, "datasets": ["a"]},
    ],
    ids=["one method, one seed", "zero-shot alone", "one dataset", "39 methods"],
)
def test_little_and_much_make_a_page(odd):
    Page(render(comparison(**({"protocols": ("base_to_new", "few_shot")} | odd))))
