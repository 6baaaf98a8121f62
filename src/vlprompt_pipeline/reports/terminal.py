"""A comparison in a terminal: its tables with the verdicts, and what to know of them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlprompt_pipeline.reports.caveats import titled
from vlprompt_pipeline.reports.layout import Block, TableCell, TextTable
from vlprompt_pipeline.reports.sentences import of_family
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import human_bytes, plus_minus, signed

WIDTH = 110
_MOST_COLUMNS, _MOST_BLOCKS, _COMMANDS = 5, 4, 5
_ARROWS = {"better": " ↑", "worse": " ↓"}


def to_text(comparison: Comparison, tables: Sequence[TextTable], *, commands: bool = True) -> str:
    """All tables, remarks, and how to make what is missing.

    Of a table with many blocks the average alone is shown, and of a family its first table.
    """
    text = io.StringIO()
    console = Console(file=text, width=WIDTH)
    first = {table.family: table for table in reversed(tables)}
    for table in sorted(first.values(), key=tables.index):
        shown = table.blocks if len(table.blocks) <= _MOST_BLOCKS else table.blocks[:1]
        sizes = comparison.of(table.family, "sizes").set_index("method")["file_bytes"]
        for block in shown:
            console.print(Text(", ".join(filter(None, (table.title, block.title)))))
            console.print(_table(table, block, [human_bytes(sizes[m]) for m in table.methods]))
        console.print(Text(" ".join(of_family(comparison, table.family))), "")
    if any(cell.verdict for table in tables for cell in _cells(table)):
        console.print("↑ better, ↓ worse than zero-shot on the same test images (paired, Holm)")
    for remark in comparison.remarks:
        console.print(Text(f"! {remark}", style="yellow"), soft_wrap=True)
    if commands:
        _print_commands(console, [c for c in comparison.missing["command"] if c])
    return text.getvalue()


def _print_commands(console: Console, commands: Sequence[str]) -> None:
    for command in commands[:_COMMANDS]:
        console.print(Text(f"  {command}"), soft_wrap=True)
    if len(commands) > _COMMANDS:
        console.print(f"  and {len(commands) - _COMMANDS} more in missing.csv")


def _table(table: TextTable, block: Block, sizes: Sequence[str]) -> Table:
    """Methods down, whatever way they go in the paper's table; of many columns first and last."""
    headings, rows = table.columns, [line.cells for line in block.lines]
    if table.methods_across:
        headings = tuple(line.title for line in block.lines)
        rows = list(zip(*rows, strict=True))
    shown = range(len(headings))
    tested = any(block.verdicts)
    if len(headings) > _MOST_COLUMNS - tested:
        shown = (0, len(headings) - 1)
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("method")
    for number in shown:
        heading = headings[number].replace(" of ", "\nof ").replace(" (", "\n(")
        made.add_column(Text(f"{heading} %"), justify="right", no_wrap=True)
    made.add_column("file", justify="right", no_wrap=True)
    if tested:
        made.add_column(f"{table.tested} against {table.methods[ZERO_SHOT]}")
    for number, (method, cells) in enumerate(zip(table.methods.values(), rows, strict=True)):
        scores = [_text(cells[column]) for column in shown]
        verdict = [block.verdicts[number] or "–"] if tested else []
        made.add_row(*map(Text, (method, *scores, sizes[number], *verdict)))
    return made


def _cells(table: TextTable) -> list[TableCell]:
    return [cell for line in table.blocks[0].lines for cell in line.cells if cell]


def _text(cell: TableCell | None) -> str:
    if cell is None:
        return "–"
    known = cell.seeds if cell.std == cell.std else 1  # NaN: nobody can say
    published = "" if cell.delta != cell.delta else f" ({signed(cell.delta)})"
    figure = f"{plus_minus(cell.mean, cell.std, known)}{_ARROWS.get(cell.verdict, '')}{published}"
    return titled(figure, cell.caveats)
