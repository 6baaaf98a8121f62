"""Figures with a panel for each dataset: curves over shots, gains over zero-shot, targets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from vlprompt_pipeline.reports.sheet import (
    FAINT,
    INK,
    MUTED,
    PAPER,
    WIDE,
    Caption,
    Look,
    Sheet,
    legend_of,
    mark,
    panel_grid,
)
from vlprompt_pipeline.results.dataset_names import dataset_title, ordered_datasets
from vlprompt_pipeline.results.metric_names import in_sentence, metric_title
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.verdicts import against

_BAR = 0.17
"""Inches for a bar and the room around it."""


def curves_figure(
    conditions: str, metric: str, scores: pd.DataFrame, looks: Mapping[str, Look]
) -> Figure:
    """Draw a panel a dataset: the mean over seeds by shots, in a band of one std."""
    datasets = ordered_datasets(scores["dataset"], "")
    caption = Caption(
        f"{metric_title(metric)} by shots (%)",
        conditions,
        "lines: mean over seeds · bands: ± 1 standard deviation (population)",
    )
    titles = [dataset_title(dataset, "") for dataset in datasets]
    sheet = _grid(caption, titles, scores, looks, x="shots a class", height=1.35, y_values=True)
    shots = sorted(scores["shots"].unique())
    for axes, dataset in zip(sheet.panels, datasets, strict=True):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(shots))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.grid(axis="y", color=FAINT, linewidth=0.5, alpha=0.7)
        here = scores[scores["dataset"] == dataset].sort_values("shots", kind="stable")
        for method, rows in here.groupby("method", sort=False):
            look = looks[method]
            low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
            axes.fill_between(rows["shots"], low, high, color=look.colour, alpha=0.14, linewidth=0)
            style = {"marker": look.marker, "markersize": 4, "markeredgecolor": PAPER}
            axes.plot(rows["shots"], rows["mean"], color=look.colour, linewidth=1.2, **style)
    return sheet.figure


def gains_figure(
    conditions: str,
    family: Mapping[str, object],
    scores: pd.DataFrame,
    tests: pd.DataFrame,
    looks: Mapping[str, Look],
) -> Figure | None:
    """Return a panel a dataset: differences to zero-shot with the bounds of their paired tests."""
    gains = _differences(scores, tests)
    if gains.empty:
        return None
    source, metric = family["source"], family["ranking"]
    datasets = ordered_datasets(gains["dataset"], source)
    methods = list(gains["method"].drop_duplicates())
    caption = Caption(
        f"From {source} to the targets" if source else f"{metric_title(metric)} against zero-shot",
        conditions,
        f"bars: difference in {in_sentence(metric)} to zero-shot · lines: 95 % interval of the "
        "paired test",
    )
    titles = [dataset_title(dataset, source) for dataset in datasets]
    height = _BAR * len(methods) + 0.1
    sheet = _grid(caption, titles, gains, looks, x="percentage points", height=height)
    reached = gains[["difference", "low", "high"]]
    low, high = min(0, reached.min().min()), max(0, reached.max().max())
    room = max(0.06 * (high - low), 0.25)
    for axes, dataset in zip(sheet.panels, datasets, strict=True):
        axes.set(xlim=(low - room, high + room), ylim=(len(methods) - 0.4, -0.6))
        _without_y(axes)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for row in gains[gains["dataset"] == dataset].itertuples():
            y, look = methods.index(row.method), looks[row.method]
            axes.barh(y, row.difference, height=0.55, color=look.colour, alpha=0.4)
            axes.plot([row.low, row.high], [y, y], color=INK, linewidth=0.8)
            mark(axes, look, row.difference, y, small=True)
    return sheet.figure


def targets_figure(
    conditions: str, source: str, scores: pd.DataFrame, looks: Mapping[str, Look]
) -> Figure:
    """Draw a panel for source, each target and their average: every method's accuracy."""
    datasets = ordered_datasets(scores["dataset"], source)
    methods = list(scores["method"].drop_duplicates())
    several = scores["n_seeds"].max() > 1
    caption = Caption(
        "One prompt on other datasets",
        conditions,
        f"{'mean over seeds · bars: ± 1 std' if several else 'one seed: spread unknown'} · upright "
        "lines: zero-shot",
    )
    titles = [dataset_title(dataset, source) for dataset in datasets]
    height, x = _BAR * len(methods) + 0.25, "accuracy among the dataset's own classes (%)"
    sheet = _grid(caption, titles, scores, looks, x=x, height=height)
    for axes, dataset in zip(sheet.panels, datasets, strict=True):
        axes.tick_params(labelbottom=True)
        axes.set_ylim(len(methods) - 0.4, -0.6)
        _without_y(axes)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        for row in scores[scores["dataset"] == dataset].itertuples():
            y, look = methods.index(row.method), looks[row.method]
            if row.method == ZERO_SHOT:
                axes.axvline(row.mean, color=MUTED, linewidth=0.9, zorder=1.2)
            if row.std > 0:
                ends = [row.mean - row.std, row.mean + row.std]
                axes.plot(ends, [y, y], color=look.colour, linewidth=1.1)
            mark(axes, look, row.mean, y, small=True)
        low, high = axes.get_xlim()
        if high - low < 2:
            axes.set_xlim((low + high) / 2 - 1, (low + high) / 2 + 1)
    return sheet.figure


def _grid(
    caption: Caption,
    titles: list[str],
    scores: pd.DataFrame,
    looks: Mapping[str, Look],
    *,
    x: str,
    height: float,
    y_values: bool = False,
) -> Sheet:
    rows = panel_grid(titles)
    methods = dict(zip(scores["method"], scores["title"], strict=True))
    return Sheet(
        caption,
        x=x,
        titles=rows,
        ys=[""] * len(rows),
        height=height,
        width=WIDE,
        legend=legend_of(methods, looks),
        y_values=y_values,
        shared_y=not y_values,
    )


def _without_y(axes) -> None:
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.5, alpha=0.7)


def _differences(scores: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Return `dataset, method, title, difference, low, high` against zero-shot.

    Those of the paired test, over the seeds that both have; without one the difference of the means
    and NaN.
    """
    keys = ["dataset", "shots", "metric"]
    zero = scores.loc[scores["method"] == ZERO_SHOT, [*keys, "mean"]]
    others = scores[scores["method"] != ZERO_SHOT].merge(zero, on=keys, suffixes=("", "_zero"))
    tested = against(tests, ZERO_SHOT)[[*keys, "method", "difference", "low", "high"]]
    others = others.drop(columns=["low", "high"]).merge(tested, on=[*keys, "method"], how="left")
    of_means = others["mean"] - others["mean_zero"]
    return others.assign(difference=others["difference"].fillna(of_means))
