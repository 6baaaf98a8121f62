"""What was printed of the same protocol, dataset and method, and how far ours is from it."""

from __future__ import annotations

from functools import cache
from math import nan
from operator import itemgetter
from typing import NamedTuple

from vlprompt_pipeline.protocols import PROTOCOLS
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.published import (
    published,
    published_name,
    published_protocol,
    rows_of,
)

_METRICS = {"base": "base", "new": "new", "h": "H", "accuracy": "acc"}


class Variation(NamedTuple):
    """A mean and the standard deviation that was printed with it."""

    mean: float
    std: float


class Printed(NamedTuple):
    """A published figure beside ours, the fields named as the columns of `Comparison.scores`."""

    published: float = nan
    published_std: float = nan
    delta: float = nan
    inside: str = ""
    published_source: str = ""


def printed(
    family: Family, dataset: str, shots: int, method: str, metric: str, mean: float
) -> Printed:
    """Find the figure of the same protocol, CLIP, data and method; else an empty `Printed`.

    An own random split has none, nor has an average over other datasets than the published one's.
    """
    protocol = _protocol(family, dataset, shots)
    if protocol is None or metric not in _METRICS:
        return Printed()
    name = _METRICS[metric]
    value, source = published(protocol, method, dataset).get(name, (nan, ""))
    if not source:
        return Printed()
    stated = stated_variation(protocol, published_name(method), dataset, name)
    return Printed(value, stated.std if stated else nan, mean - value, inside(mean, stated), source)


def inside(mean: float, stated: Variation | None) -> str:
    """Tell whether a mean is within one printed standard deviation of the printed mean."""
    if stated is None:
        return "not stated"
    return "yes" if abs(mean - stated.mean) <= stated.std else "no"


def stated_variation(protocol: str, method: str, dataset: str, metric: str) -> Variation | None:
    """Return the variation printed for a method, all names as in `published_results.csv`.

    The mean may differ from that of the published table: it is of another printing.
    """
    return _stated().get((protocol, method, dataset, metric))


def _protocol(family: Family, dataset: str, shots: int) -> str | None:
    key = family.key
    trained_on = key.source or dataset
    if dataset == AVERAGE:
        protocol = PROTOCOLS.get(key.protocol)
        if protocol is None or frozenset(family.averaged) != protocol.published_average:
            return None
        trained_on = key.source or "imagenet"  # any of them: all have figures
    return published_protocol(key.protocol, key.clip, trained_on, shots)


@cache
def _stated() -> dict[tuple[str, ...], Variation]:
    key = itemgetter("protocol", "method", "dataset", "metric")
    rows = rows_of("stated_variation.csv")
    return {key(row): Variation(float(row["mean"]), float(row["std"])) for row in rows}
