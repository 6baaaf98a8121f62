"""A comparison in a terminal: of each table its first block, and what to know of it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlprompt_pipeline.reports.layout import Cell, TextTable
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import plus_minus, signed

WIDTH = 100
_MOST_COLUMNS = 5
_COMMANDS = 5
_ARROWS = {"better": " ↑", "worse": " ↓"}


def to_text(comparison: Comparison, tables: Sequence[TextTable]) -> str:
    """All tables, remarks, and how to make what is missing."""
    text = io.StringIO()
    console = Console(file=text, width=WIDTH)
    for table in tables:
        console.print(_table(table))
    if any(cell.verdict for table in tables for cell in _cells(table)):
        console.print("↑ better, ↓ worse than zero-shot on the same test images (paired, Holm)")
    for remark in comparison.remarks:
        console.print(Text(f"! {remark}", style="yellow"), soft_wrap=True)
    commands = [command for command in comparison.missing["command"] if command]
    for command in commands[:_COMMANDS]:
        console.print(Text(f"  {command}"), soft_wrap=True)
    if len(commands) > _COMMANDS:
        console.print(f"  and {len(commands) - _COMMANDS} more in missing.csv")
    return text.getvalue()


def _table(table: TextTable) -> Table:
    """Methods down, whatever way they go in the paper's table; of many columns first and last."""
    block = table.blocks[0]
    headings, rows = table.columns, [(line.title, line.cells) for line in block.lines]
    if table.methods_across:
        headings = tuple(line.title for line in block.lines)
        by_method = zip(*(line.cells for line in block.lines), strict=True)
        rows = list(zip(table.columns, by_method, strict=True))
    shown = range(len(headings))
    if len(headings) > _MOST_COLUMNS:
        shown = (0, len(headings) - 1)
    title = ", ".join(filter(None, (table.title, block.title)))
    made = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("method")
    for number in shown:
        made.add_column(Text(f"{headings[number]} %"), justify="right", no_wrap=True)
    for method, cells in rows:
        made.add_row(Text(method), *(Text(_text(cells[number])) for number in shown))
    return made


def _cells(table: TextTable) -> list[Cell]:
    return [cell for line in table.blocks[0].lines for cell in line.cells if cell]


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    known = cell.seeds if cell.std == cell.std else 1  # NaN: nobody can say
    beside = "" if cell.delta != cell.delta else f" ({signed(cell.delta)})"
    return f"{plus_minus(cell.mean, cell.std, known)}{_ARROWS.get(cell.verdict, '')}{beside}"
