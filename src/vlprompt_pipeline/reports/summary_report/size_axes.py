"""Axes of scores against the bytes of what ships, with the Pareto front."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from vlprompt_pipeline.reports.summary_report.drawing import MUTED, PAPER, Canvas, limits_around
from vlprompt_pipeline.wording import human_bytes


def draw_sizes(canvas: Canvas, table: pd.DataFrame) -> None:
    """A mark for each file, hollow for its payload, with bars of one standard deviation.

    Args:
        canvas: without anything drawn.
        table: one row a method: `method, title, file_bytes, payload_bytes, mean, std`.
    """
    _byte_limits(canvas.axes, pd.concat([table["file_bytes"], table["payload_bytes"]]))
    canvas.axes.set_ylim(*limits_around(table["mean"], table["std"], least=2.0))
    points = list(zip(table["file_bytes"], table["mean"], strict=True))
    _draw_front(canvas, [points[index] for index in pareto_front(points)])
    for row, point in zip(table.to_dict("records"), points, strict=True):
        colour, marker = canvas.styles[row["method"]]
        canvas.bars(row["method"], point, y=row["std"])
        if row["payload_bytes"]:
            payload = (row["payload_bytes"], point[1])
            canvas.line(payload, point, color=colour, linewidth=0.8, alpha=0.5, zorder=1.4)
            canvas.axes.plot(*payload, marker, markersize=5, color=PAPER, markeredgecolor=colour)
        canvas.mark(row["method"], point)
    canvas.label(list(table["method"]), list(table["title"]), points)


def pareto_front(points: list[tuple[float, float]]) -> list[int]:
    """Positions of the (size, score) that score above every other that is not larger, by size."""
    front: list[int] = []
    for index in sorted(
        range(len(points)), key=lambda index: (points[index][0], -points[index][1])
    ):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _draw_front(canvas: Canvas, front: list[tuple[float, float]]) -> None:
    style = {"color": MUTED, "linewidth": 0.9, "zorder": 1.2}
    for (size, score), (next_size, next_score) in pairwise(front):
        canvas.line((size, score), (next_size, score), **style)
        canvas.line((next_size, score), (next_size, next_score), **style)


def _byte_limits(axes: Axes, sizes: pd.Series) -> None:
    smallest, largest = sizes[sizes > 0].min(), sizes.max()
    axes.set_xscale("log")
    axes.set_xlim(smallest / 1.8, largest * 3.0)  # names go to the right
    several_decades = largest / smallest > 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if several_decades else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: _round_bytes(size)))
    axes.xaxis.set_minor_locator(NullLocator())


def _round_bytes(size: float) -> str:
    return human_bytes(size).replace(".0 ", " ")
