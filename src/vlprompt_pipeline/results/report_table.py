"""One row a method of every dataset that was run: the columns of `report.csv`, full precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import nan
from typing import NamedTuple

import pandas as pd

from vlprompt_pipeline.results.cells import Result, read_results
from vlprompt_pipeline.results.dataset_names import AVERAGE, marked
from vlprompt_pipeline.results.families import Family, families
from vlprompt_pipeline.results.groups import GroupKey
from vlprompt_pipeline.results.printed import printed
from vlprompt_pipeline.results.records import ZERO_SHOT, CellRecord
from vlprompt_pipeline.results.scores import Aggregate, Value, aggregates
from vlprompt_pipeline.results.seeds import ACCURACY, results_by_key
from vlprompt_pipeline.wording import join

_KEY = "protocol clip dataset shots template_set weights_sha256 split_sha256 random_split"
_SIZES = ("trainable_parameters", "payload_bytes", "file_bytes", "fp16_bytes")
_NOTHING = Value(nan, (), nan)
Row = dict[str, object]


class _Method(NamedTuple):
    """A method on one dataset: its results by seed, and its scores here, on targets, on average."""

    results: Sequence[Result]
    scores: Mapping[str, Aggregate]


def report_table(records: Sequence[CellRecord]) -> pd.DataFrame:
    """Return every dataset's methods, the best first, with what identifies their cells in front.

    `h` is the H of the averages over seeds, `h_std` the spread of the seeds' own H, `delta_*` the
    difference to zero-shot; NaN where there is nothing to say. Only datasets with a published
    figure have `published_*`.
    """
    results, _ = read_results(records, {})
    frames = {
        group: _frame(family, group, methods)
        for family in families(results)
        for group, methods in _groups(family).items()
    }
    return pd.concat([frames[group] for group in sorted(frames)], ignore_index=True)


def _groups(family: Family) -> dict[GroupKey, list[_Method]]:
    """Return the methods of each dataset and number of shots."""
    scored = aggregates(family, intervals=False)
    groups: dict[GroupKey, list[_Method]] = defaultdict(list)
    for key, by_seed in results_by_key(family).items():
        results = list(by_seed.values())
        group = results[0].key
        if key.dataset == group.data:  # a target stands in the row of its source
            keys = [key._replace(dataset=name) for name in (*family.datasets, AVERAGE)]
            scores = {each.dataset: scored[each] for each in keys if each in scored}
            groups[group].append(_Method(results, scores))
    return groups


def _frame(family: Family, group: GroupKey, methods: Sequence[_Method]) -> pd.DataFrame:
    columns = _score_columns(group)
    metrics = dict.fromkeys(
        name
        for method in methods
        for result in method.results
        for name in result.method.base.metrics
    )
    rows = [_row(group, columns, list(metrics), method) for method in methods]
    table = pd.DataFrame(rows)
    zero_shot = table[table["method"] == ZERO_SHOT]
    for mean in columns:
        reference = zero_shot[mean].iloc[0] if len(zero_shot) else nan
        table[f"delta_{mean.removesuffix('_mean')}"] = table[mean] - reference
    recipes = [method.results[0].method.method for method in methods]
    table = _with_published(table, recipes, family, group, columns)
    best = next(mean for mean in reversed(columns) if table[mean].notna().any())
    table = table.sort_values(best, ascending=False, kind="stable", ignore_index=True)
    for position, name in enumerate(_KEY.split()):
        table.insert(position, name, getattr(group, name))
    return table


def _score_columns(group: GroupKey) -> dict[str, tuple[str, str]]:
    """Return the dataset and metric of each accuracy of the table, by its column."""
    dataset = group.data
    if group.classes[1]:
        return {"base_mean": (dataset, "base"), "new_mean": (dataset, "new"), "h": (dataset, "h")}
    targets = {target: marked(target, mark) for target, _, _, mark in group.targets}
    on = {**targets, "average": AVERAGE} if targets else {}
    return {"base_mean": (dataset, ACCURACY)} | {
        f"on_{name}_mean": (target, ACCURACY) for name, target in on.items()
    }


def _row(
    group: GroupKey,
    columns: Mapping[str, tuple[str, str]],
    metrics: Sequence[str],
    method: _Method,
) -> Row:
    results, scores = method
    values = scores[group.data].values
    seeds = [result.seed for result in results]
    row: Row = {"method": results[0].name, "title": results[-1].title}
    row |= {"seeds": join(seeds), "n_seeds": len(seeds)}
    if group.classes[1]:
        row |= _base_new_h(values, "")
        row |= _base_new_h(values, "generalised_")
    else:
        for column, (dataset, metric) in columns.items():
            value = scores[dataset].values.get(metric, _NOTHING) if dataset in scores else _NOTHING
            row |= {column: value.mean, f"{column.removesuffix('_mean')}_std": value.std}
    # A file's metadata may differ by a few bytes from seed to seed: the largest is what may ship.
    row |= {size: max(getattr(result.method, size) for result in results) for size in _SIZES}
    costs = [result.method.inference_cost for result in results]
    row["inference_cost"] = nan if None in costs else sum(costs) / len(costs)
    for half in ("base", "new") if group.classes[1] else ("",):
        for name in metrics:
            value = values.get(f"{half}_{name}" if half else name, _NOTHING)
            row[f"{half or 'base'}_{name}"] = value.mean
    return row


def _base_new_h(values: Mapping[str, Value], kind: str) -> Row:
    base, new, h = (values.get(f"{kind}{name}", _NOTHING) for name in ("base", "new", "h"))
    return {
        f"{kind}base_mean": base.mean,
        f"{kind}base_std": base.std,
        f"{kind}new_mean": new.mean,
        f"{kind}new_std": new.std,
        f"{kind}h": h.mean,
        f"{kind}h_mean_of_seeds": sum(h.per_seed) / len(h.per_seed) if h.per_seed else nan,
        f"{kind}h_std": h.std,
    }


def _with_published(
    table: pd.DataFrame,
    recipes: Sequence[str],
    family: Family,
    group: GroupKey,
    columns: Mapping[str, tuple[str, str]],
) -> pd.DataFrame:
    """Add the figures of each row's recipe, where there are any (`printed`)."""
    printed_figures = {
        mean: [printed(family, dataset, group.shots, recipe, metric, nan) for recipe in recipes]
        for mean, (dataset, metric) in columns.items()
    }
    sources = [
        list(dict.fromkeys(figure.published_source for figure in row if figure.published_source))
        for row in zip(*printed_figures.values(), strict=True)
    ]
    if not any(sources):
        return table
    figures = {
        f"published_{mean.removesuffix('_mean')}": [figure.published for figure in row]
        for mean, row in printed_figures.items()
    }
    return table.assign(**figures, published_source=["; ".join(names) for names in sources])
