"""The summary as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group as Renderables
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vlprompt_pipeline.reports.summary_report.headline import headline
from vlprompt_pipeline.reports.summary_report.score_columns import ScoreColumn
from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.results.record_checks import group_remarks
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.wording import human_bytes, plus_minus, readable, signed

_MOST_SCORES = 4


def render_table(summary: Summary) -> Table:
    """One row a method; fits 80 columns with titles of up to 14 characters.

    Of many targets only the average is shown.
    """
    table = Table(
        title=Text(f"{readable(summary.group.key.protocol)}: {summary.conditions}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("method")
    scores = [f"{score.heading} %" for score in _shown(summary)]
    # The title names the seeds: a column of them only tells something when a method lacks one.
    seeds = ["seeds"] if summary.table["n_seeds"].nunique() > 1 else []
    for heading in (*scores, f"Δ {summary.ranking.heading}", "params", "file", *seeds):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary.table.to_dict("records"):
        table.add_row(*(Text(cell) for cell in _cells(summary, row)[: len(table.columns)]))
    return table


def render(summaries: Sequence[Summary], warnings: Sequence[str]) -> Renderables:
    """All tables, each followed by what a reader must know before trusting it."""
    parts: list[RenderableType] = [_warning(warning) for warning in warnings]
    for summary in summaries:
        parts.append(render_table(summary))
        parts += [_warning(remark) for remark in group_remarks(summary.group)]
        parts.append(Text(headline(summary)))
    return Renderables(*parts)


def _shown(summary: Summary) -> Sequence[ScoreColumn]:
    scores = summary.scores
    return scores if len(scores) <= _MOST_SCORES else (scores[0], scores[-1])


def _warning(text: str) -> Text:
    return Text(f"! {text}", style="yellow")


def _cells(summary: Summary, row: dict[str, object]) -> list[str]:
    return [
        row["title"],
        *(plus_minus(row[score.mean], row[score.std], row["n_seeds"]) for score in _shown(summary)),
        "–" if row["method"] == ZERO_SHOT else signed(row[summary.ranking.delta]),
        f"{row['trainable_parameters']:,}",
        human_bytes(row["file_bytes"]),
        str(row["n_seeds"]),
    ]
