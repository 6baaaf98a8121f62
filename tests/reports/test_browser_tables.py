"""Tables of the page in a real browser, of results that are not like most."""

from __future__ import annotations

import pytest

from browser import CHROMIUM, Browser
from results.made import Disk, right
from results.synthetic import comparison
from vlprompt_pipeline.reports.page import render

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def test_a_hole_of_own_photos_tells_why_it_is_one(browser, tmp_path):
    disk = Disk()
    for method, dataset in (("coop", "mushrooms"), ("coop", "birds"), ("qcoop", "birds")):
        halves = {"base": right(0.5), "new": right(0.6)}
        disk.add(method, halves, dataset=dataset, random_split="own random split, seed 1")
    page = tmp_path / "page.html"
    page.write_text(render(disk.compare()), encoding="utf-8")
    browser.open(page, width=1280)
    holes = "[...document.querySelectorAll('table.scores td')].map(cell => cell.textContent)"
    assert browser.evaluate(holes).count("–missing") == 1


def test_numbers_in_names_sort_as_numbers(browser, tmp_path):
    page = tmp_path / "page.html"
    made = comparison(
        ("base_to_new",), methods={"coop": "CoOp"}, datasets=["dtd"], seeds=(1, 2, 10)
    )
    page.write_text(render(made), encoding="utf-8")
    browser.open(page, width=1280)
    browser.evaluate("document.querySelector('[data-fill=provenance]').open = true")
    browser.evaluate("new Promise(done => setTimeout(done, 200))")
    browser.evaluate("document.querySelector('[data-column=seed] button').click()")
    seeds = "[...document.querySelectorAll('[data-fill=provenance] tr td:nth-child(3)')]"
    assert browser.evaluate(f"{seeds}.map(cell => cell.textContent)") == ["1", "2", "10"]


def test_a_table_without_the_column_it_was_sorted_by_has_its_best_first(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render(comparison(("base_to_new",), datasets=["dtd", "food101"])))
    browser.open(page, width=1280)
    browser.evaluate("document.querySelector('th[data-column=verdict] button').click()")
    browser.evaluate("""{
        const metric = document.querySelector('[name=metric]');
        metric.value = 'base';
        metric.dispatchEvent(new Event('change', { bubbles: true }));
    }""")
    rows = "[...document.querySelectorAll('table.scores tbody tr')]"
    shown = browser.evaluate(f"{rows}.map(row => Number(row.cells[1].dataset.value))")
    assert shown == sorted(shown, reverse=True)
