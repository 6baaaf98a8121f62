"""A comparison as the JSON that its page draws: tables column by column, as short as may be.

A table is `{"rows": n, "columns": {name: column}}`. A column is one of

- `{"all": value}`: the same in every row;
- `{"of": values, "at": indices}`, or `{"of": values, "runs": [index, rows, index, rows, …]}`;
- `{"scale": s, "int": numbers}`: values times s, null where there is none;
- `{"plain": values}`.

Scores and tests have a table for each metric. What a script can compute of the rest is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby
from math import isnan

import pandas as pd

from vlprompt_pipeline.reports.sheet import looks_of
from vlprompt_pipeline.results.dataset_names import AVERAGE, dataset_title, ordered_datasets
from vlprompt_pipeline.results.flags import MEANINGS
from vlprompt_pipeline.results.metric_names import lower_is_better, metric_order, metric_title, unit
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.results.verdicts import against, verdict_text
from vlprompt_pipeline.wording import seeds_text

_SCORES = (
    "dataset shots method seeds n_seeds mean std low high images caveats flags published "
    "published_std inside published_source published_flags"
)
_PAIRS = "dataset shots method against difference low high p_value p_holm tests test verdict"
_SIZES = "method trainable_parameters file_bytes"
_MISSING = "protocol clip dataset shots method reason seeds"
_PROVENANCE = (
    "dataset shots seed split_sha256 random_split few_shot_sha256 code_version test_images classes"
)
_PERCENTAGES = ("mean", "std", "low", "high", "published", "published_std", "difference")
_SCALES = dict.fromkeys((*_PERCENTAGES, "per_seed"), 100_000)
_SCALES |= dict.fromkeys(("p_value", "p_holm"), 10_000_000)
"""How many parts of one are kept: so many that what is shown is rounded once, by the page."""
_BESIDE = {"mean_of_h"}
"""Metrics that stand beside another in its table, not in one of their own."""
_SCATTERED = {"base", "new"}
"""Metrics of which every seed is drawn."""


def payload(comparison: Comparison) -> dict[str, object]:
    """Return what the page's scripts read.

    Datasets and methods are in the order of the scores, but first the average and the source.
    """
    scores = comparison.scores
    titles = {
        method: " / ".join(dict.fromkeys(" / ".join(each).split(" / ")))  # of all tables, each once
        for method, each in scores.groupby("method", sort=False)["title"]
    }
    looks = looks_of(titles)
    classes = list(
        dict.fromkeys(
            comparison.provenance[["base_classes", "new_classes"]].itertuples(False, None)
        )
    )
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
            metric: {
                "title": metric_title(metric),
                "lower": lower_is_better(metric),
                "unit": unit(metric),
            }
            for metric in _different(scores["metric"])
        },
        "flags": {flag: MEANINGS[flag] for flag in _flags(scores)},
        "classes": classes,
        "families": [
            _family(comparison, row, classes) for row in comparison.families.to_dict("records")
        ],
        "missing": table(missing_cells(comparison.missing), _MISSING),
    }


def _family(
    comparison: Comparison, about: dict[str, object], classes: list[object]
) -> dict[str, object]:
    """Return one family.

    What it is, its choices in order (datasets with their titles), its tables.
    """
    name, source = about["family"], about["source"]
    scores, pairs = comparison.of(name), comparison.of(name, "pairs")
    datasets = ordered_datasets(scores["dataset"], source)
    methods = _different(scores["method"])
    scores = _in_order(scores.assign(seeds=scores["seeds"].map(seeds_text)), datasets, methods)
    provenance = comparison.of(name, "provenance")
    lists = provenance[["base_classes", "new_classes"]].itertuples(False, None)
    return {
        "name": name,
        "protocol": about["protocol"],
        "clip": about["clip"],
        "source": source,
        "ranking": about["ranking"],
        "curves": bool(about["shots"] == 0),
        "methods": methods,
        "method_titles": dict(zip(scores["method"], scores["title"], strict=True)),
        "datasets": [(dataset, dataset_title(dataset, source)) for dataset in datasets],
        "metrics": sorted(set(scores["metric"]) - _BESIDE, key=metric_order),
        "shots": sorted(_different(scores["shots"])),
        "verdicts": _verdicts(pairs, about["ranking"], datasets[0]),
        "scores": {
            metric: table(rows, f"{_SCORES} per_seed" if metric in _SCATTERED else _SCORES)
            for metric, rows in scores.groupby("metric", sort=False)
        },
        "pairs": {
            metric: table(rows, _PAIRS)
            for metric, rows in _in_order(pairs, datasets, methods).groupby("metric", sort=False)
        },
        "sizes": table(comparison.of(name, "sizes"), _SIZES),
        "provenance": table(
            provenance.assign(classes=[classes.index(each) for each in lists]), _PROVENANCE
        ),
    }


def _verdicts(pairs: pd.DataFrame, ranking: str, dataset: str) -> dict[str, dict[str, str]]:
    """Return each method's verdict against zero-shot on a dataset in words, by shots."""
    tests = against(pairs, ZERO_SHOT)
    tests = tests[tests["metric"].eq(ranking) & tests["dataset"].eq(dataset)]
    return {
        str(shots): {test["method"]: verdict_text(test) for test in rows.to_dict("records")}
        for shots, rows in tests.groupby("shots")
    }


