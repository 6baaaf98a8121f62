"""A comparison in a terminal: its tables with the verdicts, and what to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from vlprompt_pipeline.reports.caveats import titled
from vlprompt_pipeline.reports.console import WIDTH, text_console
from vlprompt_pipeline.reports.sentences import of_cell, of_family
from vlprompt_pipeline.reports.text_table import Block, TableCell, TextTable
from vlprompt_pipeline.results.groups import group_key
from vlprompt_pipeline.results.records import ZERO_SHOT, CellRecord
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import human_bytes, plus_minus, shots_text, signed

_MOST_COLUMNS, _MOST_BLOCKS, _COMMANDS = 5, 4, 5
_TITLE_WIDTH, _VERDICT_WIDTH = 16, 22
"""Narrower than these neither titles of methods nor verdicts are set, but for shorter ones."""


class _Arrangement(NamedTuple):
    """What stands in the columns of a table; the rest stands below it or is left out."""

    caveats: bool = True
    verdicts: bool = True
    sizes: bool = True
    all_scores: bool = True


_ARRANGEMENTS = (
    _Arrangement(),
    _Arrangement(caveats=False),
    _Arrangement(caveats=False, verdicts=False),
    _Arrangement(caveats=False, verdicts=False, sizes=False),
    _Arrangement(caveats=False, verdicts=False, sizes=False, all_scores=False),
)
"""From wide to narrow: the first that fits is used."""


def to_text(
    comparison: Comparison,
    tables: Sequence[TextTable],
    *,
    run: CellRecord | None = None,
    commands: bool = True,
    width: int = WIDTH,
) -> str:
    """Return all tables, remarks, and how to make what is missing.

    Of a table with many blocks the average alone is shown, and of a family its first table. The
    dataset of a run stands before the others of its table, with sentences of its own.

    Args:
        comparison: what the tables are of.
        tables: as papers set them.
        run: a record of the run whose text this is; none if it is of all results.
        commands: whether to show how missing cells are made.
        width: columns of the terminal. A table that is wider has its caveats and verdicts below,
            then no sizes of files, and at last fewer scores.
    """
    console = text_console(width)
    key = group_key(run) if run else None
    own_family = comparison.family_of(key) if key else ""
    first = {table.family: table for table in reversed(tables)}
    for table in reversed(first.values()):
        sizes = comparison.of(table.family, "sizes").set_index("method")["file_bytes"]
        file_sizes = [human_bytes(sizes[method]) for method in table.methods]
        own = key.data if table.family == own_family else None
        for block in (block for block in table.blocks if block.dataset == own):
            _print_table(console, table, block, file_sizes, shots_text(key.shots))
            console.print(" ".join(of_cell(comparison, own_family, own, key.shots)), "")
        others = [block for block in table.blocks if block.dataset != own]
        if not others:
            continue
        shown = others if len(table.blocks) <= _MOST_BLOCKS else others[:1]
        for block in shown:
            _print_table(console, table, block, file_sizes)
        if hidden := len(others) - len(shown):
            console.print(f" {hidden} more tables, one a dataset, are on the page.\n")
        console.print(" ".join(of_family(comparison, table.family)), "")
    lines = (line for table in tables for block in table.blocks for line in block.lines)
    if any(cell and cell.verdict for line in lines for cell in line.cells):
        console.print("↑ better, ↓ worse than zero-shot on the same test images (paired, Holm)")
    for remark in comparison.remarks:
        console.print(f"! {remark}", soft_wrap=True)
    missing = list(filter(None, comparison.missing["command"])) if commands else []
    for command in missing[:_COMMANDS]:
        console.print(f"  {command}", soft_wrap=True)
    if len(missing) > _COMMANDS:
        console.print(f"  and {len(missing) - _COMMANDS} more in missing.csv")
    return console.file.getvalue()


class _Column(NamedTuple):
    """A column of words that wrap, or of figures that do not: these have no `wraps_at`."""

    heading: str
    texts: Sequence[str]
    wraps_at: int = 0

    def add_to(self, table: Table) -> None:
        if self.wraps_at:
            width = min(self.wraps_at, max(map(cell_len, self.texts)))
            most = max(map(cell_len, (self.heading, *self.texts)))
            table.add_column(self.heading, min_width=width, max_width=most, overflow="fold")
        else:
            width = max(map(cell_len, (*self.heading.splitlines(), *self.texts)))
            table.add_column(self.heading, min_width=width, justify="right", no_wrap=True)


_Notes = dict[str, str]
"""Notes below a table, each with the mark that stands where it holds."""


def _print_table(
    console: Console, table: TextTable, block: Block, sizes: Sequence[str], column: str = ""
) -> None:
    """Print a block under its title, in the first arrangement that fits.

    Args:
        console: what to print to.
        table: the block's table.
        block: its rows.
        sizes: of the methods' files.
        column: a column of scores that is shown however many there are.
    """
    console.print(", ".join(filter(None, (table.title, block.title))))
    unlimited = console.options.update(max_width=1000)  # else a measure ends at the width
    for arrangement in _ARRANGEMENTS:
        notes: _Notes = {}
        headings = _headings(table, block)
        scores = _shown_scores(headings, table, block, arrangement, column)
        drawn = _table(table, block, sizes, arrangement, scores, notes)
        spare = console.width - drawn.__rich_measure__(console, unlimited).minimum
        if spare >= 0:
            _spend(spare, drawn)
            break
    console.print(drawn)
    lines = [f" {mark} {note}" for note, mark in notes.items()]
    if hidden := len(headings) - len(scores):
        lines.append(f" {hidden} more {'column is' if hidden == 1 else 'columns are'} on the page")
    if not arrangement.verdicts and any(block.verdicts):
        lines.append(f" {_tested(table)}:")
        verdicts = zip(table.methods.values(), block.verdicts, strict=True)
        lines += [f" {title}: {verdict}" for title, verdict in verdicts if verdict]
    if lines:
        console.print("\n".join((*lines, "")))


def _spend(spare: int, table: Table) -> None:
    """Give columns of words the room that is left; rich's own widths may add up to more than it."""
    for column in reversed(table.columns):  # verdicts before titles
        if not column.no_wrap:
            more = min(spare, column.max_width - column.min_width)
            column.width = column.min_width + more
            spare -= more


