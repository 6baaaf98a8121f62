"""The two figures of a report: base against new accuracy, and size against H.

They are `Figure` objects of their own, outside pyplot's global state, and the bytes of `svg` depend
on the data alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from vlprompt_pipeline.evaluation.label_placement import label_points
from vlprompt_pipeline.evaluation.records import ZERO_SHOT
from vlprompt_pipeline.evaluation.summary import Summary
from vlprompt_pipeline.evaluation.wording import human_bytes

INK, MUTED, FAINT, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
# Okabe and Ito's colours, told apart with any colour vision, less black and the yellow that white
# paper swallows; a further round of methods takes the next marker.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_MARKERS = ("o", "D", "s", "^")
_WIDTH, _HEIGHT = 5.4, 5.0
_LEFT, _BOTTOM, _AXES_WIDTH, _AXES_HEIGHT = 0.62, 0.78, 4.62, 3.55
"""Inches. At 390 pixels of width the smallest letters are still 9 pixels high."""


@dataclass(frozen=True)
class _Style:
    colour: str
    marker: str


def figures(summary: Summary) -> dict[str, Figure]:
    """`size`, and before it `base_new` where classes are held out."""
    drawn = {"base_new": base_new_figure(summary)} if summary.group.has_new else {}
    return drawn | {"size": size_figure(summary)}


def base_new_figure(summary: Summary) -> Figure:
    """New against base accuracy with lines of equal H: each seed, the mean, and bars of ± 1 std."""
    axes = _axes(
        summary,
        title="New classes against base classes",
        note="large: mean over seeds · small: one seed · bars: ± 1 std · curves: equal H",
        x_label="accuracy on base classes (%)",
        y_label="accuracy on new classes (%)",
    )
    table, per_seed, styles = summary.table, summary.per_seed, _styles(summary)
    _equal_scale(axes, per_seed, table)
    _draw_equal_h(axes)
    zero_shot = summary.row(ZERO_SHOT)
    if zero_shot:
        dashes = {"color": MUTED, "linewidth": 0.8, "dashes": (4, 3), "zorder": 1}
        axes.axvline(zero_shot["base_mean"], **dashes)
        axes.axhline(zero_shot["new_mean"], **dashes)
    for row in table.to_dict("records"):
        style, seeds = styles[row["method"]], per_seed[per_seed["method"] == row["method"]]
        _draw_bars(
            axes, row["base_mean"], row["new_mean"], style, x=row["base_std"], y=row["new_std"]
        )
        if row["n_seeds"] > 1:
            axes.scatter(
                seeds["base"], seeds["new"], s=11, color=style.colour, alpha=0.45, linewidths=0
            )
        _draw_mark(axes, row["base_mean"], row["new_mean"], style)
    seeds_at = list(zip(per_seed["base"], per_seed["new"], strict=True))
    _label(axes, table, "base_mean", "new_mean", styles, avoid=seeds_at)
    return axes.figure


def size_figure(summary: Summary) -> Figure:
    """Score against the bytes of the file that ships, with the payload alone and the Pareto front."""
    score = summary.ranking
    axes = _axes(
        summary,
        title=f"{score.heading} against size",
        note="filled: the file that ships · hollow: prompt values alone · bars: ± 1 std · "
        "line: no smaller file does better",
        x_label="size (bytes, logarithmic)",
        y_label="H of base and new accuracy (%)" if summary.group.has_new else "accuracy (%)",
    )
    table, styles = summary.table, _styles(summary)
    _byte_scale(axes, table)
    low, high = (table[score.mean] - table[score.std]), (table[score.mean] + table[score.std])
    axes.set_ylim(*_padded(low.min(), high.max(), least=2.0))
    front = pareto_front(table["file_bytes"], table[score.mean])
    axes.plot(
        table["file_bytes"].iloc[front],
        table[score.mean].iloc[front],
        drawstyle="steps-post",
        color=MUTED,
        linewidth=0.9,
        zorder=1.2,
    )
    for row in table.to_dict("records"):
        style, y = styles[row["method"]], row[score.mean]
        _draw_bars(axes, row["file_bytes"], y, style, y=row[score.std])
        if row["payload_bytes"]:
            sizes = [row["payload_bytes"], row["file_bytes"]]
            axes.plot(sizes, [y, y], color=style.colour, linewidth=0.8, alpha=0.5, zorder=1.4)
            axes.plot(
                sizes[0], y, style.marker, markersize=5, color=PAPER, markeredgecolor=style.colour
            )
        _draw_mark(axes, row["file_bytes"], y, style)
    payloads = list(zip(table["payload_bytes"].clip(lower=1), table[score.mean], strict=True))
    _label(axes, table, "file_bytes", score.mean, styles, avoid=payloads)
    return axes.figure


def pareto_front(sizes: pd.Series, scores: pd.Series) -> list[int]:
    """Positions, by rising size, of the entries that score above every one that is not larger."""
    front: list[int] = []
    for position in np.lexsort((-scores.to_numpy(), sizes.to_numpy())):
        if not front or scores.iloc[position] > scores.iloc[front[-1]]:
            front.append(int(position))
    return front


def svg(figure: Figure) -> str:
    """The figure as SVG with text kept as text; the same figure gives the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "vlprompt_pipeline", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _axes(summary: Summary, *, title: str, note: str, x_label: str, y_label: str) -> Axes:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=160, facecolor=PAPER)
    axes = figure.add_axes(
        (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, _AXES_WIDTH / _WIDTH, _AXES_HEIGHT / _HEIGHT),
        facecolor="none",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", color=FAINT, labelcolor=MUTED, labelsize=8.5, length=3)
    axes.set_xlabel(x_label, color=INK, fontsize=9.5)
    axes.set_ylabel(y_label, color=INK, fontsize=9.5)
    _write(axes, title, above=27, size=11.5, colour=INK, weight="bold")
    _write(axes, summary.conditions, above=12, size=9, colour=MUTED)
    _write(axes, note, above=-47, size=7.5, colour=MUTED, base=0)
    return axes


def _write(
    axes: Axes, text: str, *, above: float, size: float, colour: str, weight: str = "normal", base=1
) -> None:
    """Write flush with the left edge of the figure, `above` points above the axes' top (or base)."""
    axes.annotate(
        text,
        (0, base),
        xycoords="axes fraction",
        xytext=(-_LEFT * 72 + 8, above),
        textcoords="offset points",
        fontsize=size,
        color=colour,
        weight=weight,
        parse_math=False,
        annotation_clip=False,
    )


def _styles(summary: Summary) -> dict[str, _Style]:
    """A colour and marker for each method, by the order of the records; zero-shot in ink."""
    methods = [name for name in summary.per_seed["method"].unique() if name != ZERO_SHOT]
    styles = {
        name: _Style(
            _COLOURS[index % len(_COLOURS)], _MARKERS[index // len(_COLOURS) % len(_MARKERS)]
        )
        for index, name in enumerate(methods)
    }
    return styles | {ZERO_SHOT: _Style(INK, "X")}


def _draw_mark(axes: Axes, x: float, y: float, style: _Style) -> None:
    axes.plot(x, y, style.marker, markersize=8, color=style.colour, markeredgecolor=PAPER, zorder=4)


def _draw_bars(
    axes: Axes, at_x: float, at_y: float, style: _Style, *, y: float, x: float | None = None
) -> None:
    if y or x:
        axes.errorbar(at_x, at_y, yerr=y, xerr=x, color=style.colour, linewidth=1.1, zorder=3)


def _equal_scale(axes: Axes, per_seed: pd.DataFrame, table: pd.DataFrame) -> None:
    """One point of accuracy is as long on both axes, whatever their limits."""
    limits = {}
    for axis, name in (("x", "base"), ("y", "new")):
        mean, std = table[f"{name}_mean"], table[f"{name}_std"]
        low = min(per_seed[name].min(), (mean - std).min())
        high = max(per_seed[name].max(), (mean + std).max())
        limits[axis] = _padded(low, high, least=4.0)
    scale = max(
        (limits["x"][1] - limits["x"][0]) / _AXES_WIDTH,
        (limits["y"][1] - limits["y"][0]) / _AXES_HEIGHT,
    )
    axes.set_xlim(*_widened(limits["x"], scale * _AXES_WIDTH))
    axes.set_ylim(*_widened(limits["y"], scale * _AXES_HEIGHT))


def _padded(low: float, high: float, *, least: float) -> tuple[float, float]:
    span = max(high - low, least)
    middle = (low + high) / 2
    return middle - 0.6 * span, middle + 0.6 * span


def _widened(limits: tuple[float, float], span: float) -> tuple[float, float]:
    middle = sum(limits) / 2
    return middle - span / 2, middle + span / 2


def _draw_equal_h(axes: Axes) -> None:
    """Faint curves N = H·B / (2·B − H), labelled where they leave the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    step = next(step for step in (1, 2, 5, 10, 20) if (top - bottom) / step <= 8)
    for h in np.arange(step, 100, step):
        base = np.linspace(max(left, h / 2 + 1e-6), right, 400)
        new = h * base / (2 * base - h)
        inside = (new >= bottom) & (new <= top)
        if inside.sum() < 2:
            continue
        axes.plot(base[inside], new[inside], color=FAINT, linewidth=0.7, zorder=0.5)
        axes.annotate(
            f"H {h}",
            (base[inside][-1], new[inside][-1]),
            xytext=(2, 0),
            textcoords="offset points",
            fontsize=7,
            color=MUTED,
            va="center",
            annotation_clip=False,
        )


def _byte_scale(axes: Axes, table: pd.DataFrame) -> None:
    sizes = pd.concat([table["file_bytes"], table["payload_bytes"]])
    sizes = sizes[sizes > 0]
    axes.set_xscale("log")
    axes.set_xlim(sizes.min() / 1.8, sizes.max() * 1.8)
    decades = np.log10(sizes.max() / sizes.min())
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if decades > 2 else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: human_bytes(size)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    styles: dict[str, _Style],
    avoid: list[tuple[float, float]],
) -> None:
    """Name the methods beside their marks, and those that find no free place in a legend below."""
    points = list(zip(table[x], table[y], strict=True))
    titles = list(table["title"])
    left_over = label_points(axes, points, titles, avoid=avoid, ink=INK, leader=MUTED)
    if not left_over:
        return
    handles = [
        Line2D(
            [], [], linestyle="none", marker=style.marker, color=style.colour, label=titles[index]
        )
        for index in left_over
        if (style := styles[table["method"].iloc[index]])
    ]
    columns = 3
    rows = -(-len(handles) // columns)
    _grow_downwards(axes, 0.1 + 0.2 * rows)
    axes.figure.legend(
        handles=handles,
        loc="lower left",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )


def _grow_downwards(axes: Axes, inches: float) -> None:
    """Add room below; the axes keep their size, so that the labels stay where they were placed."""
    height = _HEIGHT + inches
    axes.figure.set_size_inches(_WIDTH, height)
    axes.set_position(
        (
            _LEFT / _WIDTH,
            (_BOTTOM + inches) / height,
            _AXES_WIDTH / _WIDTH,
            _AXES_HEIGHT / height,
        )
    )
