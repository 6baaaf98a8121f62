"""Caveats of tables, put where they hold: a whole table, a block, a column, or a single cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vlprompt_pipeline.reports.text_table import Block, TableCell


def lift(
    blocks: Sequence[Block], columns: Sequence[str], *, methods_across: bool
) -> tuple[tuple[str, ...], list[str], list[Block]]:
    """Move caveats that all cells of a block or a column share from the cells to its title.

    Args:
        blocks: of one table.
        columns: titles.
        methods_across: whether columns are methods, of which nothing is said in common.

    Returns:
        What holds for the whole table, the titles of columns, and the blocks.
    """
    common = _shared(cell for block in blocks for line in block.lines for cell in line.cells)
    titles = list(columns)
    shared: list[tuple[str, ...]] = [() for _ in columns]
    if not methods_across:
        for number, title in enumerate(columns):
            cells = (line.cells[number] for block in blocks for line in block.lines)
            shared[number] = _less(_shared(cells), common)
            titles[number] = titled(title, shared[number])
    lifted = []
    for block in blocks:
        of_block = _less(_shared(cell for line in block.lines for cell in line.cells), common)
        lines = tuple(
            line._replace(
                cells=tuple(
                    cell
                    and cell._replace(
                        caveats=_less(cell.caveats, (*common, *of_block, *shared[number]))
                    )
                    for number, cell in enumerate(line.cells)
                )
            )
            for line in block.lines
        )
        lifted.append(block._replace(title=titled(block.title, of_block), lines=lines))
    return common, titles, lifted


def titled(title: str, caveats: Sequence[str]) -> str:
    """Return a title with caveats in parentheses."""
    return f"{title} ({', '.join(caveats)})" if caveats else title


def _shared(cells: Iterable[TableCell | None]) -> tuple[str, ...]:
    each = [cell.caveats for cell in cells if cell]
    return tuple(name for name in each[0] if all(name in other for other in each)) if each else ()


def _less(caveats: Sequence[str], elsewhere: Sequence[str]) -> tuple[str, ...]:
    return tuple(caveat for caveat in caveats if caveat not in elsewhere)
