"""The page on a run, class by class: what a person who knows the photos reads there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from browser import CHROMIUM, Browser
from curation.photos import write_shapes
from html_page import Page
from vlprompt_pipeline.reports.class_page import ScoredRun, render_class_page

NAMES = {"base": ("square", "blue disc")}


def predictions(answers: dict[str, int]) -> pd.DataFrame:
    """A row a photo; those of class 0 lie in `square`. Another set of images is left out."""
    rows = [("base", path, int("disc" in path), answer) for path, answer in answers.items()]
    rows.append(("generalised_base", "square/0.png", 0, 1))
    return pd.DataFrame(rows, columns=["half", "path", "label", "prediction"])


@pytest.fixture
def run(tmp_path) -> ScoredRun:
    folder = tmp_path / "shapes"
    write_shapes(folder, 4)
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]
    right = {path: int("disc" in path) for path in paths}
    wrong = {"square/0.png": 1, "square/1.png": 1, "square/2.png": 1, "blue_disc/0.png": 0}
    return ScoredRun(
        title="shapes, 2 shots, seed 1",
        note="own random split, seed 1",
        folder=folder,
        class_names=NAMES,
        predictions=[
            ("Zero-shot CLIP", predictions({**right, **wrong, "blue_disc/1.png": 0})),
            ("Linear probe", predictions({**right, **wrong})),
        ],
    )


def test_it_says_what_is_right_and_what_is_mixed_up(run):
    html = render_class_page(run)
    Page(html)
    assert "Linear probe gave 4 of 8 test photos the right label, 50 of 100." in html
    assert "It was right least often with square (1 of 4), blue disc (3 of 4)." in html
    assert "own random split, seed 1" in html
    assert html.count("<figure>") == 4
    assert "4 of 4, one of each mix-up before a second" in html
    first, second, *_ = html.split("<figcaption>")[1:]
    assert first.startswith("is <b>square</b>, was labelled <b>blue disc</b>")
    assert second.startswith("is <b>blue disc</b>, was labelled <b>square</b>")
    assert str(Path(run.folder)) not in html
    assert render_class_page(run) == html


def test_classes_that_are_as_often_right_are_named_in_their_order(run):
    """However many there are: of each class every second photo, or none of the last ones."""
    names = tuple(f"class {number:02}" for number in range(60))
    rows = [
        ("base", f"{label}/{photo}.png", label, label if label < 40 and photo else 59 - label)
        for label in range(60)
        for photo in range(2)
    ]
    table = pd.DataFrame(rows, columns=["half", "path", "label", "prediction"])
    many = replace(run, class_names={"base": names}, predictions=[("Zero-shot CLIP", table)])
    worst = "class 40 (0 of 2), class 41 (0 of 2), class 42 (0 of 2)"
    assert f"right least often with {worst}." in render_class_page(many)


def test_methods_of_one_title_have_a_column_each(run):
    (_, zero_shot), (_, probe) = run.predictions
    html = render_class_page(replace(run, predictions=[("CoOp", zero_shot), ("CoOp", probe)]))
    row = html.split("<td>blue disc</td>")[1].split("</tr>")[0]
    assert [part.split('"')[0] for part in row.split('data-value="')[1:]] == ["50.000", "75.000"]


def test_a_run_without_a_mistake_has_no_photos(run):
    perfect = {path: 0 for path in ("square/0.png", "square/1.png")}
    html = render_class_page(ScoredRun("x", "", run.folder, NAMES, [("One", predictions(perfect))]))
    assert "2 of 2 test photos the right label, 100 of 100. Not one was mistaken." in html
    assert "<figure>" not in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_its_table_is_sorted_in_the_browser(run, tmp_path):
    page = tmp_path / "classes.html"
    page.write_text(render_class_page(run), encoding="utf-8")
    browser = Browser(tmp_path / "profile")
    names = "[...document.querySelectorAll('.sortable tbody tr')].map(r => r.cells[0].innerText)"
    try:
        browser.open(page, width=800)
        assert browser.evaluate(names) == ["square", "blue disc"], "the worst first"
        browser.evaluate("document.querySelectorAll('.sortable th button')[3].click()")
        assert browser.evaluate(names) == ["blue disc", "square"]
        assert browser.evaluate("document.querySelector('.photos img').naturalWidth") > 0
        browser.open(page, width=400)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 400
        assert browser.errors == []
    finally:
        browser.close()
