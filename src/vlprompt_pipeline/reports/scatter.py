"""Figures with a mark for each method: base against new accuracy, and score against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from vlprompt_pipeline.reports.sheet import (
    FAINT,
    MUTED,
    PAPER,
    Caption,
    Look,
    Sheet,
    legend_of,
    limits_around,
    mark,
)
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.metric_names import in_sentence, metric_title
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.wording import human_bytes

_MOST_STRETCH = 2.0
"""How much longer a point of accuracy may be on one axis than on the other (our choice)."""
_HEIGHT = 3.3


def base_new_figure(
    conditions: str, scores: pd.DataFrame, looks: Mapping[str, Look]
) -> Figure | None:
    """Return new against base accuracy with lines of equal H.

    Each seed, the mean, and bars of ± 1 std.

    Args:
        conditions: below the title.
        scores: of one dataset or average, the rows of the metrics `base` and `new`.
        looks: by method.
    """
    base, new = (scores[scores["metric"] == m].set_index("method") for m in ("base", "new"))
    methods = [method for method in base.index if method in new.index]
    if not methods:
        return None
    base, new = base.loc[methods], new.loc[methods]
    titles = dict(base["title"])
    spread = "one seed: spread unknown"
    if base["n_seeds"].max() > 1:
        spread = "large: mean over seeds · small: one seed · bars: ± 1 std"
    sheet = _marked(
        Caption(
            "New classes against base classes",
            conditions,
            f"{spread} · curves: equal H · dashed: zero-shot",
        ),
        "accuracy on base classes (%)",
        "accuracy on new classes (%)",
        titles,
        looks,
    )
    (axes,) = sheet.panels
    _accuracy_limits(axes, sheet.height, base, new)
    _draw_equal_h(axes)
    if ZERO_SHOT in titles:
        dashes = {"color": MUTED, "linewidth": 0.8, "dashes": (4, 3), "zorder": 1}
        axes.axvline(base.loc[ZERO_SHOT, "mean"], **dashes)
        axes.axhline(new.loc[ZERO_SHOT, "mean"], **dashes)
    for method in methods:
        row, other, look = base.loc[method], new.loc[method], looks[method]
        bars = {"color": look.colour, "elinewidth": 1.1, "zorder": 3}
        axes.errorbar(row["mean"], other["mean"], xerr=row["std"], yerr=other["std"], **bars)
        seeds = {"s": 11, "color": look.colour, "alpha": 0.45, "linewidths": 0}
        axes.scatter(row["per_seed"], other["per_seed"], **seeds)
        mark(axes, look, row["mean"], other["mean"])
    return sheet.figure


def size_figure(
    conditions: str,
    metric: str,
    scores: pd.DataFrame,
    sizes: pd.DataFrame,
    looks: Mapping[str, Look],
) -> Figure:
    """Draw the score of whole methods against the bytes that ship, with the Pareto front."""
    table = scores.merge(sizes.drop(columns=["family", "title"]), on="method")
    titles = dict(zip(table["method"], table["title"], strict=True))
    dataset, name = table["dataset"].iloc[0], in_sentence(metric)
    sheet = _marked(
        Caption(
            f"{metric_title(metric)} against size",
            conditions,
            "filled: the whole file · hollow: its prompt values alone · bars: ± 1 std over seeds · "
            f"line: no smaller file has a higher {name}",
        ),
        "bytes on disk (logarithmic)",
        f"{name} {'on average' if dataset == AVERAGE else f'on {dataset}'} (%)",
        titles,
        looks,
    )
    (axes,) = sheet.panels
    _byte_limits(axes, pd.concat([table["file_bytes"], table["payload_bytes"]]))
    axes.set_ylim(*limits_around(table["mean"], table["std"].fillna(0), least=2.0))
    points = list(zip(table["file_bytes"], table["mean"], strict=True))
    for (size, score), (next_size, next_score) in pairwise(pareto_front(points)):
        style = {"color": MUTED, "linewidth": 0.9, "zorder": 1.2}
        axes.plot([size, next_size, next_size], [score, score, next_score], **style)
    for row, point in zip(table.to_dict("records"), points, strict=True):
        look = looks[row["method"]]
        axes.errorbar(*point, yerr=row["std"], color=look.colour, elinewidth=1.1, zorder=3)
        if row["payload_bytes"]:
            ends = [row["payload_bytes"], point[0]], [point[1], point[1]]
            axes.plot(*ends, color=look.colour, linewidth=0.8, alpha=0.5, zorder=1.4)
            hollow = {"color": PAPER, "markeredgecolor": look.colour, "markersize": 5}
            axes.plot(row["payload_bytes"], point[1], look.marker, **hollow)
        mark(axes, look, *point)
    return sheet.figure


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (size, score) that no other equals with a smaller size, by size."""
    front: list[tuple[float, float]] = []
    for size, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or score > front[-1][1]:
            front.append((size, score))
    return front


