"""The tables of a comparison as papers set them, before they are LaTeX, Markdown or a terminal's.

Base-to-new as in CoCoOp's and MaPLe's papers: the average first, then each dataset with rows Base,
New and H, a column a method. Where targets are scored: a row a method, columns source, targets,
average. Few-shot: the average first, then each dataset with a row a method, a column for each
number of shots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vlprompt_pipeline.results.families import FEW_SHOT
from vlprompt_pipeline.results.flags import MEANINGS
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import AVERAGE, Comparison
from vlprompt_pipeline.wording import seeds_text, shots_text

_TEXT = {
    "base": "Base",
    "new": "New",
    "h": "H",
    "mean_of_h": "Mean of H",
    "generalised_base": "Base",
    "generalised_new": "New",
    "generalised_h": "H",
}
_HALVES = (
    ("base", "new", "h", "mean_of_h"),
    ("generalised_base", "generalised_new", "generalised_h"),
)
_AMONG_ALL = "base and new images among all classes together"


class Cell(NamedTuple):
    """A score; `best` if none in its comparison is higher at the digits shown.

    `verdict` is that of the paired test against zero-shot; `delta` the distance to the published
    figure, NaN without one.
    """

    mean: float
    std: float
    seeds: int
    delta: float
    best: bool
    verdict: str


class Line(NamedTuple):
    """A row: what it is called and a cell a column, None where there is no score."""

    title: str
    cells: tuple[Cell | None, ...]


class Block(NamedTuple):
    """Rows under a title, which is empty where a table has but one block."""

    title: str
    lines: tuple[Line, ...]


class TextTable(NamedTuple):
    """A table of one family.

    `columns` are methods if `methods_across`, else datasets or shots. `notes` are what stands
    below the table, a sentence each.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    methods_across: bool

    @property
    def stubs(self) -> int:
        """Columns in front of the scores: a block's title and a row's."""
        return 2 if self.blocks[0].title else 1


def text_tables(comparison: Comparison) -> list[TextTable]:
    """One table a family, and one more of base and new classes together where they were scored."""
    tables = []
    for family in comparison.families.to_dict("records"):
        rows = _Rows(comparison, family["family"])
        if family["protocol"] == FEW_SHOT:
            tables.append(_few_shot(family, rows))
        elif family["source"]:
            tables.append(_targets(family, rows))
        else:
            tables += [_halves(family, rows, metrics) for metrics in _HALVES if rows.has(metrics)]
    return tables


