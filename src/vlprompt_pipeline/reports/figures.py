"""The figures of a comparison for a paper: gains and shifts, curves over shots, score against size.

A method looks the same in all of them, and on the page.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from vlprompt_pipeline.reports.panels import Panels
from vlprompt_pipeline.reports.sentences import against
from vlprompt_pipeline.reports.summary_report.drawing import (
    FAINT,
    INK,
    MUTED,
    PAPER,
    Canvas,
    Style,
    styles,
)
from vlprompt_pipeline.reports.summary_report.size_axes import draw_sizes
from vlprompt_pipeline.results.dataset_names import dataset_title, ordered_datasets
from vlprompt_pipeline.results.metric_names import in_sentence, lower_is_better, metric_title
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import AVERAGE, Comparison
from vlprompt_pipeline.wording import shots_text

_BAR = 0.17
"""Inches for a bar and the room around it."""


def figures(comparison: Comparison) -> dict[str, Figure]:
    """Of each family `<family>_few_shot`, `_gains` or, with targets, `_shift`, and `_size`.

    Those are left out for which there are no numbers: gains need zero-shot, sizes a score of whole
    methods.
    """
    looks = styles(comparison.scores["method"].drop_duplicates())
    drawn: dict[str, Figure | None] = {}
    for family in comparison.families.to_dict("records"):
        name = family["family"]
        scores = comparison.of(name)
        scores = scores[(scores["metric"] == family["ranking"]) & scores["mean"].notna()]
        if scores.empty:
            continue
        last = scores[scores["shots"] == scores["shots"].max()]
        if family["shots"] == 0:
            drawn[f"{name}_few_shot"] = _curves(family, scores, looks)
        tests = comparison.of(name, "pairs")
        kind = "shift" if family["source"] else "gains"
        drawn[f"{name}_{kind}"] = _gains(family, last, tests, looks)
        drawn[f"{name}_size"] = _sizes(family, last, comparison.of(name, "sizes"), looks)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _curves(
    family: Mapping[str, object], scores: pd.DataFrame, looks: Mapping[str, Style]
) -> Figure:
    """A panel a dataset: the mean over seeds by shots, in a band of one standard deviation."""
    datasets = ordered_datasets(scores["dataset"], family["source"])
    panels = Panels(
        [dataset_title(dataset, family["source"]) for dataset in datasets],
        title=f"{metric_title(family['ranking'])} by shots (%)",
        conditions=family["title"],
        note="lines: mean over seeds · bands: ± 1 standard deviation (population)",
        x="shots a class",
        height=1.35,
        legend=_legend(scores, looks),
        values_beside=True,
    )
    shots = sorted(scores["shots"].unique())
    for axes, dataset in zip(panels.axes, datasets, strict=True):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(shots))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.grid(axis="y", color=FAINT, linewidth=0.5, alpha=0.7)
        here = scores[scores["dataset"] == dataset].sort_values("shots")
        for method, rows in here.groupby("method", sort=False):
            look = looks[method]
            low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
            axes.fill_between(rows["shots"], low, high, color=look.colour, alpha=0.14, linewidth=0)
            axes.plot(
                rows["shots"],
                rows["mean"],
                color=look.colour,
                marker=look.marker,
                markersize=4,
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
                linewidth=1.2,
            )
    return panels.figure


def _gains(
    family: Mapping[str, object],
    scores: pd.DataFrame,
    tests: pd.DataFrame,
    looks: Mapping[str, Style],
) -> Figure | None:
    """A panel a dataset: differences to zero-shot with the bounds of their paired tests."""
    gains = _differences(scores, tests)
    if gains.empty:
        return None
    datasets = ordered_datasets(gains["dataset"], family["source"])
    methods = list(gains["method"].drop_duplicates())
    name = in_sentence(family["ranking"])
    panels = Panels(
        [dataset_title(dataset, family["source"]) for dataset in datasets],
        title=f"From {family['source']} to the targets"
        if family["source"]
        else f"{metric_title(family['ranking'])} against zero-shot",
        conditions=_conditions(family, scores),
        note=f"bars: difference in {name} to zero-shot · lines: 95 % interval of the paired test",
        x="percentage points",
        height=_BAR * len(methods) + 0.1,
        legend=_legend(gains, looks),
        values_beside=False,
    )
    reached = gains[["difference", "low", "high"]]
    low, high = min(0, reached.min().min()), max(0, reached.max().max())
    room = max(0.06 * (high - low), 0.25)
    for axes, dataset in zip(panels.axes, datasets, strict=True):
        axes.set(xlim=(low - room, high + room), ylim=(len(methods) - 0.4, -0.6))
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5, alpha=0.7)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for row in gains[gains["dataset"] == dataset].itertuples():
            place, look = methods.index(row.method), looks[row.method]
            axes.barh(place, row.difference, height=0.55, color=look.colour, alpha=0.4)
            axes.plot([row.low, row.high], [place, place], color=INK, linewidth=0.8)
            axes.plot(
                row.difference,
                place,
                look.marker,
                markersize=4.5,
                color=look.colour,
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
            )
    return panels.figure


def _sizes(
    family: Mapping[str, object],
    scores: pd.DataFrame,
    sizes: pd.DataFrame,
    looks: Mapping[str, Style],
) -> Figure | None:
    """The score of whole methods against the bytes that ship, with the Pareto front."""
    if scores["dataset"].nunique() > 1:
        scores = scores[scores["dataset"] == AVERAGE]
    known = sizes.dropna(subset=["file_bytes", "payload_bytes"]).drop(columns=["family", "title"])
    table = scores.merge(known, on="method")
    if table.empty or not (table["file_bytes"] > 0).all():
        return None
    name, average = in_sentence(family["ranking"]), table["dataset"].iloc[0] == AVERAGE
    whole = (" on average" if average else f" on {table['dataset'].iloc[0]}") + " (%)"
    word = "lower" if lower_is_better(family["ranking"]) else "higher"
    canvas = Canvas(
        looks,
        title=f"{metric_title(family['ranking'])} against size",
        conditions=_conditions(family, scores),
        note="filled: the whole file · hollow: its prompt values alone\n"
        f"bars: ± 1 std over seeds · line: no smaller file has a {word} {name}",
        x="bytes on disk (logarithmic)",
        y=f"{name}{whole}",
    )
    draw_sizes(canvas, table.fillna({"std": 0.0}))  # nobody can say: no bar
    return canvas.axes.figure


def _differences(scores: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """`dataset, method, title, difference, low, high` against zero-shot; NaN without a test."""
    keys = ["dataset", "shots", "metric"]
    zero = scores.loc[scores["method"] == ZERO_SHOT, [*keys, "mean"]]
    others = scores[scores["method"] != ZERO_SHOT].merge(zero, on=keys, suffixes=("", "_zero"))
    bounds = against(tests, ZERO_SHOT)[[*keys, "method", "low", "high"]]
    others = others.drop(columns=["low", "high"]).merge(bounds, on=[*keys, "method"], how="left")
    return others.assign(difference=others["mean"] - others["mean_zero"])


def _conditions(family: Mapping[str, object], scores: pd.DataFrame) -> str:
    shots = scores["shots"].iloc[0]
    return f"{family['title']}, {shots_text(shots)}" if family["shots"] == 0 else family["title"]


def _legend(scores: pd.DataFrame, looks: Mapping[str, Style]) -> dict[str, Style]:
    titles = scores.drop_duplicates("method")
    return {
        title: looks[method]
        for method, title in zip(titles["method"], titles["title"], strict=True)
    }
