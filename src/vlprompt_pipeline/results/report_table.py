"""One row a method of every dataset that was run: the columns of `report.csv`, full precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from vlprompt_pipeline.results.cells import Result, read_results
from vlprompt_pipeline.results.families import Family, families
from vlprompt_pipeline.results.groups import GroupKey
from vlprompt_pipeline.results.printed import printed
from vlprompt_pipeline.results.records import ZERO_SHOT, CellRecord
from vlprompt_pipeline.results.results import AVERAGE
from vlprompt_pipeline.results.scores import MEAN_OF_H, NAN, Aggregate, Value, aggregates
from vlprompt_pipeline.results.seeds import ACCURACY, ScoreKey, results_by_key
from vlprompt_pipeline.wording import join

_KEY = [
    "protocol",
    "clip",
    "dataset",
    "shots",
    "template_set",
    "weights_sha256",
    "split_sha256",
    "random_split",
]
_SIZES = ("trainable_parameters", "payload_bytes", "file_bytes", "fp16_bytes")
_NOTHING = Value(NAN, (), NAN)
Row = dict[str, object]


def report_table(records: Sequence[CellRecord]) -> pd.DataFrame:
    """Return every dataset's methods, the best first, with what identifies their cells in front.

    `h` is the H of the averages over seeds, `h_std` the spread of the seeds' own H, `delta_*` the
    difference to zero-shot; NaN where there is nothing to say. Only datasets with a published
    figure have `published_*`.
    """
    results, _ = read_results(records, {})
    frames = {
        key: _frame(family, dataset, key, scores)
        for family in families(results)
        for dataset, key, scores in _datasets(family)
    }
    return pd.concat([frames[key] for key in sorted(frames)], ignore_index=True)


def _datasets(
    family: Family,
) -> Iterator[tuple[str, GroupKey, dict[ScoreKey, tuple[list[Result], Mapping[str, Aggregate]]]]]:
    """Yield each dataset and number of shots, with every method's results and scores by dataset."""
    scored = aggregates(family, intervals=False)
    groups: dict[tuple[str, GroupKey], dict[ScoreKey, object]] = defaultdict(dict)
    for key, by_seed in results_by_key(family).items():
        results = list(by_seed.values())
        if key.dataset != results[0].key.data:
            continue  # a target stands in the row of its source
        names = (key.dataset, *family.averaged, AVERAGE) if family.key.source else (key.dataset,)
        on_targets = {name: scored.get(key._replace(dataset=name)) for name in names}
        groups[key.dataset, results[0].key][key] = (results, on_targets)
    for (dataset, group), methods in groups.items():
        yield dataset, group, methods


def _frame(
    family: Family,
    dataset: str,
    group: GroupKey,
    methods: Mapping[ScoreKey, tuple[list[Result], Mapping[str, Aggregate]]],
) -> pd.DataFrame:
    columns = _score_columns(group)
    metrics = dict.fromkeys(
        name
        for results, _ in methods.values()
        for result in results
        for name in result.method.base.metrics
    )
    rows = [
        _row(group, columns, list(metrics), results, scores) for results, scores in methods.values()
    ]
    table = pd.DataFrame(rows)
    zero_shot = table[table["method"] == ZERO_SHOT]
    for mean in columns:
        reference = zero_shot[mean].iloc[0] if len(zero_shot) else NAN
        table[f"delta_{mean.removesuffix('_mean')}"] = table[mean] - reference
    recipes = [results[0].method.method for results, _ in methods.values()]
    table = _with_published(table, recipes, family, dataset, group, columns)
    best = next((mean for mean in reversed(columns) if table[mean].notna().any()), "base_mean")
    table = table.sort_values(best, ascending=False, kind="stable", ignore_index=True)
    for position, name in enumerate(_KEY):
        table.insert(position, name, getattr(group, name))
    return table


def _score_columns(group: GroupKey) -> dict[str, tuple[str, str]]:
    """Say where each accuracy of the table comes from, by its column: dataset and metric."""
    if group.classes[1]:
        return {"base_mean": ("", "base"), "new_mean": ("", "new"), "h": ("", "h")}
    marked = {t: f"{t} ({mark})" if mark else t for t, _, _, mark in group.targets}
    on = {**marked, "average": AVERAGE} if marked else {}
    return {"base_mean": ("", ACCURACY)} | {
        f"on_{name}_mean": (dataset, ACCURACY) for name, dataset in on.items()
    }


def _row(
    group: GroupKey,
    columns: Mapping[str, tuple[str, str]],
    metrics: Sequence[str],
    results: Sequence[Result],
    scores: Mapping[str, Aggregate],
) -> Row:
    values = scores[group.data].values
    seeds = [result.seed for result in results]
    row: Row = {"method": results[0].name, "title": results[-1].title}
    row |= {"seeds": join(seeds), "n_seeds": len(seeds)}
    if group.classes[1]:
        row |= _base_new_h(values, "")
        row |= _base_new_h(values, "generalised_")
    else:
        for column, (dataset, metric) in columns.items():
            aggregate = scores[dataset or group.data]
            value = aggregate.values.get(metric, _NOTHING) if aggregate else _NOTHING
            row |= {column: value.mean, f"{column.removesuffix('_mean')}_std": value.std}
    # A file's metadata may differ by a few bytes from seed to seed: the largest is what may ship.
    row |= {size: max(getattr(result.method, size) for result in results) for size in _SIZES}
    costs = [result.method.inference_cost for result in results]
    row["inference_cost"] = NAN if None in costs else sum(costs) / len(costs)
    for half in ("base", "new") if group.classes[1] else ("",):
        for name in metrics:
            value = values.get(f"{half}_{name}" if half else name, _NOTHING)
            row[f"{half or 'base'}_{name}"] = value.mean
    return row


def _base_new_h(values: Mapping[str, Value], kind: str) -> Row:
    base, new, h = (values.get(f"{kind}{name}", _NOTHING) for name in ("base", "new", "h"))
    both = values.get(MEAN_OF_H, _NOTHING) if not kind else _mean_of_seeds(h)
    return {
        f"{kind}base_mean": base.mean,
        f"{kind}base_std": base.std,
        f"{kind}new_mean": new.mean,
        f"{kind}new_std": new.std,
        f"{kind}h": h.mean,
        f"{kind}h_mean_of_seeds": both.mean,
        f"{kind}h_std": h.std,
    }


def _mean_of_seeds(h: Value) -> Value:
    return h._replace(mean=sum(h.per_seed) / len(h.per_seed)) if h.per_seed else _NOTHING


def _with_published(
    table: pd.DataFrame,
    recipes: Sequence[str],
    family: Family,
    dataset: str,
    group: GroupKey,
    columns: Mapping[str, tuple[str, str]],
) -> pd.DataFrame:
    """Add the figures of each row's recipe in the same protocol, CLIP and split."""
    if group.random_split:
        return table
    printed_figures = {
        mean: [
            printed(family, name or dataset, group.shots, recipe, metric, NAN) for recipe in recipes
        ]
        for mean, (name, metric) in columns.items()
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