class _Rows:
    """The scores of a family by (dataset, shots, method, metric)."""

    def __init__(self, comparison: Comparison, family: str) -> None:
        self.table = comparison.of(family)
        key = ["dataset", "shots", "method", "metric"]
        self._scores = {tuple(row[k] for k in key): row for row in self.table.to_dict("records")}
        tests = comparison.of(family, "pairs")
        against = tests[tests["against"] == ZERO_SHOT].to_dict("records")
        self._verdicts = {tuple(row[k] for k in key): row["verdict"] for row in against}

    @property
    def tested(self) -> bool:
        """Whether anything was compared with zero-shot."""
        return bool(self._verdicts)

    def has(self, metrics: Sequence[str]) -> bool:
        return bool(self.table["metric"].isin(metrics).any())

    @property
    def methods(self) -> dict[str, str]:
        """Titles by name."""
        return dict(zip(self.table["method"], self.table["title"], strict=True))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The average first, where there is one, then by name."""
        return tuple(sorted(set(self.table["dataset"]), key=lambda name: (name != AVERAGE, name)))

    @property
    def shots(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.table["shots"])))

    def cells(self, keys: Sequence[tuple[object, ...]]) -> tuple[Cell | None, ...]:
        """Scores that are compared with each other."""
        found = [self._scores.get(key) for key in keys]
        means = [round(row["mean"], 2) for row in found if row]
        return tuple(
            row
            and Cell(
                row["mean"],
                row["std"],
                row["n_seeds"],
                row["delta"],
                len(means) > 1 and round(row["mean"], 2) == max(means),
                self._verdicts.get(key, ""),
            )
            for key, row in zip(keys, found, strict=True)
        )


def _halves(family: Mapping[str, object], rows: _Rows, metrics: Sequence[str]) -> TextTable:
    shots = family["shots"]
    blocks = []
    for dataset in rows.datasets:
        lines = []
        for metric in metrics:
            if metric == "mean_of_h" and dataset != AVERAGE:
                continue
            cells = rows.cells([(dataset, shots, method, metric) for method in rows.methods])
            lines.append(Line(_TEXT[metric], cells))
        blocks.append(Block(_dataset(dataset), tuple(lines)))
    among_all = metrics == _HALVES[1]
    return TextTable(
        name=f"{family['family']}{'_generalised' if among_all else ''}",
        title=f"{family['title']}{f', {_AMONG_ALL}' if among_all else ''}",
        columns=tuple(rows.methods.values()),
        blocks=tuple(blocks),
        notes=_notes(rows),
        methods_across=True,
    )


def _targets(family: Mapping[str, object], rows: _Rows) -> TextTable:
    source, shots = family["source"], family["shots"]
    others = [
        name for name in dict.fromkeys(rows.table["dataset"]) if name not in (source, AVERAGE)
    ]
    places = [(dataset, shots) for dataset in (source, *others, AVERAGE)]
    return TextTable(
        name=family["family"],
        title=family["title"],
        columns=(f"{source} (source)", *map(_dataset, (*others, AVERAGE))),
        blocks=(Block("", _a_row_a_method(rows, places)),),
        notes=_notes(rows),
        methods_across=False,
    )


def _few_shot(family: Mapping[str, object], rows: _Rows) -> TextTable:
    blocks = [
        Block(_dataset(dataset), _a_row_a_method(rows, [(dataset, shots) for shots in rows.shots]))
        for dataset in rows.datasets
    ]
    return TextTable(
        name=family["family"],
        title=family["title"],
        columns=tuple(map(shots_text, rows.shots)),
        blocks=tuple(blocks),
        notes=_notes(rows),
        methods_across=False,
    )


def _a_row_a_method(rows: _Rows, places: Sequence[tuple[str, int]]) -> tuple[Line, ...]:
    """Accuracies at (dataset, shots); the methods of a column are compared with each other."""
    columns = [
        rows.cells([(*place, method, "accuracy") for method in rows.methods]) for place in places
    ]
    return tuple(
        Line(title, cells)
        for title, cells in zip(rows.methods.values(), zip(*columns, strict=True), strict=True)
    )


def _dataset(name: str) -> str:
    return "Average" if name == AVERAGE else name


def _notes(rows: _Rows) -> tuple[str, ...]:
    """What the marks mean, the seeds, and the flags."""
    table = rows.table
    seeds = set(table["seeds"])
    over = seeds_text(*seeds) if len(seeds) == 1 else "not the same everywhere"
    notes = [f"Percent, mean ± population standard deviation over seeds ({over}); bold: highest."]
    if table["dataset"].eq(AVERAGE).any() and table["metric"].eq("h").any():
        notes.append("H of the average is that of average base and new accuracy, as published.")
    if rows.tested:
        notes.append(
            "↑ better, ↓ worse than zero-shot on the same test images (paired test, p ≤ 0.05 after "
            "Holm's adjustment)."
        )
    if table["delta"].notna().any():
        notes.append("In parentheses: difference to the published figure.")
    return (*notes, *_flags(rows))


def _flags(rows: _Rows) -> list[str]:
    notes = []
    for column, whose in (("flags", ""), ("published_flags", "Published figures of ")):
        for method, title in rows.methods.items():
            own = rows.table.loc[rows.table["method"] == method, column]
            names = list(dict.fromkeys(name for names in own for name in names))
            if names:
                meaning = "; ".join(f"{name} ({MEANINGS[name]})" for name in names)
                notes.append(f"{whose}{title}: {meaning}.")
    return notes
