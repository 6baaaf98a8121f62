r"""Tables of a comparison as LaTeX for `\input`, with booktabs.

The standard deviation is the index of a score, arrow and difference to the published figure its
exponent: nine methods fit the width of a page in small print.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from vlprompt_pipeline.reports.text_table import Block, TableCell, TextTable
from vlprompt_pipeline.wording import capital, join

_HEAD = "% In the preamble: \\usepackage{booktabs,graphicx}\n"
_MOST_ROWS = 45
"""More rows than a page has lines go into a further table."""
_FITTED = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{"
"""What is wider than the page is scaled down to it, and nothing else is scaled."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # after the end of a row, its options
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "−": r"$-$",
    "–": "--",
    "·": r"$\cdot$",
    "’": "'",
}
_ARROWS = {"better": r"\uparrow", "worse": r"\downarrow"}


def to_latex(tables: Sequence[TextTable]) -> str:
    """Write one `table` environment a table; captions say what marks mean."""
    return "\n".join([_HEAD, *(_table(part) for table in tables for part in _pages(table))])


def escape(text: str) -> str:
    """Write text for pdfTeX; a character it has no glyph for becomes its plain form, or `?`."""
    return "".join(_SPECIAL.get(character) or _known(character) for character in text)


def _known(character: str) -> str:
    if character.isspace():
        return " "
    if character <= "\u017f":  # Latin, with accents
        return character
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(letter, letter) for letter in plain) or "?"


def _pages(table: TextTable) -> Iterator[TextTable]:
    """Yield the table, or parts of it that fit a page each."""
    parts: list[list[Block]] = [[]]
    for block in table.blocks:
        rows = sum(len(each.lines) for each in [*parts[-1], block])
        if parts[-1] and rows > _MOST_ROWS:
            parts.append([])
        parts[-1].append(block)
    for number, blocks in enumerate(parts, start=1):
        part = table._replace(blocks=tuple(blocks))
        if len(parts) > 1:
            part = part._replace(
                name=f"{table.name}_{number}",
                title=f"{table.title}, part {number} of {len(parts)}",
            )
        yield part


def _table(table: TextTable) -> str:
    stubs = [text.capitalize() for text in table.stubs]
    body = "\n\\midrule\n".join(
        "\n".join(
            _row([*map(escape, titles), *map(_cell, cells)]) for titles, cells in table.rows(block)
        )
        for block in table.blocks
    )
    caption = f"{capital(table.title)}. {' '.join(table.notes)}"
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering\small\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"{_FITTED}\begin{{tabular}}{{{'l' * len(stubs)}{'c' * len(table.columns)}}}",
            r"\toprule",
            _row(map(escape, (*stubs, *table.columns))),
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: TableCell | None) -> str:
    if cell is None:
        return "--"
    mean = f"{cell.mean:.2f}"
    text = rf"\mathbf{{{mean}}}" if cell.best else mean
    if cell.has_spread:
        text += rf"_{{\pm {cell.std:.2f}}}"
    above = _ARROWS.get(cell.verdict, "")
    if pd.notna(cell.delta):
        above += f"({cell.delta:+.2f})"
    figure = f"${text}^{{{above}}}$" if above else f"${text}$"
    return figure + (rf" {{\scriptsize ({escape(join(cell.caveats))})}}" if cell.caveats else "")
