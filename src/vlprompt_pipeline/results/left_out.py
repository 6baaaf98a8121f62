"""How much the order of methods hangs on one dataset: averages and ranks with each left out.

Several published rankings of 2025 and 2026 turn on EuroSAT alone, where methods differ by tens of
points; so the averages without it stand beside the averages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import nan

import numpy as np
import pandas as pd

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.results import Comparison

EUROSAT = "eurosat"
_COLUMNS = (
    "family shots method title metric average without_eurosat rank best_rank worst_rank "
    "worst_without published published_without_eurosat"
)
_FEWEST = 3  # datasets: with two, leaving one out leaves no average
Row = dict[str, object]
Accuracies = Mapping[str, tuple[float, ...]]
"""Base and new accuracy, or one accuracy, by dataset."""


def left_out(comparison: Comparison) -> pd.DataFrame:
    """Return one row for each method that has an average over three datasets or more.

    The columns: `family, shots, method, title, metric` (that which orders the methods), `average`
    and `without_eurosat` in percent; `rank` (1 is best, equal methods share the better rank),
    `best_rank` and `worst_rank` over leaving out each dataset once, `worst_without` (the first
    dataset without which it is worst, empty if nothing is worse than `rank`), and the published
    average with and without EuroSAT, NaN where the figure of a dataset was not printed.
    """
    rows: list[Row] = []
    for family in comparison.families.to_dict("records"):
        table = comparison.of(family["family"])
        for shots in sorted(set(table["shots"])):
            rows += _rows(family, table[table["shots"] == shots], int(shots))
    return pd.DataFrame(rows, columns=_COLUMNS.split())


def rank_span(row: Mapping[str, object]) -> str:
    """Return the ranks over leaving out each dataset once, such as "1 to 3"."""
    best, worst = row["best_rank"], row["worst_rank"]
    return f"{best}" if best == worst else f"{best} to {worst}"


def average_without(accuracies: Accuracies, left: Collection[str] = ()) -> float:
    """Average over all datasets but those of `left`; where there are two halves, the H of theirs.

    Args:
        accuracies: by dataset, `(base, new)` or `(accuracy,)` in percent.
        left: names of datasets that do not count.
    """
    kept = [values for dataset, values in accuracies.items() if dataset not in left]
    means = np.mean(kept, axis=0)
    return float(harmonic_mean(*means) if len(means) == 2 else means[0])


def _rows(family: Mapping[str, object], table: pd.DataFrame, shots: int) -> list[Row]:
    metric = str(family["ranking"])
    averaged = table[(table["dataset"] == AVERAGE) & (table["metric"] == metric)]
    titles = dict(zip(averaged["method"], averaged["title"], strict=True))
    datasets = [n for n in dict.fromkeys(table["dataset"]) if n not in (AVERAGE, family["source"])]
    if not titles or len(datasets) < _FEWEST:
        return []
    halves = ("base", "new") if metric == "h" else (metric,)
    ours, printed = (
        _accuracies(table, column, list(titles), datasets, halves)
        for column in ("mean", "published")
    )
    ranks = _ranks({method: average_without(values) for method, values in ours.items()})
    without = {
        name: _ranks({method: average_without(values, (name,)) for method, values in ours.items()})
        for name in datasets
    }
    rows = []
    for method, title in titles.items():
        ranks_without = [without[name][method] for name in datasets]
        lowest = max(ranks_without)
        average, without_eurosat = _with_and_without_eurosat(ours[method])
        values = (
            average,
            without_eurosat,
            ranks[method],
            min(ranks_without),
            lowest,
            datasets[ranks_without.index(lowest)] if lowest > ranks[method] else "",
            *_with_and_without_eurosat(printed[method]),
        )
        key = (family["family"], shots, method, title, metric)
        rows.append(dict(zip(_COLUMNS.split(), (*key, *values), strict=True)))
    return sorted(rows, key=lambda row: row["rank"])


def _accuracies(
    table: pd.DataFrame,
    column: str,
    methods: Sequence[str],
    datasets: Sequence[str],
    halves: Sequence[str],
) -> dict[str, Accuracies]:
    """Return a column of the scores by method; NaN where nothing was printed."""
    figures = table.set_index(["method", "dataset", "metric"])[column].to_dict()
    return {
        method: {name: tuple(figures[method, name, half] for half in halves) for name in datasets}
        for method in methods
    }


def _with_and_without_eurosat(accuracies: Accuracies) -> tuple[float, float]:
    named = {name: name.partition(" ")[0] for name in accuracies}  # without the mark of a split
    eurosat = [name for name in accuracies if named[name].removeprefix("miniature_") == EUROSAT]
    without = average_without(accuracies, eurosat) if eurosat else nan
    return average_without(accuracies), without


def _ranks(averages: Mapping[str, float]) -> dict[str, int]:
    """Return 1 for the highest; those equal to eight decimals share a rank."""
    rounded = {method: round(value, 8) for method, value in averages.items()}
    return {
        method: 1 + sum(other > value for other in rounded.values())
        for method, value in rounded.items()
    }
