"""A table of scores as papers set it, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd


class TableCell(NamedTuple):
    """A score; `best` if none that it is compared with is higher at two decimals.

    `verdict` is that of the paired test against zero-shot; `delta` the distance to the published
    figure, NaN without one. `caveats` are those that hold neither for the whole table nor for the
    cell's block or column: these stand in the titles.
    """

    mean: float
    std: float
    seeds: int
    delta: float
    best: bool
    verdict: str
    caveats: tuple[str, ...]

    @property
    def has_spread(self) -> bool:
        """Whether the standard deviation says something: of several seeds, the same everywhere."""
        return self.seeds > 1 and pd.notna(self.std)

    @property
    def arrow(self) -> str:
        """What stands behind a score in plain text: " ↑", " ↓" or nothing."""
        return {"better": " ↑", "worse": " ↓"}.get(self.verdict, "")


class Line(NamedTuple):
    """A row: what it is called and a cell a column, None where there is no score."""

    title: str
    cells: tuple[TableCell | None, ...]


class Block(NamedTuple):
    """Rows under a title, which is empty where a table has but one block.

    `dataset` is whose they are, `AVERAGE` among them, and empty where datasets are columns.
    `verdicts` are, for each method of the table, the words of its paired test against zero-shot in
    the metric that orders the methods; empty where there is none.
    """

    title: str
    lines: tuple[Line, ...]
    verdicts: tuple[str, ...] = ()
    dataset: str = ""


class TextTable(NamedTuple):
    """A table of one family.

    `columns` are methods if `methods_across`, else datasets or shots; `methods` are titles by name.
    `tested` says what `verdicts` are about. `notes` are what stands below the table, a sentence
    each.
    """

    family: str
    name: str
    title: str
    methods: Mapping[str, str]
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    tested: str
    notes: tuple[str, ...]
    methods_across: bool

    @property
    def stubs(self) -> tuple[str, ...]:
        """Headings in front of those of the scores."""
        return ("dataset", "") if self.blocks[0].title else ("method",)

    def rows(self, block: Block) -> Iterator[tuple[list[str], tuple[TableCell | None, ...]]]:
        """Yield what stands below the stubs in each row of a block, and the scores behind it."""
        for number, line in enumerate(block.lines):
            titles = [block.title if number == 0 else "", line.title]
            yield titles[-len(self.stubs) :], line.cells
