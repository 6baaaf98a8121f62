"""The figures of a report: base against new accuracy, accuracy on targets, and size against H.

They are `Figure` objects of their own, outside pyplot's global state.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vlprompt_pipeline.reports.summary_report.drawing import (
    AXES_HEIGHT,
    AXES_WIDTH,
    FAINT,
    MUTED,
    Canvas,
    limits_around,
    styles,
)
from vlprompt_pipeline.reports.summary_report.size_axes import draw_sizes
from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.reports.summary_report.target_figure import targets_figure
from vlprompt_pipeline.results.records import ZERO_SHOT

_MOST_STRETCH = 2.0
"""How much longer a point of accuracy may be on one axis than on the other (our choice)."""


def figures(summary: Summary) -> dict[str, Figure]:
    """`size`, and before it `base_new` or `targets` if there are any: of methods with a score."""
    scored = Summary(
        summary.group,
        summary.table.dropna(subset=[summary.ranking.mean], ignore_index=True),
        summary.per_seed,
    )
    drawn = {}
    if summary.has_new:
        drawn["base_new"] = base_new_figure(scored)
    if summary.group.targets:
        drawn["targets"] = targets_figure(scored)
    return drawn | {"size": size_figure(scored)}


def base_new_figure(summary: Summary) -> Figure:
    """New against base accuracy with lines of equal H: each seed, the mean, and bars of ± 1 std."""
    canvas = Canvas(
        styles(summary.per_seed["method"].unique()),
        title="New classes against base classes",
        conditions=summary.conditions,
        note=_spread_note(summary, "large: mean over seeds · small: one seed · bars: ± 1 std")
        + "\ncurves: equal H · dashed: zero-shot",
        x="accuracy on base classes (%)",
        y="accuracy on new classes (%)",
    )
    table, per_seed = summary.table, summary.per_seed
    _accuracy_limits(canvas.axes, summary)
    _draw_equal_h(canvas.axes)
    if zero_shot := summary.row(ZERO_SHOT):
        base, new = zero_shot["base_mean"], zero_shot["new_mean"]
        dashes = {"color": MUTED, "linewidth": 0.8, "dashes": (4, 3), "zorder": 1}
        canvas.line(*(((base, edge)) for edge in canvas.axes.get_ylim()), **dashes)
        canvas.line(*(((edge, new)) for edge in canvas.axes.get_xlim()), **dashes)
    means = list(zip(table["base_mean"], table["new_mean"], strict=True))
    for row, mean in zip(table.to_dict("records"), means, strict=True):
        seeds = per_seed[per_seed["method"] == row["method"]]
        canvas.bars(row["method"], mean, x=row["base_std"], y=row["new_std"])
        canvas.dots(row["method"], list(zip(seeds["base"], seeds["new"], strict=True)))
        canvas.mark(row["method"], mean)
    canvas.label(list(table["method"]), list(table["title"]), means)
    return canvas.axes.figure


def size_figure(summary: Summary) -> Figure:
    """H (or accuracy) against the bytes of the file that ships, with payload and Pareto front."""
    score = summary.ranking
    canvas = Canvas(
        styles(summary.per_seed["method"].unique()),
        title=f"{score.heading} against size",
        conditions=summary.conditions,
        note="filled: the whole file · hollow: its prompt values alone\n"
        + _spread_note(summary, "bars: ± 1 std")
        + f" · line: no smaller file has a higher {score.name}",
        x="bytes on disk (logarithmic)",
        y="H of base and new accuracy (%)" if summary.has_new else f"{score.name} (%)",
    )
    scores = {score.mean: "mean", score.std: "std"}
    draw_sizes(canvas, summary.table.rename(columns=scores))
    return canvas.axes.figure


def _spread_note(summary: Summary, several: str) -> str:
    return several if len(summary.group.seeds) > 1 else "one seed: spread unknown"


def _accuracy_limits(axes: Axes, summary: Summary) -> None:
    """Limits around all seeds and bars; a point of accuracy is about as long on both axes."""
    limits = {
        name: limits_around(
            pd.concat([summary.per_seed[name], summary.table[f"{name}_mean"]]),
            pd.concat([summary.per_seed[name] * 0, summary.table[f"{name}_std"]]),
            least=4.0,
        )
        for name in ("base", "new")
    }
    inches = {"base": AXES_WIDTH, "new": AXES_HEIGHT}
    coarsest = max((limits[name][1] - limits[name][0]) / inches[name] for name in limits)
    for name, set_limits in (("base", axes.set_xlim), ("new", axes.set_ylim)):
        low, high = limits[name]
        span = max(high - low, coarsest * inches[name] / _MOST_STRETCH)
        set_limits((low + high - span) / 2, (low + high + span) / 2)


def _draw_equal_h(axes: Axes) -> None:
    """Faint curves N = H·B / (2·B − H), labelled where they leave to the right or below."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    both = top - bottom + right - left
    step = next(step for step in (1, 2, 5, 10, 20) if both / step <= 12)
    for h in range(step, 100, step):
        base = np.linspace(max(left, h / 2 + 0.01), max(right, h / 2 + 0.02), 120)
        new = h * base / (2 * base - h)
        inside = (new >= bottom) & (new <= top)
        if np.count_nonzero(inside) < 12:
            continue
        axes.plot(base[inside], new[inside], color=FAINT, linewidth=0.7, zorder=0.5)
        leaves_right = bool(inside[-1])
        axes.annotate(
            f"H {h}",
            (base[inside][-1], new[inside][-1]),
            xytext=(2, 0) if leaves_right else (3, 5),
            textcoords="offset points",
            fontsize=7.5,
            color=MUTED,
            va="center",
            annotation_clip=False,
        )