def _table(
    table: TextTable,
    block: Block,
    sizes: Sequence[str],
    arrangement: _Arrangement,
    scores: Sequence[int],
    notes: _Notes,
) -> Table:
    """Return methods down with these of their scores, whatever way they go in the paper's table."""
    headings, rows = _headings(table, block), [line.cells for line in block.lines]
    if table.methods_across:
        rows = list(zip(*rows, strict=True))
    columns = [_Column("method", tuple(table.methods.values()), _TITLE_WIDTH)]
    for number in scores:
        heading = headings[number].replace(" of ", "\nof ").replace(" (", "\n(")
        texts = (_text(cells[number], None if arrangement.caveats else notes) for cells in rows)
        columns.append(_Column(f"{heading} %", tuple(texts)))
    if arrangement.sizes:
        columns.append(_Column("file", sizes))
    if any(block.verdicts) and arrangement.verdicts:
        verdicts = tuple(verdict or "–" for verdict in block.verdicts)
        columns.append(_Column(_tested(table), verdicts, _VERDICT_WIDTH))
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        column.add_to(drawn)
    for row in zip(*(column.texts for column in columns), strict=True):
        drawn.add_row(*row)
    return drawn


def _headings(table: TextTable, block: Block) -> tuple[str, ...]:
    """Return what stands above the scores of a method."""
    return tuple(line.title for line in block.lines) if table.methods_across else table.columns


def _shown_scores(
    headings: Sequence[str], table: TextTable, block: Block, arrangement: _Arrangement, column: str
) -> Sequence[int]:
    """Return which scores of a method are shown: of many the first, the last and `column`."""
    if table.methods_across and not arrangement.all_scores:
        return range(3)  # base, new and H without the other convention of H
    tested = any(block.verdicts) and arrangement.verdicts
    if len(headings) > _MOST_COLUMNS - tested or not arrangement.all_scores:
        own = (n for n, heading in enumerate(headings) if heading.partition(" (")[0] == column)
        return sorted({0, len(headings) - 1, *own})
    return range(len(headings))


def _tested(table: TextTable) -> str:
    return f"{table.tested} against {table.methods[ZERO_SHOT]}"


def _text(cell: TableCell | None, notes: _Notes | None) -> str:
    """Return a score; its caveats beside it, or a mark for each of them where there are notes."""
    if cell is None:
        return "–"
    published = "" if isnan(cell.delta) else f" ({signed(cell.delta)})"
    figure = f"{plus_minus(cell.mean, cell.std, cell.seeds)}{cell.arrow}{published}"
    if notes is None:
        return titled(figure, cell.caveats)
    marks = [notes.setdefault(note, f"[{len(notes) + 1}]") for note in cell.caveats]
    return " ".join((figure, *marks))
