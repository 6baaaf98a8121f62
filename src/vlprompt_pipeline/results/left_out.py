"""How much the order of methods hangs on one dataset: averages and ranks with each left out.

Several published rankings of 2025 and 2026 turn on EuroSAT alone, where methods differ by tens of
points; so the averages without it stand beside the averages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.published import published, published_protocol
from vlprompt_pipeline.results.results import Comparison

EUROSAT = "eurosat"
COLUMNS = [
    "family",
    "shots",
    "method",
    "title",
    "metric",
    "average",
    "without_eurosat",
    "rank",
    "best_rank",
    "worst_rank",
    "worst_without",
    "published",
    "published_without_eurosat",
]
_NAN = float("nan")
_FEWEST = 3  # datasets: with two, leaving one out leaves no average
_PRINTED = {"h": ("base", "new"), "base": ("base",), "accuracy": ("acc",)}
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
    return pd.DataFrame(rows, columns=COLUMNS)


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
    means = table.set_index(["method", "dataset", "metric"])["mean"]
    accuracies = {
        method: {name: tuple(means[method, name, half] for half in halves) for name in datasets}
        for method in titles
    }
    ranks = _ranks({method: average_without(values) for method, values in accuracies.items()})
    without = {
        name: _ranks(
            {method: average_without(values, (name,)) for method, values in accuracies.items()}
        )
        for name in datasets
    }
    eurosat = tuple(name for name in datasets if name.removeprefix("miniature_") == EUROSAT)
    rows = []
    for method, title in titles.items():
        ranks_without = [without[name][method] for name in datasets]
        lowest = max(ranks_without)
        everywhere, elsewhere = _published(family, datasets, method, shots)
        values = (
            average_without(accuracies[method]),
            average_without(accuracies[method], eurosat) if eurosat else _NAN,
            ranks[method],
            min(ranks_without),
            lowest,
            datasets[ranks_without.index(lowest)] if lowest > ranks[method] else "",
            everywhere,
            elsewhere,
        )
        key = (family["family"], shots, method, title, metric)
        rows.append(dict(zip(COLUMNS, (*key, *values), strict=True)))
    return sorted(rows, key=lambda row: row["rank"])


def _ranks(averages: Mapping[str, float]) -> dict[str, int]:
    """Return 1 for the highest; those equal to eight decimals share a rank."""
    rounded = {method: round(value, 8) for method, value in averages.items()}
    return {
        method: 1 + sum(other > value for other in rounded.values())
        for method, value in rounded.items()
    }


def _published(
    family: Mapping[str, object], datasets: Sequence[str], method: str, shots: int
) -> tuple[float, float]:
    """Return averages of the printed figures of the same datasets, with and without EuroSAT."""
    trained_on = str(family["source"]) or datasets[0]
    protocol = published_protocol(str(family["protocol"]), str(family["clip"]), trained_on, shots)
    names = _PRINTED[str(family["ranking"])]
    printed = {name: published(protocol or "", method, name) for name in datasets}
    if not all(set(names) <= set(figures) for figures in printed.values()):
        return _NAN, _NAN
    figures = {
        name: tuple(by_metric[metric][0] for metric in names) for name, by_metric in printed.items()
    }
    without = average_without(figures, (EUROSAT,)) if EUROSAT in figures else _NAN
    return average_without(figures), without
