"""Averages over datasets, in both conventions of H, for methods that ran on all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.results.published import DATASETS, published, published_protocol
from vlprompt_pipeline.wording import join, readable, seeds_text, shots_text


@dataclass(frozen=True)
class Average:
    """Means over the datasets of one (protocol, CLIP weights, shots, template set).

    Attributes:
        conditions: for instance "base to new, 16 shots, seeds 1–3".
        datasets: what the means are over.
        table: one row a method with `method, title, base_mean` and, with new classes, `new_mean,
            h, mean_of_h`, all in percent: `h` is the H of the averages (the published convention),
            `mean_of_h` the mean of the datasets' H. Over the 11 published datasets there is
            `published_h` too. By descending H (accuracy).
        left_out: titles of the methods that lack a dataset and so have no average.
    """

    conditions: str
    datasets: tuple[str, ...]
    table: pd.DataFrame
    left_out: tuple[str, ...]


def averages(summaries: Sequence[Summary]) -> list[Average]:
    """One average for each family of at least two datasets.

    A family in which a dataset stands twice, with different splits say, has no average: nobody
    could say which of the two is meant. Nor has a family with targets, which has averages already.
    """
    families: dict[tuple[object, ...], list[Summary]] = defaultdict(list)
    for summary in summaries:
        if summary.group.targets:
            continue
        key = summary.group.key
        family = (key.protocol, key.clip, key.weights_sha256, key.shots, key.template_set)
        families[*family, summary.has_new].append(summary)
    found = [
        _average(members)
        for members in families.values()
        if len(members) > 1 and len({one.group.key.dataset for one in members}) == len(members)
    ]
    return [average for average in found if len(average.table)]


def _average(members: list[Summary]) -> Average:
    key = members[0].group.key
    rows: dict[str, list[dict[str, object]]] = defaultdict(list)
    for summary in members:
        for row in summary.table.to_dict("records"):
            rows[row["method"]].append(row)
    datasets = tuple(summary.group.key.data for summary in members)
    official = published_protocol(key.protocol, key.clip, key.dataset, key.shots)
    comparable = official if set(datasets) == DATASETS else None
    complete = [_row(found, comparable) for found in rows.values() if len(found) == len(members)]
    return Average(
        conditions=join([readable(key.protocol), shots_text(key.shots), _seeds(members)]),
        datasets=datasets,
        table=_ranked(pd.DataFrame(complete), members[0].ranking.mean),
        left_out=tuple(found[0]["title"] for found in rows.values() if len(found) < len(members)),
    )


def _ranked(table: pd.DataFrame, score: str) -> pd.DataFrame:
    if table.empty:
        return table
    return table.sort_values(score, ascending=False, kind="stable", ignore_index=True)


def _seeds(members: list[Summary]) -> str:
    seeds = {summary.group.seeds for summary in members}
    return seeds_text(*seeds) if len(seeds) == 1 else "not the same seeds on all datasets"


def _row(found: list[dict[str, object]], official: str | None) -> dict[str, object]:
    """The means of one method; `official` names the published protocol to compare with, if any."""
    base = [row["base_mean"] for row in found]
    result: dict[str, object] = {key: found[0][key] for key in ("method", "title")}
    result["base_mean"] = sum(base) / len(base)
    if "new_mean" in found[0]:
        new = [row["new_mean"] for row in found]
        result["new_mean"] = sum(new) / len(new)
        result["h"] = metrics.h_of_averages(base, new)
        result["mean_of_h"] = sum(row["h"] for row in found) / len(found)
        if official:
            printed = published(official, result["method"], "average")
            result["published_h"] = printed["H"][0] if "H" in printed else float("nan")
    return result
