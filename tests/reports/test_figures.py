"""Figures of a comparison: which there are, what is in them, the same bytes every time."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from conftest import ROOT
from results.made import Disk, base_to_new, predictions, right
from results.synthetic import comparison, with_flags, with_holes
from vlprompt_pipeline.datasets import FigureDataset
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.risk_coverage import risk_coverage_figure
from vlprompt_pipeline.reports.scatter import pareto_front
from vlprompt_pipeline.reports.sheet import looks_of, svg

METHODS = {"zero_shot": "Zero-shot CLIP", "coop": "CoOp $x$ <&>", "cocoop": "CoCoOp"}


def texts(figure: Figure) -> set[str]:
    found = {text.get_text() for text in figure.texts}
    found |= {text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)}
    found |= {axes.get_title(loc="left") for axes in figure.axes}
    return found | {text.get_text() for legend in figure.legends for text in legend.get_texts()}


@pytest.fixture(scope="module")
def drawn():
    made = comparison(methods=METHODS, datasets=["imagenet", "eurosat", "dtd"])
    return figures(with_flags(with_holes(made)))


def test_each_protocol_has_its_figures(drawn):
    assert list(drawn) == [
        "base_to_new_vit_b16_16shots_base_new",
        "base_to_new_vit_b16_16shots_gains",
        "base_to_new_vit_b16_16shots_size",
        "few_shot_vit_b16_few_shot",
        "few_shot_vit_b16_gains",
        "few_shot_vit_b16_size",
        "cross_dataset_vit_b16_16shots_targets",
        "cross_dataset_vit_b16_16shots_shift",
        "cross_dataset_vit_b16_16shots_size",
        "domain_generalisation_vit_b16_16shots_targets",
        "domain_generalisation_vit_b16_16shots_shift",
        "domain_generalisation_vit_b16_16shots_size",
    ]


def test_every_method_is_named_literally_and_every_dataset(drawn):
    gains = texts(drawn["base_to_new_vit_b16_16shots_gains"])
    assert {"Average", "imagenet", "eurosat", "dtd", "CoOp $x$ <&>", "CoCoOp"} <= gains
    assert "Zero-shot CLIP" not in gains  # all its differences are none
    shift = texts(drawn["cross_dataset_vit_b16_16shots_shift"])
    assert {"Average of targets", "imagenet (source)", "eurosat"} <= shift
    assert METHODS["coop"] in texts(drawn["base_to_new_vit_b16_16shots_size"])


def test_bars_are_the_differences_to_zero_shot():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    (axes,) = figures(made)["base_to_new_vit_b16_16shots_gains"].axes
    means = made.scores[made.scores["metric"] == "h"].set_index("method")["mean"]
    bars = [bar.get_width() for container in axes.containers for bar in container]
    assert bars == pytest.approx([means["coop"] - means.zero_shot, means.cocoop - means.zero_shot])


def test_a_bar_is_of_the_seeds_that_both_methods_have_as_its_interval_is():
    """Zero-shot has seed 1 alone: the mean over three seeds less it would be outside."""
    disk = Disk()
    disk.add("zero_shot", {"base": right(0.6)})
    for seed, share in ((1, 0.5), (2, 0.9), (3, 0.9)):
        disk.add("coop", {"base": right(share)}, seed=seed)
    (axes,) = figures(disk.compare())["few_shot_demo_gains"].axes
    assert axes.patches[0].get_width() == pytest.approx(-10)


def test_curves_go_through_the_means():
    made = comparison(("few_shot",), methods={"coop": "CoOp"}, datasets=["dtd"])
    (axes,) = figures(made)["few_shot_vit_b16_few_shot"].axes
    means = made.scores[made.scores["metric"] == "accuracy"].sort_values("shots")
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 4, 8, 16]
    assert axes.lines[0].get_ydata().tolist() == means["mean"].tolist()


def test_where_no_method_has_all_datasets_one_dataset_is_drawn_by_its_name():
    disk = Disk()
    for dataset, methods in (("flags", ("coop", "qcoop")), ("aerial", ("zero_shot",))):
        for method in methods:
            disk.add(method, {"base": right(0.5), "new": right(0.6)}, dataset=dataset)
    drawn = figures(disk.compare())
    assert [name.removeprefix("base_to_new_demo_16shots_own_photos_") for name in drawn] == [
        "base_new",
        "size",
    ]
    assert "flags" in " ".join(texts(drawn["base_to_new_demo_16shots_own_photos_base_new"]))


def test_averages_are_drawn_though_a_dataset_has_more_methods():
    disk = base_to_new(("demo_aerial", "demo_flags"), seeds=(1,))
    disk.add("qcoop", {"base": right(0.5), "new": right(0.6)})
    (axes,) = figures(disk.compare())["base_to_new_demo_16shots_size"].axes
    assert axes.get_ylabel() == "H on average (%)"


def test_names_of_datasets_and_methods_are_no_formulas():
    disk = Disk()
    for number, method in enumerate(("zero_shot", "coop")):
        place = disk.add(method, {"base": right(0.5 + number / 10)}, dataset="a$\\frac$b")
        disk.records[place]["methods"][0]["title"] = f"{method} $\\frac$"
    for figure in figures(disk.compare()).values():
        assert "$\\frac$" in svg(figure)
    table = predictions({"base": right(0.5)}, "a")
    assert "$\\frac$" in svg(risk_coverage_figure({"coop": [table]}, {"coop": "_$\\frac$"}, "a"))


def test_a_method_looks_the_same_in_figures_and_page():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    looks, page = looks_of(METHODS), render(made)
    for method in ("coop", "cocoop"):
        assert f'"colour":"{looks[method].colour}","marker":"{looks[method].marker}"' in page


def test_no_two_recipes_look_the_same_and_the_page_has_every_mark():
    recipes = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())["recipes"]
    looks = looks_of(recipes).values()
    assert len(set(looks)) == len(recipes)
    script = files("vlprompt_pipeline.reports").joinpath("web/elements.js").read_text()
    assert {look.marker for look in looks} == set(re.findall(r'^  "?(.)"?: "M', script, re.M))


def test_pareto_front_by_hand():
    #         smallest    dominated   higher     equal score  highest
    points = [(100, 50), (200, 40), (300, 60), (400, 60), (500, 61)]
    assert pareto_front(points) == [(100, 50), (300, 60), (500, 61)]
    assert pareto_front(points[::-1]) == pareto_front(points)
    assert pareto_front([(100, 50), (100, 55)]) == [(100, 55)]


def test_the_scatter_has_every_mean_and_seed_inside():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    (axes,) = figures(made)["base_to_new_vit_b16_16shots_base_new"].axes
    scores = made.scores.set_index(["method", "metric"])
    for method in METHODS:
        base, new = scores.loc[(method, "base")], scores.loc[(method, "new")]
        assert axes.viewLim.contains(base["mean"], new["mean"])
        for point in zip(base["per_seed"], new["per_seed"], strict=True):
            assert axes.viewLim.contains(*point)


def test_a_note_is_whole_within_the_figure(drawn):
    """However long the name of the metric is."""
    for figure in drawn.values():
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in figure.texts:
            assert text.get_window_extent(renderer).x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    "odd",
    [
        {"protocols": ()},
        {"methods": {"coop": "CoOp"}, "seeds": (1,)},
        {"methods": {"zero_shot": "Zero-shot CLIP"}},
        {"datasets": [f"a very long name of a dataset {i} (own split, seed 1)" for i in range(2)]},
    ],
    ids=["nothing", "one method, one seed", "zero-shot alone", "long names"],
)
def test_little_and_long_can_be_drawn(odd):
    given = {"protocols": ("base_to_new",), "methods": METHODS, "datasets": ["dtd"]} | odd
    for figure in figures(comparison(**given)).values():
        assert svg(figure)


def test_seeds_that_are_all_right_or_all_wrong_can_be_drawn():
    """Bars reach beyond 100 %, where curves of equal H stand far apart."""
    disk = Disk()
    for seed, share in enumerate((0, 1, 1), start=1):
        disk.add("coop", {"base": right(share), "new": right(share)}, seed=seed)
    (axes,) = figures(disk.compare())["base_to_new_demo_16shots_base_new"].axes
    assert "H 50" in {text.get_text() for text in axes.texts}


def test_curves_are_drawn_in_the_order_of_the_methods():
    many = {f"method_{number}": f"Method {number}" for number in range(9)}
    made = comparison(("few_shot",), methods=many, datasets=["dtd"])
    made = replace(made, scores=made.scores.sort_values("method", kind="stable"))
    (axes,) = figures(made)["few_shot_vit_b16_few_shot"].axes
    looks = looks_of(many)
    drawn = [(line.get_color(), line.get_marker()) for line in axes.lines]
    assert drawn == [looks[method] for method in many]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_catalog_writes_the_same_bytes_twice(tmp_path: Path, kind):
    entries = yaml.safe_load((ROOT / "conf/base/catalog_benchmark_page.yml").read_text())
    arguments = entries[f"benchmark_figures_{kind}"]["dataset"]["save_args"]
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    written = []
    for number in range(2):
        file = tmp_path / f"{number}.{kind}"
        figure = figures(made)["base_to_new_vit_b16_16shots_gains"]
        FigureDataset(filepath=str(file), save_args=arguments).save(figure)
        written.append(file.read_bytes())
    assert written[0] == written[1]
    assert arguments["format"] == kind
