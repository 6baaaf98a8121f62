"""Figures of how a prompt develops over epochs: its accuracy, its values, its rank.

Accuracies are in percent, bands are ± 1 population standard deviation over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from vlprompt_pipeline.analysis.captions import Conditions, bits_text, scored
from vlprompt_pipeline.analysis.sheet import SeriesSheet

_RIDGE = 1.6
"""Height of the tallest ridge, in distances between two epochs."""


def noise_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base and new accuracy over epochs under noise."""
    names = {std: "no noise" if not std else f"std {std:g}" for std in table["noise"].unique()}
    return _over_epochs(
        table.assign(series=table["noise"].map(names)),
        about,
        f"{about.method} under noise while training",
        "Gaussian noise added to every value of the prompt in each training step, std in units "
        "of token embeddings; scored without noise, epoch 0 before training",
    )


def quantization_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base and new accuracy over epochs with k-means quantization."""
    names = {bits: bits_text(bits)[2:] or "not quantized" for bits in table["bits"].unique()}
    return _over_epochs(
        table.assign(series=table["bits"].map(names)),
        about,
        f"{about.method} quantized while training",
        "k-means, constrained adaptive clustering, straight-through gradient; scored as "
        "quantized, epoch 0 before training",
    )


def histograms_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return ridges of the prompt's values, one an epoch, the first above."""
    epochs = list(table["epoch"].unique())
    sheet = SeriesSheet(
        about,
        f"Values of the {about.method} prompt",
        f"share of the values in each of {len(table) // len(epochs)} bins, seed "
        f"{table['seed'].iloc[0]} alone; heights in the same units",
        x="value (units of token embeddings)",
        ys=["epoch"],
        series=["share"],
        height=3.6,
    )
    [[axes]] = sheet.axes
    scale = _RIDGE / table["share"].max()
    for row_number, (epoch, rows) in enumerate(table.groupby("epoch", sort=False)):
        base = len(epochs) - 1 - row_number
        middles = (rows["low"] + rows["high"]) / 2
        heights = base + scale * rows["share"]
        strength = 0.25 + 0.6 * row_number / max(1, len(epochs) - 1)
        colour = sheet.style("share")["color"]
        edges = [*rows["low"], rows["high"].iloc[-1]]
        style = {"baseline": base, "color": colour, "zorder": row_number}
        axes.stairs(heights, edges, fill=True, alpha=strength, **style)
        axes.stairs(heights, edges, linewidth=0.8, **style)
        texts = [
            f"epoch {epoch}, {row.low:.3f} to {row.high:.3f}: {100 * row.share:.1f} % of the values"
            for row in rows.itertuples()
        ]
        sheet.remember(axes, "share", middles, heights, texts)
    axes.set_yticks(range(len(epochs)), epochs[::-1])
    axes.set_ylim(-0.2, len(epochs) - 1 + _RIDGE + 0.1)
    return sheet


def divergence_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return KL divergence of the values' histogram from that of the epoch before."""
    sheet = SeriesSheet(
        about,
        "How far the values move in an epoch",
        f"KL of the histogram of the {about.method} prompt's values from that of the epoch "
        "before, one added to each count; not quantized",
        x="epoch",
        ys=["KL divergence (nats)"],
        series=["KL"],
        height=2.2,
    )
    _curves(sheet, table.assign(series="KL"), ["kl"], _divergence_text)
    [[axes]] = sheet.axes
    axes.set_ylim(bottom=0)
    return sheet


def spectrum_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return information density, effective rank and new accuracy over epochs."""
    sheet = SeriesSheet(
        about,
        "Rank and information density",
        "of the merged prompt; ID_1 is the largest singular value's share in their sum, the "
        "effective rank the exponential of the shares' entropy",
        x="epoch",
        ys=["ID_1", "effective rank", "new accuracy (%)"],
        series=list(dict.fromkeys(table["title"])),
    )
    named = table.rename(columns={"title": "series"})
    _curves(sheet, named, ["density", "rank", "new"], _ranks_text)
    return sheet


def _over_epochs(table: pd.DataFrame, about: Conditions, title: str, note: str) -> SeriesSheet:
    """Return base above new accuracy, a curve for each series; the first is the reference."""
    sheet = SeriesSheet(
        about,
        title,
        note,
        x="epoch",
        ys=["base accuracy (%)", "new accuracy (%)"],
        series=list(dict.fromkeys(table["series"])),
        reference=True,
    )
    _curves(sheet, table, ["base", "new"], lambda row: f"{_where(row)}: {scored(row)}")
    return sheet


def _curves(
    sheet: SeriesSheet, table: pd.DataFrame, names: Sequence[str], text: Callable[[Any], str]
) -> None:
    """Draw a panel a name, and in it a curve for each `series` of the table."""
    for [axes], name in zip(sheet.axes, names, strict=True):
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        for series, rows in table.groupby("series", sort=False):
            means, stds = rows[f"{name}_mean"], rows[f"{name}_std"]
            texts = [text(row) for row in rows.itertuples()]
            sheet.curve(axes, series, rows["epoch"], means, stds, texts)


def _where(row: Any) -> str:
    return f"{row.series}, epoch {row.epoch}"


def _divergence_text(row: Any) -> str:
    spread = f" ± {row.kl_std:.4f}" if row.n_seeds > 1 else ""
    return f"epoch {row.epoch}: {row.kl_mean:.4f}{spread} nats"


def _ranks_text(row: Any) -> str:
    return (
        f"{_where(row)}: ID_1 {row.density_mean:.3f}, effective rank {row.rank_mean:.2f}, new "
        f"{row.new_mean:.1f} %"
    )
