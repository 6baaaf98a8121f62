"""The page in a real browser: nothing goes wrong, everything fits, everything answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from browser import CHROMIUM, Browser
from results.synthetic import METHODS, comparison, with_flags, with_holes
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.results.verdicts import against, verdict_text
from vlprompt_pipeline.wording import probability, signed

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome")

FAMILY = "base_to_new_vit_b16_16shots"
LONG = {f"m{i}": f"A method with a very long title, number {i} <b>&" for i in range(4)}
PLACES = [f"my_very_own_photographs_of_mushrooms_{i} (own random split, seed 1)" for i in range(3)]
SHAPES = {
    "everything": lambda: with_flags(with_holes(comparison(remarks=["a" * 200, "b"]))),
    "nothing": lambda: comparison(()),
    "one_method": lambda: comparison(methods={"coop": "CoOp"}, seeds=(1,)),
    "one_dataset": lambda: comparison(("base_to_new", "few_shot"), datasets=["dtd"]),
    "long_names": lambda: comparison(methods=LONG, datasets=PLACES),
    "base_alone": lambda: only_base(comparison(("base_to_new",), datasets=["2024", "dtd"])),
    "no_tests": lambda: without_tests(comparison(("cross_dataset",))),
}
CUT_OFF = """[...document.querySelectorAll("[data-chart] text")].filter(text => {
    const [inner, outer] = [text, text.closest("svg")].map(one => one.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).map(text => text.textContent)"""
EVERY_CHOICE = """for (const form of document.forms) {
    for (const input of form.querySelectorAll("[type=checkbox][value=coop]")) input.click();
    for (const select of form.querySelectorAll("select")) {
        select.selectedIndex = select.options.length - 1;
        select.dispatchEvent(new Event("change", { bubbles: true }));
    }
}"""


def only_base(made):
    """Every method is bound to the classes of training."""
    return replace(made, scores=made.scores[made.scores["metric"] == "base"])


def without_tests(made):
    """No predictions were kept: neither intervals nor tests."""
    made.scores[["low", "high"]] = float("nan")
    return replace(made, pairs=made.pairs[:0])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for name, made in SHAPES.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(render(made()), encoding="utf-8")
    return found


@pytest.fixture
def whole(browser, pages) -> Browser:
    """The full page, just opened at a desktop's width; at the end its console is empty."""
    browser.open(pages["everything"], width=1280)
    yield browser
    assert browser.errors == []


def choose(browser: Browser, name: str, value: str) -> None:
    """Change a choice of the first section."""
    browser.evaluate(f"""(() => {{
        const select = document.querySelector(`#{FAMILY} select[name="{name}"]`);
        select.value = "{value}";
        select.dispatchEvent(new Event("change", {{ bubbles: true }}));
    }})()""")


def column(browser: Browser, heading: str, table: str = "scores") -> list[str]:
    """What the cells below a heading say, from top to bottom."""
    return browser.evaluate(f"""(() => {{
        const table = document.querySelector("#{FAMILY} table.{table}");
        const titles = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
        const place = titles.indexOf("{heading}");
        return [...table.tBodies[0].rows].map(row => row.cells[place].firstChild.textContent);
    }})()""")


def names(browser: Browser) -> list[str]:
    return browser.evaluate(
        f"""[...document.querySelectorAll("#{FAMILY} table.scores tbody tr")]
            .map(row => row.cells[0].dataset.value)"""
    )


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_goes_wrong_and_nothing_sticks_out(browser, pages, shape, width):
    browser.open(pages[shape], width=width, dark=width == 360)
    scripts_done = "document.querySelectorAll('table.scores').length"
    assert browser.evaluate(scripts_done) == browser.evaluate(
        "document.querySelectorAll('table.scores tbody').length"
    )
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(CUT_OFF) == []
    browser.evaluate(EVERY_CHOICE)
    browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    drawn = "[...document.querySelectorAll('section')].map(one => one.outerHTML).join()"
    assert browser.evaluate(f"{drawn}.match(/.{{0,60}}(NaN|undefined|Infinity).{{0,60}}/)") is None
    assert browser.evaluate(CUT_OFF) == []
    assert browser.errors == []


def test_what_is_hidden_for_a_while_is_not_drawn_without_room(whole):
    for display in ("none", "block"):
        whole.evaluate(f"""new Promise(done => {{
            document.body.style.display = "{display}";
            requestAnimationFrame(() => requestAnimationFrame(done));
        }})""")


def test_a_heading_sorts_and_sorts_back_and_no_value_stays_last(whole):
    press = f"""[...document.querySelectorAll("#{FAMILY} table.scores th button")]
        .find(button => button.textContent === "eurosat").click()"""
    whole.evaluate(press)
    down = column(whole, "eurosat")
    figures = [float(text.split(" ")[0]) for text in down[:-1]]
    assert figures == sorted(figures, reverse=True)
    assert (down[-1], names(whole)[-1]) == ("–", "CoCoOp")
    whole.evaluate(press)
    assert column(whole, "eurosat") == [*down[-2::-1], "–"]


def test_switching_the_metric_shows_its_means_in_the_same_order_of_columns(whole):
    made = SHAPES["everything"]()
    rows = made.of(FAMILY).set_index(["metric", "dataset", "method"])["mean"]
    titles = {title: method for method, title in METHODS.items()}
    for metric in ("h", "new", "base_macro_f1"):
        choose(whole, "metric", metric)
        shown = dict(zip(names(whole), column(whole, "dtd"), strict=True))
        for title, text in shown.items():
            mean = rows[metric, "dtd", titles[title]]
            assert float(text.split(" ")[0]) == pytest.approx(mean, abs=0.051)
    titled = whole.evaluate(f"document.querySelector('#{FAMILY} h3').textContent")
    assert titled == "Figures of Base, macro-F1"


def test_the_page_writes_figures_as_the_terminal_does(whole):
    """Of 400 images 261 are 65.25 %, a half that Python writes with the even digit."""
    values = [65.25, 65.75, 65.35, -0.25, 65.125, 65.375, 0.05, 100 / 3]
    shown = whole.evaluate(
        f"{values}.map(value => [oneDecimal(value), twoDecimals(value), signed(value)])"
    )
    assert shown == [[f"{value:.1f}", f"{value:.2f}", signed(value)] for value in values]
    p_values = [0.0625, 0.1875, 10 / 10_001]
    shown = whole.evaluate(
        f"{p_values}.map(value => `p ${{pValue(value)}}`.replace('p 0', 'p = 0'))"
    )
    assert shown == [probability(value) for value in p_values]


def test_the_sorted_column_stays_sorted_when_the_metric_changes(whole):
    for metric in ("base", "new_calibration_error", "h"):
        choose(whole, "metric", metric)
        shown = [float(text.split(" ")[0]) for text in column(whole, "Average")[:-1]]
        assert shown == sorted(shown, reverse=True)


def test_the_keyboard_walks_over_cells_and_tells_what_is_behind_them(whole):
    whole.evaluate(f"document.querySelector('#{FAMILY} table.scores td').focus()")
    for _ in range(4):
        whole.press("ArrowRight")
    whole.press("ArrowDown")
    told = whole.evaluate("document.querySelector('.tip').innerText")
    best_but_one = names(whole)[1]
    assert told.startswith(f"{best_but_one}, imagenet: H\n")
    for part in ("seeds 1–3", "95 % interval", "test images", "Published: ", "Source: A paper"):
        assert part in told
    whole.press("Escape")
    assert whole.evaluate("document.querySelector('.tip').hidden")


def test_differences_below_scores_are_those_of_the_tests_as_in_figures(browser, tmp_path):
    """They are over the seeds that both have, where means may be over others."""
    made = comparison(("base_to_new",), datasets=["dtd"])
    page = tmp_path / "page.html"
    page.write_text(render(replace(made, pairs=made.pairs.assign(difference=1.5))), "utf-8")
    browser.open(page, width=1280)
    choose(browser, "under", "zero_shot")
    below = browser.evaluate(f"""Object.fromEntries(
        [...document.querySelectorAll("#{FAMILY} table.scores tbody tr")].map(({{ cells }}) =>
            [cells[0].dataset.value, cells[1].querySelector("small")?.textContent ?? ""]))""")
    assert below.pop("Zero-shot CLIP") == ""
    assert below and {text.partition(";")[0] for text in below.values()} == {"+1.5"}


def test_without_a_spread_the_mean_stands_alone(whole):
    shown = dict(zip(names(whole), column(whole, "Average"), strict=True))
    assert [name for name, text in shown.items() if "±" not in text] == ["KgCoOp", "CoCoOp"]
    assert float(shown["KgCoOp"]) > 0


def test_a_hole_tells_why_it_is_one(whole):
    told = whole.evaluate(f"""(() => {{
        const cells = [...document.querySelectorAll("#{FAMILY} table.scores td")];
        cells.find(cell => cell.textContent === "–missing").click();
        return document.querySelector(".tip").innerText;
    }})()""")
    assert told.split("\n") == [
        "CoCoOp, eurosat: no figure",
        "Missing seeds 1, 2: no record on disk",
        "Missing seed 3: metrics.json: is not valid JSON",
    ]


def test_verdicts_are_shown_where_tests_gave_them(whole):
    made = SHAPES["everything"]().of(FAMILY, "pairs")
    asked = made[(made["metric"] == "h") & (made["against"] == "zero_shot")]
    shown = whole.evaluate(f"document.querySelectorAll('#{FAMILY} table.tests td.better').length")
    assert shown == (asked["verdict"] == "better").sum() > 0
    choose(whole, "metric", "base_macro_f1")
    hidden = f"document.querySelector('#{FAMILY} table.tests').rows.length"
    assert whole.evaluate(hidden) == 0


def test_verdicts_stand_beside_the_methods_in_their_words(whole):
    shown = dict(zip(names(whole), column(whole, "Against Zero-shot CLIP"), strict=True))
    made = SHAPES["everything"]().of(FAMILY, "pairs")
    for test in against(
        made[made["metric"].eq("h") & made["dataset"].eq("average")], "zero_shot"
    ).to_dict("records"):
        assert shown[METHODS[test["method"]]] == verdict_text(test)
    assert shown["Zero-shot CLIP"] == "–"


def test_opened_lists_have_the_classes_and_where_results_come_from(whole):
    whole.evaluate(
        f"document.querySelectorAll('#{FAMILY} [data-fill]').forEach(d => d.open = true)"
    )
    wait = f"document.querySelectorAll('#{FAMILY} [data-fill] li').length"
    whole.evaluate("new Promise(done => setTimeout(done, 200))")
    assert whole.evaluate(wait) == 11 * 200
    assert "imagenet <class> 0" in whole.evaluate(
        f"document.querySelector('#{FAMILY} .classes').innerText"
    )


def test_a_method_that_is_taken_away_leaves_the_figures_but_not_the_table(whole):
    marks = f"document.querySelectorAll('#{FAMILY} [data-chart=sizes] .told').length"
    before = whole.evaluate(marks)
    whole.evaluate("document.querySelector(`.legend [value=maple]`).click()")
    assert whole.evaluate(marks) == before - 1
    assert "MaPLe" in names(whole)


def test_the_front_has_the_methods_that_no_smaller_one_reaches(whole):
    """By hand: sizes grow with the order of the methods, so a front is a running maximum."""
    choose(whole, "show", "score")
    choose(whole, "size", "trainable_parameters")
    made = SHAPES["everything"]().of(FAMILY)
    means = made[(made["metric"] == "h") & (made["dataset"] == "average")]["mean"]
    steps = (means.cummax().diff() > 0).sum()
    path = whole.evaluate(
        f"document.querySelector('#{FAMILY} [data-chart=sizes] .front').getAttribute('d')"
    )
    assert path.count("H") == steps
