"""Figures of an analysis: a sheet whose values a reader can point at, series by series.

A reader of the page can point at a value and switch a series off, so every mark belongs to a
series (its group in the SVG) and every value leaves a place and a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from vlprompt_pipeline.analysis.captions import Conditions, caption
from vlprompt_pipeline.reports.sheet import FAINT, PAPER, Sheet, handle, looks_of

Numbers, Texts = Sequence[float], Sequence[str]


class Point(NamedTuple):
    """Where a value stands in the SVG, in its units from the left and from the top."""

    x: float
    y: float
    series: int
    text: str


class SeriesSheet(Sheet):
    """A grid of panels, one row for each y axis, with named series in it."""

    def __init__(
        self,
        about: Conditions,
        title: str,
        note: str,
        *,
        x: str,
        ys: Sequence[str],
        series: Sequence[str],
        columns: Sequence[str] = ("",),
        reference: bool = False,
        marks: bool = False,
        height: float = 1.75,
    ) -> None:
        """Lay out panels of `height` inches.

        Args:
            about: what was run, for the caption.
            title: above the panels.
            note: how to read them, below.
            x: label of the x axes.
            ys: labels of the y axes, one for each row.
            series: what is compared, in the order of the legend; a single one has no legend.
            columns: headings of the columns.
            reference: whether the first series is one, in ink and dashed.
            marks: whether series are told apart by their marks, too.
            height: inches.
        """
        self._names, self._reference = list(series), reference
        ink, *looks = looks_of(map(str, range(len(series)))).values()
        self._looks = [ink, *looks] if reference else looks
        self._values: list[tuple[Axes, float, float, int, str]] = []
        handles = [self._handle(name, marks) for name in series] if len(series) > 1 else []
        blank = [[""] * len(columns)] * (len(ys) - 1)
        titles, around = [list(columns), *blank], caption(about, title, note)
        super().__init__(around, x=x, titles=titles, ys=ys, height=height, legend=handles)
        for axes in self.panels:
            axes.grid(axis="y", color=FAINT, linewidth=0.5, alpha=0.7)
        if self.legend is not None:
            names, looks = self.legend.get_texts(), self.legend.legend_handles
            for index, artists in enumerate(zip(names, looks, strict=True)):
                for artist in artists:
                    artist.set_gid(f"legend-{index}")

    def style(self, series: str) -> dict[str, object]:
        """Return colour, marker and dashes of a series."""
        index = self._names.index(series)
        colour, marker = self._looks[index]
        drawn = {"dashes": (4, 2), "zorder": 2.5} if self._reference and not index else {}
        return {"color": colour, "marker": marker, "dashes": (), "zorder": 2} | drawn

    def curve(
        self, axes: Axes, series: str, xs: Numbers, means: Numbers, stds: Numbers, texts: Texts
    ) -> None:
        """Draw a line through means in a band of ± 1 std."""
        style = self.style(series)
        reach = np.subtract(means, stds), np.add(means, stds)
        band = axes.fill_between(xs, *reach, color=style["color"], alpha=0.13, linewidth=0)
        del style["marker"]
        (line,) = axes.plot(xs, means, **style, linewidth=1.4)
        self._belong(series, band, line)
        self.remember(axes, series, xs, means, texts)

    def marks(
        self,
        axes: Axes,
        series: str,
        xs: Numbers,
        means: Numbers,
        stds: Numbers,
        texts: Texts,
        *,
        joined: bool = False,
    ) -> None:
        """Draw marks with bars of ± 1 std, joined by a line if asked."""
        style = self.style(series)
        drawn = axes.errorbar(
            xs,
            means,
            yerr=stds,
            color=style["color"],
            marker=style["marker"],
            markersize=5.5,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            linewidth=1.2 if joined else 0,
            elinewidth=0.9,
            zorder=style["zorder"],
        )
        line, _, bars = drawn.lines
        for bar in bars:
            bar.set_alpha(0.5)
        self._belong(series, line, *bars)
        self.remember(axes, series, xs, means, texts)

    def remember(self, axes: Axes, series: str, xs: Numbers, ys: Numbers, texts: Texts) -> None:
        """Keep values that a reader can point at, with what is told of them."""
        index = self._names.index(series)
        for x, y, text in zip(xs, ys, texts, strict=True):
            self._values.append((axes, x, y, index, text))

    def categories(self, names: Sequence[str]) -> None:
        """Name the places 0, 1, … of the x axes."""
        for axes in self.panels:
            axes.set_xticks(range(len(names)), names)
            axes.set_xlim(-0.5, len(names) - 0.5)

    def points(self) -> list[Point]:
        """Return the remembered values in the SVG; limits must be final."""
        per_pixel = 72 / self.figure.dpi
        points = []
        for axes, x, y, index, text in self._values:
            across, up = axes.transData.transform((x, y)) * per_pixel
            points.append(Point(round(across, 1), round(72 * self.height - up, 1), index, text))
        return points

    def _belong(self, series: str, *artists: Artist) -> None:
        for artist in artists:
            artist.set_gid(f"series-{self._names.index(series)}")

    def _handle(self, name: str, marks: bool):
        style = self.style(name)
        marker = style["marker"] if marks else ""
        line = {"linestyle": "none"} if marks else {"dashes": style["dashes"]}
        return handle(name, style["color"], marker, **line)
