"""A grid of small axes under one title and above one legend, as wide as a page of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vlprompt_pipeline.reports.summary_report.drawing import FAINT, INK, MUTED, PAPER, Style

# Inches.
_WIDTH, _GAP, _SIDE, _VALUES = 7.0, 0.2, 0.1, 0.3
_TITLE, _PANEL_TITLE, _X_LABEL, _NOTE, _LEGEND_LINE = 0.45, 0.32, 0.42, 0.22, 0.19
_MOST_COLUMNS, _LETTERS_IN_LEGEND, _LETTERS_IN_INCH = 4, 100, 14.5


class Panels:
    """The grid; what is drawn in it is the caller's.

    Attributes:
        figure: the whole.
        axes: one for each name, in order.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        title: str,
        conditions: str,
        note: str,
        x: str,
        height: float,
        legend: Mapping[str, Style],
        values_beside: bool,
    ) -> None:
        """Lay out a panel for each name.

        Args:
            names: what stands above the panels.
            title: in bold.
            conditions: below it.
            note: below the panels.
            x: label of the lowest x axes.
            height: of a panel, inches.
            legend: looks by title.
            values_beside: whether each panel has y values of its own, which take room.
        """
        rows = -(-len(names) // _MOST_COLUMNS)
        columns = -(-len(names) // rows)
        in_line = max(1, min(6, _LETTERS_IN_LEGEND // (max(map(len, legend)) + 5)))
        below = _X_LABEL + _NOTE + _LEGEND_LINE * -(-len(legend) // in_line) + 0.1
        gap, left = (_GAP + _VALUES, _SIDE + _VALUES) if values_beside else (_GAP, _SIDE)
        width = (_WIDTH - left - _SIDE - gap * (columns - 1)) / columns
        letters = int(width * _LETTERS_IN_INCH)
        total = _TITLE + rows * (height + _PANEL_TITLE) + below
        self.figure = Figure(figsize=(_WIDTH, total), dpi=160, facecolor=PAPER)
        self.axes = []
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            bottom = below + (rows - 1 - row) * (height + _PANEL_TITLE)
            box = (
                (left + column * (width + gap)) / _WIDTH,
                bottom / total,
                width / _WIDTH,
                height / total,
            )
            axes = _plain(self.figure.add_axes(box, facecolor="none"))
            shown = name if len(name) <= letters else f"{name[: letters - 1]}…"
            axes.set_title(shown, loc="left", fontsize=8.5, color=INK, pad=4, parse_math=False)
            if number + columns >= len(names):
                axes.set_xlabel(x, color=INK, fontsize=8)
            else:
                axes.tick_params(labelbottom=False)
            self.axes.append(axes)
        for text, down, style in (
            (title, 0.16, {"fontsize": 11, "weight": "bold", "color": INK}),
            (conditions, 0.34, {"fontsize": 8.5, "color": MUTED}),
            (note, total - below + _X_LABEL + 0.1, {"fontsize": 7.8, "color": MUTED}),
        ):
            where = (0.08 / _WIDTH, 1 - down / total)
            self.figure.text(*where, text, va="center", parse_math=False, **style)
        self._legend(legend, in_line)

    def _legend(self, legend: Mapping[str, Style], in_line: int) -> None:
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, linewidth=1.4, label=title)
            for title, look in legend.items()
        ]
        for handle in handles:
            handle.set(markersize=5, markeredgecolor=PAPER, markeredgewidth=0.6)
        drawn = self.figure.legend(
            handles=handles,
            loc="lower left",
            ncols=in_line,
            frameon=False,
            fontsize=8.2,
            labelcolor=INK,
            borderaxespad=0.2,
            labelspacing=0.4,
            handlelength=1.6,
        )
        for text in drawn.get_texts():
            text.set_parse_math(False)


def _plain(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", color=FAINT, labelcolor=MUTED, labelsize=7.5, length=2.5)
    axes.set_axisbelow(True)
    return axes
