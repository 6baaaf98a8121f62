"""Names beside the marks of a figure."""

from __future__ import annotations

from collections.abc import Sequence

from adjustText import adjust_text
from matplotlib.axes import Axes

from vlprompt_pipeline.reports.sheet import INK, MUTED

MOST_NAMES = 12
"""More marks than these are named by the legend alone."""
_STEPS = 300


def name_marks(axes: Axes, titles: Sequence[str], points: Sequence[tuple[float, float]]) -> None:
    """Write names beside marks so that they cover neither marks nor each other.

    Comes last: the places depend on the limits and on all that is drawn.
    """
    if len(points) > MOST_NAMES:
        return
    texts = [
        axes.text(*point, title, fontsize=8.5, color=INK, parse_math=False)
        for title, point in zip(titles, points, strict=True)
    ]
    leader = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6}
    # A limit of steps, not of time: the same figure on a slow machine, too.
    limits = {"iter_lim": _STEPS, "max_move": None}
    adjust_text(
        texts, *zip(*points, strict=True), ax=axes, expand=(1.15, 1.5), arrowprops=leader, **limits
    )