def missing_cells(missing: pd.DataFrame) -> pd.DataFrame:
    """Make a row for all seeds that are missing for the same reason, with one command for them."""
    alike = ["protocol", "clip", "dataset", "shots", "method", "reason"]
    rows = missing.groupby(alike, sort=False).agg({"seed": sorted, "command": "first"})
    commands = [
        re.sub(r"--seeds=\d+", f"--seeds={','.join(map(str, seeds))}", command, count=1)
        for seeds, command in rows.itertuples(index=False)
    ]
    return rows.assign(seeds=rows["seed"].map(seeds_text), command=commands).reset_index()


def table(rows: pd.DataFrame, columns: str) -> dict[str, object]:
    """Return some columns of a table, each encoded in the shortest way."""
    return {
        "rows": len(rows),
        "columns": {name: _column(name, rows[name].tolist()) for name in columns.split()},
    }


def _column(name: str, values: list) -> dict[str, object]:
    if name in _SCALES:
        plain = [_scaled(value, _SCALES[name]) for value in values]
        ways = [{"scale": _SCALES[name], "int": plain}]
        if any(value is not None for value in plain):
            return ways[0]
    else:
        plain = [None if isinstance(value, float) and isnan(value) else value for value in values]
        ways = [{"plain": plain}]
    unique = list(dict.fromkeys(plain))
    if len(unique) == 1:
        return {"all": unique[0]}
    index = {value: number for number, value in enumerate(unique)}
    at = [index[value] for value in plain]
    runs = [part for value, run in groupby(at) for part in (value, len(list(run)))]
    ways += [{"of": unique, "at": at}, {"of": unique, "runs": runs}]
    return min(ways, key=lambda way: len(json.dumps(way, ensure_ascii=False)))


def _scaled(value: object, scale: int) -> object:
    if isinstance(value, tuple):
        return tuple(_scaled(item, scale) for item in value)
    return None if isnan(value) else round(scale * value)


def _in_order(rows: pd.DataFrame, datasets: Sequence[str], methods: Sequence[str]) -> pd.DataFrame:
    """Sort rows so that neighbours have much in common."""
    ranks = {
        column: {name: rank for rank, name in enumerate(names)}
        for column, names in (("dataset", datasets), ("method", methods))
    }
    by = ["shots", *ranks]
    return rows.sort_values(by, key=lambda values: values.map(ranks.get(values.name, int)))


def _flags(scores: pd.DataFrame) -> list[str]:
    flags = [*scores["flags"], *scores["published_flags"]]
    return list(dict.fromkeys(flag for each in flags for flag in each))


def _different(values: pd.Series) -> list:
    return values.drop_duplicates().tolist()
