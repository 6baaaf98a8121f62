"""The common look of the figures: frame, colours, marks, bars, names beside the marks, SVG."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vlprompt_pipeline.reports.summary_report.label_placement import Point, label_points
from vlprompt_pipeline.results.records import ZERO_SHOT

INK, MUTED, FAINT, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
# Okabe and Ito's colours, told apart with any colour vision, less black and the yellow that white
# paper swallows; a further round of methods takes the next marker.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "D", "s", "^")
SVG_STYLE = {"svg.hashsalt": "vlprompt_pipeline", "svg.fonttype": "none"}
"""Settings of matplotlib with which text stays text and the same figure gives the same ids."""
# Inches: on a page 390 pixels wide no letter is smaller than 8 pixels.
_WIDTH, _HEIGHT = 4.8, 4.9
_LEFT, _BOTTOM, AXES_WIDTH, AXES_HEIGHT = 0.58, 0.92, 3.85, 3.35
_LEGEND_COLUMNS = 3


class Style(NamedTuple):
    """How a method looks in every figure of a report."""

    colour: str
    marker: str


class Canvas:
    """One axes with title, conditions and a note; it knows what its labels had better not cover.

    Attributes:
        axes: the axes, of fixed size and place.
        styles: the style of each method by name.
    """

    def __init__(
        self,
        looks: Mapping[str, Style],
        *,
        title: str,
        conditions: str,
        note: str,
        x: str,
        y: str,
    ) -> None:
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=160, facecolor=PAPER)
        self.axes = figure.add_axes(_frame(_HEIGHT), facecolor="none")
        self.axes.spines[["top", "right"]].set_visible(False)
        self.axes.spines[["left", "bottom"]].set_color(FAINT)
        self.axes.tick_params(which="both", color=FAINT, labelcolor=MUTED, labelsize=8.5, length=3)
        self.axes.set_xlabel(x, color=INK, fontsize=9.5)
        self.axes.set_ylabel(y, color=INK, fontsize=9.5)
        self._write(title, (0, 1), 32, size=11.5, color=INK, weight="bold")
        self._write(conditions, (0, 1), 18, size=9, color=MUTED)
        self._write(note, (0, 0), -40, size=8, color=MUTED, va="top", linespacing=1.4)
        self.styles = looks
        self._drawn: list[tuple[Point, Point]] = []

    def line(self, start: Point, end: Point, **style: object) -> None:
        """A straight line."""
        self.axes.plot(*zip(start, end, strict=True), **style)
        self._drawn.append((start, end))

    def bars(self, method: str, at: Point, *, x: float = 0.0, y: float) -> None:
        """Bars of the given half lengths through a point."""
        style = {"color": self.styles[method].colour, "linewidth": 1.1, "zorder": 3}
        if x:
            self.line((at[0] - x, at[1]), (at[0] + x, at[1]), **style)
        if y:
            self.line((at[0], at[1] - y), (at[0], at[1] + y), **style)

    def mark(self, method: str, at: Point) -> None:
        """The large mark of a method."""
        colour, marker = self.styles[method]
        self.axes.plot(*at, marker, markersize=7.5, color=colour, markeredgecolor=PAPER, zorder=4)

    def dots(self, method: str, points: list[Point]) -> None:
        """Small pale dots."""
        self.axes.scatter(
            *zip(*points, strict=True),
            s=11,
            color=self.styles[method].colour,
            alpha=0.45,
            linewidths=0,
        )
        self._drawn += [(point, point) for point in points]

    def label(self, methods: list[str], titles: list[str], points: list[Point]) -> None:
        """Name the marks, each beside it or, where there is no free place, in a legend below.

        Comes last: the places depend on the limits and on all that is drawn.
        """
        left_over = label_points(
            self.axes, points, titles, avoid=self._drawn, ink=INK, leader=MUTED
        )
        if left_over:
            self.legend([(methods[index], titles[index]) for index in left_over])

    def legend(self, entries: list[tuple[str, str]]) -> None:
        """Name (method, title) below: the figure grows, axes and labels keep their place."""
        rows = -(-len(entries) // _LEGEND_COLUMNS)
        height = _HEIGHT + 0.1 + 0.2 * rows
        figure = self.axes.figure
        figure.set_size_inches(_WIDTH, height)
        self.axes.set_position(_frame(height))
        handles = [
            Line2D([], [], linestyle="none", marker=marker, color=colour, label=title)
            for method, title in entries
            for colour, marker in [self.styles[method]]
        ]
        legend = figure.legend(
            handles=handles,
            loc="lower left",
            ncols=_LEGEND_COLUMNS,
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)

    def _write(self, text: str, corner: Point, above: float, **style: object) -> None:
        """Write flush with the figure's left edge, `above` points above a corner of the axes."""
        self.axes.annotate(
            text,
            corner,
            xycoords="axes fraction",
            xytext=(5 - 72 * _LEFT, above),
            textcoords="offset points",
            parse_math=False,
            annotation_clip=False,
            **style,
        )


def svg(figure: Figure) -> str:
    """The figure as SVG with text kept as text; the same figure gives the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context(SVG_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """A colour and marker for each of some different methods, by their order; zero-shot in ink."""
    found = {ZERO_SHOT: Style(INK, "X")}
    for index, method in enumerate(name for name in methods if name != ZERO_SHOT):
        round_, place = divmod(index, len(COLOURS))
        found[method] = Style(COLOURS[place], MARKERS[round_ % len(MARKERS)])
    return found


def limits_around(values: pd.Series, reach: pd.Series, *, least: float) -> tuple[float, float]:
    """From the lowest to the highest `value ± reach`, `least` or more, and a tenth on each side."""
    low, high = (values - reach).min(), (values + reach).max()
    span = 1.2 * max(high - low, least)
    return (low + high - span) / 2, (low + high + span) / 2


def _frame(height: float) -> tuple[float, float, float, float]:
    """The axes as fractions of a figure of that height: room for a legend is added below."""
    bottom = _BOTTOM + height - _HEIGHT
    return _LEFT / _WIDTH, bottom / height, AXES_WIDTH / _WIDTH, AXES_HEIGHT / height
