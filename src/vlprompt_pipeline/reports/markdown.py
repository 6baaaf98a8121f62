"""Tables of a comparison as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from vlprompt_pipeline.reports.layout import TableCell, TextTable
from vlprompt_pipeline.wording import join

_ARROWS = {"better": " ↑", "worse": " ↓"}


def to_markdown(tables: Sequence[TextTable], remarks: Sequence[str]) -> str:
    """A section for each table, then the remarks."""
    sections = [_section(table) for table in tables]
    if remarks:
        sections.append("\n".join(["## Remarks", "", *(f"- {_plain(text)}" for text in remarks)]))
    return "\n\n".join(sections) + "\n"


def _section(table: TextTable) -> str:
    stubs = ["dataset", ""] if table.stubs == 2 else ["method"]
    columns = [_plain(column) for column in table.columns]
    lines = [
        f"## {_plain(table.title)}",
        "",
        _row([*stubs, *columns]),
        _row(["---"] * table.stubs + ["---:"] * len(table.columns)),
    ]
    for block in table.blocks:
        for number, line in enumerate(block.lines):
            title = [_plain(block.title) if number == 0 else ""] if table.stubs == 2 else []
            lines.append(_row([*title, _plain(line.title), *map(_cell, line.cells)]))
    return "\n".join([*lines, "", *(f"- {_plain(note)}" for note in table.notes)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Nothing in a name is a cell's end, a tag or emphasis; `_` within a word is none."""
    escaped = re.sub(r"([\\|*<>`\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())


def _cell(cell: TableCell | None) -> str:
    if cell is None:
        return "–"
    mean = f"{cell.mean:.2f}"
    text = f"**{mean}**" if cell.best else mean
    if cell.seeds > 1 and pd.notna(cell.std):
        text += f" ± {cell.std:.2f}"
    text += _ARROWS.get(cell.verdict, "")
    text += f" ({cell.delta:+.2f})".replace("-", "−") if pd.notna(cell.delta) else ""
    return text + (f" ({_plain(join(cell.caveats))})" if cell.caveats else "")