def _marked(
    caption: Caption, x: str, y: str, titles: Mapping[str, str], looks: Mapping[str, Look]
) -> Sheet:
    legend = legend_of(titles, looks, linestyle="none")
    return Sheet(caption, x=x, ys=[y], height=_HEIGHT, legend=legend)


def _accuracy_limits(axes: Axes, height: float, base: pd.DataFrame, new: pd.DataFrame) -> None:
    """Set limits around all seeds and bars; a point of accuracy is about as long on both axes."""
    limits = []
    for rows in (base, new):
        seeds = [value for values in rows["per_seed"] for value in values]
        reach = [*rows["std"].fillna(0), *(0.0 for _ in seeds)]
        limits.append(limits_around([*rows["mean"], *seeds], reach, least=4.0))
    box = axes.get_position()
    inches = (box.width * axes.figure.get_figwidth(), box.height * height)
    coarsest = max((high - low) / inch for (low, high), inch in zip(limits, inches, strict=True))
    for (low, high), inch, set_limits in zip(
        limits, inches, (axes.set_xlim, axes.set_ylim), strict=True
    ):
        span = max(high - low, coarsest * inch / _MOST_STRETCH)
        set_limits((low + high - span) / 2, (low + high + span) / 2)


def _draw_equal_h(axes: Axes) -> None:
    """Draw faint curves N = H·B / (2·B − H), labelled where they leave to the right or below."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    both = top - bottom + right - left
    step = next(step for step in (1, 2, 5, 10, 20, 50) if both / step <= 12)
    for h in range(step, 100, step):
        base = np.linspace(max(left, h / 2 + 0.01), max(right, h / 2 + 0.02), 120)
        new = h * base / (2 * base - h)
        inside = (new >= bottom) & (new <= top)
        if np.count_nonzero(inside) < 12:
            continue
        axes.plot(base[inside], new[inside], color=FAINT, linewidth=0.7, zorder=0.5)
        axes.annotate(
            f"H {h}",
            (base[inside][-1], new[inside][-1]),
            xytext=(2, 0) if inside[-1] else (3, 5),
            textcoords="offset points",
            fontsize=7.5,
            color=MUTED,
            va="center",
            annotation_clip=False,
        )


def _byte_limits(axes: Axes, sizes: pd.Series) -> None:
    smallest, largest = sizes[sizes > 0].min(), sizes.max()
    byte_axis(axes, (1,) if largest / smallest > 30 else (1, 2, 5))
    axes.set_xlim(smallest / 1.8, largest * 1.8)


def byte_axis(axes: Axes, parts: Sequence[int]) -> None:
    """Make the x axis one of bytes, logarithmic, with values at these parts of each power of 10."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=parts))
    axes.xaxis.set_major_formatter(lambda size, _: human_bytes(size).replace(".0 ", " "))
    axes.xaxis.set_minor_locator(NullLocator())
