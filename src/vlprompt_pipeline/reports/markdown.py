"""Tables of a comparison as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from vlprompt_pipeline.reports.text_table import TableCell, TextTable
from vlprompt_pipeline.results.left_out import rank_span
from vlprompt_pipeline.wording import join, shots_text


def to_markdown(
    tables: Sequence[TextTable], remarks: Sequence[str], ranks: pd.DataFrame | None = None
) -> str:
    """Write a section for each table, then ranks (`results.left_out`), then the remarks."""
    sections = [_section(table) for table in tables]
    if ranks is not None:
        titles = {table.family: table.title for table in reversed(tables)}
        for (family, shots), rows in ranks.groupby(["family", "shots"], sort=False):
            parts = dict.fromkeys([*titles[family].split(", "), shots_text(shots)])
            sections.append(_ranks(", ".join(parts), rows))
    if remarks:
        sections.append("\n".join(["## Remarks", "", *(f"- {_plain(text)}" for text in remarks)]))
    return "\n\n".join(sections) + "\n"


def _section(table: TextTable) -> str:
    lines = [
        f"## {_plain(table.title)}",
        "",
        _row([*table.stubs, *map(_plain, table.columns)]),
        _row(["---"] * len(table.stubs) + ["---:"] * len(table.columns)),
        *(
            _row([*map(_plain, titles), *map(_cell, cells)])
            for block in table.blocks
            for titles, cells in table.rows(block)
        ),
    ]
    return "\n".join([*lines, "", *(f"- {_plain(note)}" for note in table.notes)])


def _ranks(title: str, rows: pd.DataFrame) -> str:
    """Write averages with and without EuroSAT, and the ranks with each dataset left out."""
    shown = {
        "average": "average",
        "without_eurosat": "without EuroSAT",
        "published": "published",
        "published_without_eurosat": "published without EuroSAT",
    }
    shown = {column: name for column, name in shown.items() if rows[column].notna().any()}
    headings = ["method", *shown.values(), "rank", "ranks without one", "worst without"]
    lines = [
        f"## One dataset left out: {_plain(title)}",
        "",
        _row(headings),
        _row(["---"] + ["---:"] * (len(shown) + 2) + ["---"]),
    ]
    for row in rows.to_dict("records"):
        figures = ["–" if pd.isna(row[column]) else f"{row[column]:.2f}" for column in shown]
        where = row["worst_without"] or "–"
        lines.append(
            _row([_plain(row["title"]), *figures, str(row["rank"]), rank_span(row), _plain(where)])
        )
    is_h = rows["metric"].iloc[0] == "h"
    name = "H of the averages of base and new accuracy" if is_h else "accuracy"
    note = f"Percent, {name}; 1 is the best rank, among the methods with all datasets."
    return "\n".join([*lines, "", f"- {note}"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Escape what ends a cell or is a tag, a formula or emphasis; `_` within a word is not."""
    escaped = re.sub(r"([\\|*<>`$\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())


def _cell(cell: TableCell | None) -> str:
    if cell is None:
        return "–"
    mean = f"{cell.mean:.2f}"
    text = f"**{mean}**" if cell.best else mean
    text += f" ± {cell.std:.2f}" * cell.has_spread + cell.arrow
    text += f" ({cell.delta:+.2f})".replace("-", "−") if pd.notna(cell.delta) else ""
    return text + (f" ({_plain(join(cell.caveats))})" if cell.caveats else "")
