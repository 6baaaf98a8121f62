"""A comparison as the JSON that its page draws: columns and rows, rounded, no number twice."""

from __future__ import annotations

from math import isnan
from numbers import Real

import pandas as pd

from vlprompt_pipeline.reports.summary_report import drawing
from vlprompt_pipeline.results.dataset_names import dataset_title, ordered_datasets
from vlprompt_pipeline.results.flags import MEANINGS
from vlprompt_pipeline.results.metric_names import lower_is_better, metric_order, metric_title
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import AVERAGE, Comparison
from vlprompt_pipeline.wording import seeds_text

_COLUMNS = {
    "scores": "dataset shots method metric seeds n_seeds mean std sample_std low high images flags "
    "published published_std delta inside published_source published_flags",
    "pairs": "dataset shots metric method against difference low high p_value p_holm test verdict",
    "sizes": "method trainable_parameters payload_bytes file_bytes fp16_bytes inference_cost",
    "missing": "protocol clip dataset shots method reason seeds command",
}
_DIGITS = 3
"""Of percentages: a hundredth of what a table shows."""
_HIDDEN = {"mean_of_h"}
"""Metrics that stand beside another in its table, not in one of their own."""


def payload(comparison: Comparison) -> dict[str, object]:
    """What the page's scripts read: `methods`, `metrics`, `flags`, `families`, `missing`.

    Tables are `{"columns": [...], "rows": [[...], ...]}`; None stands for NaN. Datasets and methods
    are in the order of the scores, but first the average and the source.
    """
    scores = comparison.scores
    titles = dict(zip(scores["method"], scores["title"], strict=True))
    looks = drawing.styles(titles)
    return {
        "average": AVERAGE,
        "zero_shot": ZERO_SHOT,
        "methods": {
            method: {
                "title": title,
                "colour": "var(--ink)" if method == ZERO_SHOT else looks[method].colour,
                "marker": looks[method].marker,
            }
            for method, title in titles.items()
        },
        "metrics": {
            metric: {"title": metric_title(metric), "lower": lower_is_better(metric)}
            for metric in _different(scores["metric"])
        },
        "flags": {flag: MEANINGS[flag] for flag in _flags(scores)},
        "families": [family(comparison, name) for name in comparison.families["family"]],
        "missing": _table(missing_cells(comparison.missing), "missing"),
    }


def family(comparison: Comparison, name: str) -> dict[str, object]:
    """One family: what it is, its choices in order (datasets with their titles), its tables."""
    about = comparison.families.set_index("family").loc[name]
    scores = comparison.of(name)
    return {
        "name": name,
        "title": about["title"],
        "protocol": about["protocol"],
        "clip": about["clip"],
        "source": about["source"],
        "ranking": about["ranking"],
        "curves": bool(about["shots"] == 0),
        "methods": _different(scores["method"]),
        "datasets": [
            (dataset, dataset_title(dataset, about["source"]))
            for dataset in ordered_datasets(scores["dataset"], about["source"])
        ],
        "metrics": sorted(set(scores["metric"]) - _HIDDEN, key=metric_order),
        "shots": sorted(_different(scores["shots"])),
        "scores": _table(scores.assign(seeds=scores["seeds"].map(seeds_text)), "scores"),
        "pairs": _table(comparison.of(name, "pairs"), "pairs"),
        "sizes": _table(comparison.of(name, "sizes"), "sizes"),
    }


def missing_cells(missing: pd.DataFrame) -> pd.DataFrame:
    """One row for all seeds that are missing for the same reason, with the first one's command."""
    return (
        missing.groupby(["protocol", "clip", "dataset", "shots", "method", "reason"], sort=False)
        .agg(seeds=("seed", lambda seeds: seeds_text(sorted(seeds))), command=("command", "first"))
        .reset_index()
    )


def _table(rows: pd.DataFrame, name: str) -> dict[str, object]:
    names = _COLUMNS[name].split()
    return {
        "columns": names,
        "rows": [[_plain(value) for value in row] for row in rows[names].itertuples(index=False)],
    }


def _plain(value: object) -> object:
    """As JSON has it: NaN as None, numbers rounded."""
    if isinstance(value, tuple | str):
        return value
    if not isinstance(value, Real) or isnan(value):
        return None
    return round(float(value), _DIGITS) if value % 1 else int(value)


def _flags(scores: pd.DataFrame) -> list[str]:
    found = [*scores["flags"], *scores["published_flags"]]
    return list(dict.fromkeys(flag for flags in found for flag in flags))


def _different(values: pd.Series) -> list:
    return values.drop_duplicates().tolist()
