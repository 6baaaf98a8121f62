"""Figures and page: everything is named, placed and kept inside one file."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.figure import Figure

from vlprompt_pipeline.analysis import Conditions, draw, render_page
from vlprompt_pipeline.analysis.sheet import Sheet

TITLE = "CoOp <&> friends"  # what a recipe's title may hold
ABOUT = Conditions(
    text="demo_aerial, 16 shots, seeds 1–2, CLIP demo",
    method=TITLE,
    seeds=2,
    command="kedro run --pipelines=analysis --params=dataset=demo_aerial,shots=16,seed=1",
)
SCORES = {
    "base_mean": 86.0,
    "base_std": 1.0,
    "new_mean": 77.0,
    "new_std": 2.0,
    "h": 81.25,
    "h_std": 0.5,
    "n_seeds": 2,
    "payload_bytes": 64,
    "file_bytes": 115,
    "trainable_parameters": 512,
}


HEAD = {"n_seeds": 2, "mean": 80.0, "std": 1.0, "file_bytes": 400}


def _tables() -> dict[str, pd.DataFrame]:
    epochs = range(3)
    drift = {"kl_mean": 0.02, "kl_std": 0.01, "n_seeds": 2}
    shape = {
        f"{name}_{part}": 0.5 for name in ("density", "rank", "new") for part in ("mean", "std")
    }
    return {
        "storage": pd.DataFrame(
            {"title": title, "bits": bits, **SCORES, "file_bytes": size}
            for title, bits, size in (
                (TITLE, 0, 1100),
                ("quantized", 1, 115),
                ("quantized", 8, 700),
            )
        ),
        "noise": pd.DataFrame(
            {"noise": std, "epoch": e, **SCORES} for std in (0.0, 0.01) for e in epochs
        ),
        "histograms": pd.DataFrame(
            {"seed": 1, "epoch": e, "low": low, "high": high, "share": 1 / 4}
            for e in (0, 2)
            for low, high in pairwise((-0.2, -0.1, 0.0, 0.1, 0.2))
        ),
        "divergence": pd.DataFrame({"epoch": e, **drift} for e in (1, 2)),
        "quantization": pd.DataFrame(
            {"bits": bits, "epoch": e, **SCORES} for bits in (0, 1) for e in epochs
        ),
        "quantizers": pd.DataFrame(
            {"training": mode, "quantizer": name, "bits": bits, **SCORES}
            for mode in ("QAT", "PTQ")
            for name in ("kmeans", "stochastic")
            for bits in (1, 2)
        ),
        "spectrum": pd.DataFrame(
            {"title": title, "epoch": e, "n_seeds": 2, **shape}
            for title in (TITLE, "RLP")
            for e in epochs
        ),
        "heads": pd.DataFrame(
            {"title": title, "training": way, "bits": bits, "half": half, **HEAD}
            for title in (TITLE, "GDA")
            for way, bits in (("none", 0), ("QAT", 1), ("PTQ", 1))
            for half in ("base", "new")
        ),
        "ablation": pd.DataFrame({"stage": stage, **SCORES} for stage in ("k-means", "+ CAC")),
    }


@pytest.fixture(scope="module")
def sheets() -> dict[str, Sheet]:
    return draw(_tables(), ABOUT)


@pytest.fixture(scope="module")
def page(sheets) -> str:
    return render_page(sheets, _tables(), ABOUT)


def _words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_every_figure_says_what_it_shows(sheets):
    assert set(sheets) == set(_tables())
    for name, sheet in sheets.items():
        words = _words(sheet.figure)
        assert ABOUT.text in words
        assert "± 1 std over seeds" in words or "seed 1 alone" in words, name
        joined = words.replace(" ", "")
        assert ABOUT.command.replace(" ", "") in joined
        assert all(row[0].get_ylabel() for row in sheet.axes)


def test_every_series_is_in_the_legend(sheets):
    [legend] = sheets["noise"].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["no noise", "std 0.01"]
    [legend] = sheets["quantizers"].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["k-means", "stochastic rounding"]
    assert not sheets["divergence"].figure.legends


def test_values_are_told_where_they_stand(sheets):
    sheet = sheets["noise"]
    width, height = 72 * sheet.figure.get_size_inches()
    points = sheet.points()
    assert len(points) == 2 * 2 * 3  # halves, strengths, epochs
    assert all(0 < point.x < width and 0 < point.y < height for point in points)
    first = next(point for point in points if point.text.startswith("no noise, epoch 2"))
    assert first.series == 0
    assert first.text.endswith("base 86.0 ± 1.0, new 77.0 ± 2.0, H 81.2 ± 0.5 %")
    axes = sheet.axes[0][0]
    box = axes.get_position()
    assert box.x0 * width < first.x <= box.x1 * width
    assert (1 - box.y1) * height < first.y < (1 - box.y0) * height


def test_nothing_is_written_over_the_edge(sheets):
    for sheet in sheets.values():
        sheet.figure.draw_without_rendering()
        width, height = sheet.figure.bbox.size
        for text in [
            *sheet.figure.texts,
            *(t for g in sheet.figure.legends for t in g.get_texts()),
        ]:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width, text.get_text()
            assert box.y0 >= 0 and box.y1 <= height, text.get_text()


def test_the_page_needs_nothing_but_itself(page):
    assert len(page) < 3_000_000
    assert "default-src 'none'" in page
    remote = re.findall(
        r"(?:src|href)=\"(?!#|data:)[^\"]*\"|url\((?!#)[^)]*\)|@import|fetch\(", page
    )
    assert remote == []
    for name in _tables():
        points = re.search(rf'id="places-{name}">(.*?)</script>', page, re.DOTALL)[1]
        assert all(len(point) == 4 for point in json.loads(points))
        assert f'<figure id="{name}"' in page


def test_series_and_legend_can_be_told_apart_on_the_page(page):
    noise = re.search(r'<figure id="noise".*?</svg>', page, re.DOTALL)[0]
    for number in (0, 1):
        assert f'class="series-{number}"' in noise
        assert f'class="legend-{number}"' in noise
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_titles_are_escaped(page):
    assert "<&>" not in page
    assert "CoOp &lt;&amp;&gt; friends" in page


def test_same_tables_same_page(page):
    assert render_page(draw(_tables(), ABOUT), _tables(), ABOUT) == page


def test_published_figures_stand_beside_ours(page):
    assert "78.24 / 74.02 / 76.07" in page
    assert "Another CLIP and other data" in page
