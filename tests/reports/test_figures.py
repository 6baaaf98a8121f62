"""Figures of a comparison: which there are, what is in them, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from matplotlib.figure import Figure

from conftest import ROOT
from results.synthetic import comparison, with_flags, with_holes
from vlprompt_pipeline.datasets import FigureDataset
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.summary_report.drawing import styles, svg

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
        "base_to_new_vit_b16_16shots_gains",
        "base_to_new_vit_b16_16shots_size",
        "few_shot_vit_b16_few_shot",
        "few_shot_vit_b16_gains",
        "few_shot_vit_b16_size",
        "cross_dataset_vit_b16_16shots_shift",
        "cross_dataset_vit_b16_16shots_size",
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


def test_curves_go_through_the_means():
    made = comparison(("few_shot",), methods={"coop": "CoOp"}, datasets=["dtd"])
    (axes,) = figures(made)["few_shot_vit_b16_few_shot"].axes
    means = made.scores[made.scores["metric"] == "accuracy"].sort_values("shots")
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 4, 8, 16]
    assert axes.lines[0].get_ydata().tolist() == means["mean"].tolist()


def test_a_method_looks_the_same_in_figures_and_page():
    made = comparison(("base_to_new",), methods=METHODS, datasets=["dtd"])
    looks, page = styles(METHODS), render(made)
    for method in ("coop", "cocoop"):
        assert f'"colour":"{looks[method].colour}","marker":"{looks[method].marker}"' in page


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
