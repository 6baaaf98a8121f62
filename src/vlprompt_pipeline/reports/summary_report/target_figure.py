"""The figure of a transfer protocol: what prompts of one dataset reach on others."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from vlprompt_pipeline.reports.summary_report.drawing import FAINT, INK, MUTED, Canvas, styles
from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.results.records import ZERO_SHOT

_TOP, _BOTTOM = 0.0, 0.36
"""Heights within a row between which its methods are spread; the dataset's name is above them."""


def targets_figure(summary: Summary) -> Figure:
    """Accuracy on the source, each target and their average: a row each, a mark for each method."""
    several = len(summary.group.seeds) > 1
    canvas = Canvas(
        styles(summary.per_seed["method"].unique()),
        title="One prompt on other datasets",
        conditions=summary.conditions,
        note=("mean over seeds · bars: ± 1 std" if several else "one seed: spread unknown")
        + " · upright lines: zero-shot",
        x="accuracy among the dataset's own classes (%)",
        y="",
    )
    axes, scores, rows = canvas.axes, summary.scores, summary.table.to_dict("records")
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(scores) - 0.3, -0.7)  # the source on top
    for place, score in enumerate(scores):
        axes.axhline(place + 0.5, color=FAINT, linewidth=0.6)
        axes.annotate(
            score.heading,
            (0, place - 0.44),
            xycoords=("axes fraction", "data"),
            xytext=(-34, 0),
            textcoords="offset points",
            va="top",
            fontsize=7.5,
            color=INK if place in (0, len(scores) - 1) else MUTED,
            parse_math=False,
            annotation_clip=False,
        )
        for number, row in enumerate(rows):
            height = place + _TOP + (_BOTTOM - _TOP) * number / max(1, len(rows) - 1)
            if row["method"] == ZERO_SHOT:
                ends = ((row[score.mean], place - 0.1), (row[score.mean], place + 0.44))
                canvas.line(*ends, color=MUTED, linewidth=0.9, zorder=1.2)
            canvas.bars(row["method"], (row[score.mean], height), x=row[score.std], y=0)
            canvas.mark(row["method"], (row[score.mean], height))
    canvas.legend([(row["method"], row["title"]) for row in rows])
    return axes.figure
