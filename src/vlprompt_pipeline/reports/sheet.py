"""The scaffold of every figure: a grid of panels under one title and legend, in one style."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vlprompt_pipeline.results.records import ZERO_SHOT

INK, MUTED, FAINT, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
# Okabe and Ito's colours, told apart with any colour vision, less black and the yellow that white
# paper swallows; a further round of methods takes the next marker.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "D", "s", "^", "v", "P")
SVG_STYLE = {"svg.hashsalt": "vlprompt_pipeline", "svg.fonttype": "none"}
"""Settings of matplotlib with which text stays text and the same figure gives the same ids."""
NARROW, WIDE = 4.8, 7.0
"""Inches: as wide as a column of a page, where no letter is below 8 pixels, and as a whole page."""
# Inches, but for letters.
_Y_LABEL, _Y_VALUES, _SIDE, _RIGHT = 0.4, 0.34, 0.1, 0.3
_TITLE, _PANEL_TITLE, _GAP, _X_LABEL, _LINE, _LEGEND_LINE = 0.55, 0.24, 0.16, 0.5, 0.155, 0.175
# In an inch.
_LETTERS, _COMMAND_LETTERS, _TITLE_LETTERS, _CONDITION_LETTERS = 16.5, 14.5, 13.5, 14.5


class Look(NamedTuple):
    """How a method looks in every figure."""

    colour: str
    marker: str


class Caption(NamedTuple):
    """What stands above and below the panels of a figure."""

    title: str
    conditions: str
    note: str
    command: str = ""


def looks_of(methods: Iterable[str]) -> dict[str, Look]:
    """Choose a colour and marker for each method, by their order; zero-shot is in ink."""
    looks = {ZERO_SHOT: Look(INK, "X")}
    for index, method in enumerate(name for name in methods if name != ZERO_SHOT):
        round_, number = divmod(index, len(COLOURS))
        looks[method] = Look(COLOURS[number], MARKERS[round_ % len(MARKERS)])
    return looks


class Sheet:
    """A grid of panels; what is drawn in it is the caller's.

    Attributes:
        figure: the whole.
        axes: `[row][column]`.
        legend: what matplotlib made of it, or None.
    """

    def __init__(
        self,
        caption: Caption,
        *,
        x: str,
        titles: Sequence[Sequence[str]] = (("",),),
        ys: Sequence[str] = ("",),
        height: float,
        width: float = NARROW,
        legend: Sequence[Line2D] = (),
        y_values: bool = True,
        shared_y: bool = True,
    ) -> None:
        """Lay out the panels.

        Args:
            caption: the text around them.
            x: label of the lowest x axes.
            titles: a row each, of what stands above the panels.
            ys: labels of the y axes, one for each row.
            height: of a panel, inches.
            width: of the figure, inches.
            legend: handles with labels.
            y_values: whether there are values beside the y axes.
            shared_y: whether these are the same for a row, and stand at its left alone.
        """
        values = _Y_VALUES if y_values else 0
        left = _SIDE + values + (_Y_LABEL if any(ys) else 0)
        gap = _GAP + (0 if shared_y else values)
        columns = max(map(len, titles))
        titled = _PANEL_TITLE if any(map(any, titles)) else 0
        in_line = self._legend_columns(legend, width)
        conditions = textwrap.wrap(caption.conditions, int(_CONDITION_LETTERS * width))
        head = _TITLE + _LINE * (len(conditions) - 1)
        top = head + _LEGEND_LINE * -(-len(legend) // in_line) + titled + 0.08
        notes = textwrap.wrap(caption.note, int(_LETTERS * width))
        commands = _command_lines(caption.command, int(_COMMAND_LETTERS * width))
        below = _X_LABEL + _LINE * (len(notes) + len(commands)) + 0.1
        rows = len(titles)
        self.height = top + rows * height + (rows - 1) * (_GAP + titled) + below
        self.figure = Figure(figsize=(width, self.height), dpi=160, facecolor=PAPER)
        panel = (width - left - _RIGHT - gap * (columns - 1)) / columns
        self.axes = [
            [
                self._panel(
                    left + column * (panel + gap),
                    top + row * (height + _GAP + titled),
                    panel,
                    height,
                )
                for column in range(len(titles[row]))
            ]
            for row in range(rows)
        ]
        letters = int(panel * _TITLE_LETTERS)
        for number, (row, names, y) in enumerate(zip(self.axes, titles, ys, strict=True)):
            row[0].set_ylabel(y, color=INK, fontsize=9, parse_math=False)
            row[0].yaxis.set_label_coords(-(values + 0.12) / panel, 0.5)
            for column, (axes, name) in enumerate(zip(row, names, strict=True)):
                shown = name if len(name) <= letters else f"{name[: letters - 1]}…"
                axes.set_title(shown, loc="left", fontsize=8.5, color=INK, pad=4, parse_math=False)
                if number + 1 < rows and column < len(titles[number + 1]):
                    axes.tick_params(labelbottom=False)
                if shared_y and column:
                    axes.sharey(row[0])
                    axes.tick_params(labelleft=False)
        bottom = self.height - below
        self._write(caption.title, 0.18, 11.5, INK, weight="bold")
        for number, line in enumerate(conditions):
            self._write(line, 0.38 + _LINE * number, 9, MUTED)
        self._write(x, bottom + 0.36, 9, INK, at=left + (width - left - _RIGHT) / 2, ha="center")
        for number, line in enumerate(notes):
            self._write(line, bottom + _X_LABEL + _LINE * (number + 0.5), 7.8, MUTED)
        for number, line in enumerate(commands, start=len(notes)):
            where = bottom + _X_LABEL + _LINE * (number + 0.7)
            self._write(line, where, 7.8, MUTED, family="monospace")
        self.legend = self._legend(legend, in_line, head) if legend else None

    @property
    def panels(self) -> list[Axes]:
        """The axes one after the other."""
        return [axes for row in self.axes for axes in row]

    def _panel(self, left: float, top: float, width: float, height: float) -> Axes:
        whole, bottom = self.figure.get_figwidth(), self.height - top - height
        box = (left / whole, bottom / self.height, width / whole, height / self.height)
        axes = self.figure.add_axes(box, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(which="both", color=FAINT, labelcolor=MUTED, labelsize=8, length=3)
        axes.set_axisbelow(True)
        return axes

    def _write(
        self, text: str, from_top: float, size: float, colour: str, *, at: float = 0.07, **style
    ) -> None:
        where = (at / self.figure.get_figwidth(), 1 - from_top / self.height)
        self.figure.text(
            *where, text, fontsize=size, color=colour, va="center", parse_math=False, **style
        )

    @staticmethod
    def _legend_columns(handles: Sequence[Line2D], width: float) -> int:
        longest = max((len(handle.get_label()) for handle in handles), default=1)
        return max(1, min(6, int(width * _LETTERS) // (longest + 5)))

    def _legend(self, handles: Sequence[Line2D], columns: int, from_top: float) -> object:
        legend = self.figure.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(0.04 / self.figure.get_figwidth(), 1 - (from_top - 0.04) / self.height),
            borderaxespad=0,
            borderpad=0.2,
            labelspacing=0.35,
            columnspacing=1.1,
            handlelength=1.6,
            ncols=columns,
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        return legend


def panel_grid(names: Sequence[str]) -> list[list[str]]:
    """Arrange names in rows of about the same length, four at most."""
    rows = -(-len(names) // 4)
    columns = -(-len(names) // rows)
    return [list(names[start : start + columns]) for start in range(0, len(names), columns)]


def handle(label: str, colour: str, marker: str = "", **style: object) -> Line2D:
    """Return an entry of a legend."""
    line = {"linewidth": 1.4, "markersize": 5.5, "markeredgecolor": PAPER, "markeredgewidth": 0.6}
    return Line2D([], [], color=colour, marker=marker, label=label, **{**line, **style})


def legend_of(titles: Mapping[str, str], looks: Mapping[str, Look], **style: object):
    """Return handles of methods with these titles by name."""
    return [handle(title, *looks[method], **style) for method, title in titles.items()]


def mark(axes: Axes, look: Look, x: float, y: float, *, small: bool = False) -> None:
    """Draw the mark of a method."""
    size = 4.5 if small else 7.5
    axes.plot(
        x, y, look.marker, markersize=size, color=look.colour, markeredgecolor=PAPER, zorder=4
    )


def svg(figure: Figure) -> str:
    """Return the figure as SVG with text kept as text; the same figure gives the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context(SVG_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def limits_around(
    values: Iterable[float], reach: Iterable[float], *, least: float
) -> tuple[float, float]:
    """Return limits a tenth beyond all `value ± reach`, which span at least `least`."""
    ends = [(value - r, value + r) for value, r in zip(values, reach, strict=True)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    span = 1.2 * max(high - low, least)
    return (low + high - span) / 2, (low + high + span) / 2


def _command_lines(command: str, letters: int) -> list[str]:
    """Break a command into lines between parameters, behind a comma."""
    lines = textwrap.wrap(command.replace(",", ", "), letters, break_on_hyphens=False)
    return [line.replace(", ", ",") for line in lines]
