"""The tables of a comparison as papers set them, before they are LaTeX, Markdown or a terminal's.

Base-to-new as in CoCoOp's and MaPLe's papers: the average first, then each dataset with rows Base,
New and H, a column a method. Where targets are scored: a row a method, columns source, targets,
average. All others, as few-shot: the average first, then each dataset with a row a method, a column
for each number of shots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from vlprompt_pipeline.reports.caveats import lift
from vlprompt_pipeline.reports.text_table import Block, Line, TableCell, TextTable
from vlprompt_pipeline.results.dataset_names import AVERAGE, dataset_title, ordered_datasets
from vlprompt_pipeline.results.flags import MEANINGS
from vlprompt_pipeline.results.metric_names import metric_title
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.results.seeds import ACCURACY
from vlprompt_pipeline.results.verdicts import against, verdict_text
from vlprompt_pipeline.wording import counted, join, seeds_text, shots_text

_APART = {"base": "Base", "new": "New", "h": "H", "mean_of_h": "Mean of H"}
_TOGETHER = {"generalised_base": "Base", "generalised_new": "New", "generalised_h": "H"}
_AMONG_ALL = "base and new images among all classes together"


def text_tables(comparison: Comparison) -> list[TextTable]:
    """Return a table a family, and one more of base and new together where they were scored."""
    tables = []
    for family in comparison.families.to_dict("records"):
        rows = _Rows(comparison, family)
        if family["source"]:
            tables.append(_targets(rows))
        elif family["ranking"] == ACCURACY:
            tables.append(_by_shots(rows))
        else:
            tables += [
                _halves(rows, metrics) for metrics in (_APART, _TOGETHER) if rows.has(metrics)
            ]
    return tables


class _Rows:
    """The scores of a family by (dataset, shots, method, metric)."""

    def __init__(self, comparison: Comparison, family: Mapping[str, object]) -> None:
        self.family = family
        self.table = comparison.of(family["family"])
        key = ["dataset", "shots", "method", "metric"]
        self.scores = {tuple(row[k] for k in key): row for row in self.table.to_dict("records")}
        tests = against(comparison.of(family["family"], "pairs"), ZERO_SHOT).to_dict("records")
        self.tests = {tuple(row[k] for k in key): row for row in tests}
        self.methods = dict(zip(self.table["method"], self.table["title"], strict=True))
        names = ordered_datasets(sorted(set(self.table["dataset"])), family["source"])
        self.datasets = {name: dataset_title(name, family["source"]) for name in names}
        self.shots = sorted(set(self.table["shots"]))

    def has(self, metrics: Collection[str]) -> bool:
        return bool(self.table["metric"].isin(list(metrics)).any())

    def cells(self, keys: Sequence[tuple[object, ...]]) -> tuple[TableCell | None, ...]:
        """Return scores that are compared with each other."""
        rows = [self.scores.get(key) for key in keys]
        means = [round(row["mean"], 2) for row in rows if row]
        return tuple(
            row
            and TableCell(
                row["mean"],
                row["std"],
                row["n_seeds"],
                row["delta"],
                len(means) > 1 and round(row["mean"], 2) == max(means),
                self.tests[key]["verdict"] if key in self.tests else "",
                row["caveats"],
            )
            for key, row in zip(keys, rows, strict=True)
        )

    def verdicts(self, dataset: str, metric: str) -> tuple[str, ...]:
        """Return the words for each method, with the most shots."""
        keys = [(dataset, self.shots[-1], method, metric) for method in self.methods]
        return tuple(verdict_text(self.tests[key]) if key in self.tests else "" for key in keys)

    def laid_out(
        self,
        columns: Iterable[str],
        blocks: Sequence[Block],
        *,
        methods_across: bool,
        metric: str,
        name: str = "",
        title: str = "",
    ) -> TextTable:
        several = len(self.shots) > 1
        with_shots = f" with {shots_text(self.shots[-1])}" if several else ""
        common, columns, blocks = lift(blocks, list(columns), methods_across=methods_across)
        titles = (self.family["title"], title, *common)
        return TextTable(
            family=self.family["family"],
            name="_".join(filter(None, (self.family["family"], name))),
            title=", ".join(filter(None, titles)),
            methods=self.methods,
            columns=tuple(columns),
            blocks=tuple(blocks),
            tested=metric_title(metric) + with_shots,
            notes=_notes(self),
            methods_across=methods_across,
        )


def _halves(rows: _Rows, metrics: Mapping[str, str]) -> TextTable:
    among_all = metrics is _TOGETHER
    ranking = "generalised_h" if among_all else rows.family["ranking"]
    blocks = []
    for dataset, title in rows.datasets.items():
        lines = []
        for metric, name in metrics.items():
            if metric == "mean_of_h" and dataset != AVERAGE:
                continue
            keys = [(dataset, rows.shots[-1], method, metric) for method in rows.methods]
            lines.append(Line(name, rows.cells(keys)))
        blocks.append(Block(title, tuple(lines), rows.verdicts(dataset, ranking), dataset))
    return rows.laid_out(
        rows.methods.values(),
        blocks,
        methods_across=True,
        metric=ranking,
        name="generalised" if among_all else "",
        title=_AMONG_ALL if among_all else "",
    )


def _targets(rows: _Rows) -> TextTable:
    average, source, *others = rows.datasets if AVERAGE in rows.datasets else ("", *rows.datasets)
    datasets = [source, *others, *filter(None, (average,))]
    lines = _a_row_a_method(rows, [(dataset, rows.shots[-1]) for dataset in datasets])
    block = Block("", lines, rows.verdicts(datasets[-1], ACCURACY))
    titles = [rows.datasets[dataset] for dataset in datasets]
    return rows.laid_out(titles, [block], methods_across=False, metric=ACCURACY)


def _by_shots(rows: _Rows) -> TextTable:
    blocks = [
        Block(
            title,
            _a_row_a_method(rows, [(dataset, shots) for shots in rows.shots]),
            rows.verdicts(dataset, ACCURACY),
            dataset,
        )
        for dataset, title in rows.datasets.items()
    ]
    columns = map(shots_text, rows.shots)
    return rows.laid_out(columns, blocks, methods_across=False, metric=ACCURACY)


def _a_row_a_method(rows: _Rows, keys: Sequence[tuple[str, int]]) -> tuple[Line, ...]:
    """Return accuracies at (dataset, shots).

    The methods of a column are compared with each other.
    """
    columns = [rows.cells([(*key, method, ACCURACY) for method in rows.methods]) for key in keys]
    return tuple(
        Line(title, cells)
        for title, cells in zip(rows.methods.values(), zip(*columns, strict=True), strict=True)
    )


def _notes(rows: _Rows) -> tuple[str, ...]:
    """Return what the marks mean, the seeds, and the flags, a sentence each."""
    table = rows.table
    seeds = set(table["seeds"])
    over = seeds_text(*seeds) if len(seeds) == 1 else "not the same everywhere"
    several = any(len(each) > 1 for each in seeds)
    figure = "mean ± population standard deviation over seeds" if several else "of one seed"
    notes = [f"Percent, {figure} ({over}); bold: highest."]
    if table["dataset"].eq(AVERAGE).any() and table["metric"].eq("h").any():
        notes.append("H of the average is that of average base and new accuracy, as published.")
    if rows.tests:
        notes.append(
            "↑ better, ↓ worse than zero-shot on the same test images (paired test, p ≤ 0.05 after "
            f"Holm's adjustment for {_corrected(rows)})."
        )
    if table["delta"].notna().any():
        notes.append("In parentheses: difference to the published figure.")
    return (*notes, *_flags(rows))


def _corrected(rows: _Rows) -> str:
    """Return how many tests the p-values of each metric are corrected for, in words."""
    counts = {test["metric"]: test["tests"] for test in rows.tests.values()}
    if len(set(counts.values())) == 1:
        return f"{counted(next(iter(counts.values())), 'test')} of a metric"
    return join([f"{counted(n, 'test')} of {metric_title(name)}" for name, n in counts.items()])


def _flags(rows: _Rows) -> list[str]:
    notes = []
    for column, whose in (("flags", ""), ("published_flags", "Published figures of ")):
        for method, title in rows.methods.items():
            each = rows.table.loc[rows.table["method"] == method, column]
            names = list(dict.fromkeys(name for names in each for name in names))
            if names:
                meaning = "; ".join(f"{name} ({MEANINGS[name]})" for name in names)
                notes.append(f"{whose}{title}: {meaning}.")
    return notes
