"""The look of the figures of an analysis: a grid of panels with one legend, in the house's style.

A reader of the page can point at a value and switch a series off, so every mark belongs to a
series (its group in the SVG) and every value leaves a place and a sentence.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vlprompt_pipeline.reports.summary_report.drawing import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    MUTED,
    PAPER,
)

SERIES = "series-"
"""Groups of the SVG whose name begins so belong to a series, and to its place in the legend."""

# Inches, as in the report: on a page 390 pixels wide no letter is smaller than 8 pixels.
_WIDTH, _LEFT, _RIGHT = 4.8, 0.58, 0.37
_TITLE, _PANEL_GAP, _COLUMN_GAP, _X_LABEL = 0.62, 0.16, 0.14, 0.56
_Y_LABEL, _LINE, _LEGEND_LINE = 0.4, 0.155, 0.168
_LETTERS_IN_LINE, _LETTERS_IN_COMMAND = 80, 70


class Place(NamedTuple):
    """Where a value stands in the SVG, in its units from the left and from the top."""

    x: float
    y: float
    series: int
    text: str


class Caption(NamedTuple):
    """What stands above and below the panels of a figure."""

    title: str
    conditions: str
    note: str
    command: str


class Sheet:
    """A grid of panels, one row for each y axis.

    Attributes:
        figure: the whole.
        axes: `[row][column]`.
    """

    def __init__(
        self,
        caption: Caption,
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
            caption: the text around them.
            x: label of the x axes.
            ys: labels of the y axes, one for each row.
            series: what is compared, in the order of the legend; a single one has no legend.
            columns: headings of the columns.
            reference: whether the first series is one, in ink and dashed.
            marks: whether series are told apart by their marks, too.
            height: inches.
        """
        self._names, self._reference, self._marks = list(series), reference, marks
        self._values: list[tuple[Axes, float, float, int, str]] = []
        notes = textwrap.wrap(caption.note, _LETTERS_IN_LINE)
        commands = _command_lines(caption.command)
        self._legend_columns = _legend_columns(self._names)
        legend = -(-len(self._names) // self._legend_columns) * _LEGEND_LINE
        legend = legend + 0.1 if len(self._names) > 1 else 0
        top = _TITLE - 0.05 + legend + (0.16 if any(columns) else 0)
        below = _X_LABEL + _LINE * (len(notes) + len(commands)) + 0.1
        self._total = top + len(ys) * height + (len(ys) - 1) * _PANEL_GAP + below
        self.figure = Figure(figsize=(_WIDTH, self._total), dpi=160, facecolor=PAPER)
        width = (_WIDTH - _LEFT - _RIGHT - (len(columns) - 1) * _COLUMN_GAP) / len(columns)
        self.axes = [
            [
                self._panel(
                    _LEFT + column * (width + _COLUMN_GAP),
                    top + row * (height + _PANEL_GAP),
                    width,
                    height,
                )
                for column in range(len(columns))
            ]
            for row in range(len(ys))
        ]
        for row, y in zip(self.axes, ys, strict=True):
            row[0].set_ylabel(y, color=INK, fontsize=9)
            row[0].yaxis.set_label_coords(-_Y_LABEL / width, 0.5)
            for other in row[1:]:
                other.sharey(row[0])
                other.tick_params(labelleft=False)
        for axes in [axes for row in self.axes[:-1] for axes in row]:
            axes.tick_params(labelbottom=False)
        for axes, column in zip(self.axes[0], columns, strict=True):
            axes.set_title(column, fontsize=9, color=MUTED, pad=4)
        self._write(caption.title, 0.2, 11.5, INK, weight="bold")
        self._write(caption.conditions, 0.4, 9, MUTED)
        from_top = self._total - below
        middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
        self._write(x, from_top + 0.36, 9.5, INK, at=middle, ha="center")
        for number, line in enumerate(notes):
            self._write(line, from_top + _X_LABEL + _LINE * (number + 0.5), 7.8, MUTED)
        for number, line in enumerate(commands, start=len(notes)):
            where = from_top + _X_LABEL + _LINE * (number + 0.7)
            self._write(line, where, 7.8, MUTED, family="monospace")
        self._legend(_TITLE - 0.08)

    def style(self, series: str) -> dict[str, object]:
        """Colour, marker and dashes of a series."""
        index = self._names.index(series)
        if self._reference and index == 0:
            return {"color": INK, "marker": "X", "dashes": (4, 2), "zorder": 2.5}
        round_, place = divmod(index - self._reference, len(COLOURS))
        marker = MARKERS[round_ % len(MARKERS)]
        return {"color": COLOURS[place], "marker": marker, "dashes": (), "zorder": 2}

    def curve(
        self,
        axes: Axes,
        series: str,
        xs: Sequence[float],
        means: Sequence[float],
        stds: Sequence[float],
        texts: Sequence[str],
    ) -> None:
        """A line through means in a band of ± 1 std."""
        style = self.style(series)
        low = [mean - std for mean, std in zip(means, stds, strict=True)]
        high = [mean + std for mean, std in zip(means, stds, strict=True)]
        band = axes.fill_between(xs, low, high, color=style["color"], alpha=0.13, linewidth=0)
        del style["marker"]
        (line,) = axes.plot(xs, means, **style, linewidth=1.4)
        self._own(series, band, line)
        self.remember(axes, series, xs, means, texts)

    def marks(
        self,
        axes: Axes,
        series: str,
        xs: Sequence[float],
        means: Sequence[float],
        stds: Sequence[float],
        texts: Sequence[str],
        *,
        joined: bool = False,
    ) -> None:
        """Marks with bars of ± 1 std, joined by a line if asked."""
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
        self._own(series, line, *bars)
        self.remember(axes, series, xs, means, texts)

    def remember(
        self,
        axes: Axes,
        series: str,
        xs: Sequence[float],
        ys: Sequence[float],
        texts: Sequence[str],
    ) -> None:
        """Values that a reader can point at, with what is told of them."""
        index = self._names.index(series)
        for x, y, text in zip(xs, ys, texts, strict=True):
            self._values.append((axes, x, y, index, text))

    def categories(self, names: Sequence[str]) -> None:
        """Name the places 0, 1, … of the x axes."""
        for axes in [axes for row in self.axes for axes in row]:
            axes.set_xticks(range(len(names)), names)
            axes.set_xlim(-0.5, len(names) - 0.5)

    def places(self) -> list[Place]:
        """The remembered values in the SVG; limits must be final."""
        points = 72 / self.figure.dpi
        found = []
        for axes, x, y, index, text in self._values:
            across, up = axes.transData.transform((x, y)) * points
            found.append(Place(round(across, 1), round(72 * self._total - up, 1), index, text))
        return found

    def _own(self, series: str, *artists: Artist) -> None:
        for artist in artists:
            artist.set_gid(f"{SERIES}{self._names.index(series)}")

    def _panel(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self._total - top - height
        box = (left / _WIDTH, bottom / self._total, width / _WIDTH, height / self._total)
        axes = self.figure.add_axes(box, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(which="both", color=FAINT, labelcolor=MUTED, labelsize=8.5, length=3)
        axes.grid(axis="y", color=FAINT, linewidth=0.5, alpha=0.7)
        axes.set_axisbelow(True)
        return axes

    def _write(
        self, text: str, from_top: float, size: float, colour: str, *, at: float = 0.07, **style
    ) -> None:
        where = (at / _WIDTH, 1 - from_top / self._total)
        self.figure.text(
            *where, text, fontsize=size, color=colour, va="center", parse_math=False, **style
        )

    def _legend(self, from_top: float) -> None:
        if len(self._names) == 1:
            return
        looks = map(self.style, self._names)
        if self._marks:
            looks = (
                {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
                for look in looks
            )
        else:
            looks = ({**look, "marker": ""} for look in looks)
        handles = [
            Line2D([], [], **look, markersize=5.5, markeredgecolor=PAPER, linewidth=1.4, label=name)
            for look, name in zip(looks, self._names, strict=True)
        ]
        legend = self.figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.04 / _WIDTH, 1 - from_top / self._total),
            borderaxespad=0,
            borderpad=0.2,
            labelspacing=0.35,
            columnspacing=1.1,
            handlelength=0.8 if self._marks else 1.7,
            ncols=self._legend_columns,
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
        )
        for index, (text, handle) in enumerate(
            zip(legend.get_texts(), legend.legend_handles, strict=True)
        ):
            text.set_parse_math(False)
            text.set_gid(f"legend-{index}")
            handle.set_gid(f"legend-{index}")


def _command_lines(command: str) -> list[str]:
    """Lines that are broken between parameters, behind a comma."""
    lines = textwrap.wrap(command.replace(",", ", "), _LETTERS_IN_COMMAND, break_on_hyphens=False)
    return [line.replace(", ", ",") for line in lines]


def _legend_columns(names: Sequence[str]) -> int:
    longest = max(map(len, names))
    return 4 if longest <= 9 else 3 if longest <= 17 else 2
