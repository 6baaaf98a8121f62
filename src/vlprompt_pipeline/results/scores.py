"""Scores of a family over seeds: means, both standard deviations, bootstrap intervals, averages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.average_statistics import draw_average, draw_h, interval_of
from vlprompt_pipeline.results.cells import Result, Scored
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.seeds import (
    ACCURACY,
    HARMONIC,
    Place,
    Right,
    averages,
    parts_of,
    places,
    rights,
)
from vlprompt_pipeline.results.statistics import Interval, accuracy_interval, h_interval

NAN = float("nan")
NO_INTERVAL = Interval(NAN, NAN)
MEAN_OF_H = "mean_of_h"


class Value(NamedTuple):
    """A metric over seeds; `per_seed` ascend by seed, empty if nobody can say how it varies."""

    mean: float
    per_seed: tuple[float, ...]
    images: float
    interval: Interval = NO_INTERVAL

    @property
    def std(self) -> float:
        """Of the population over seeds, as the literature prints."""
        return float(np.std(self.per_seed)) if self.per_seed else NAN

    @property
    def sample_std(self) -> float:
        """With n - 1."""
        return float(np.std(self.per_seed, ddof=1)) if len(self.per_seed) > 1 else NAN


class Aggregate(NamedTuple):
    """All metrics of a method on a dataset, and the seeds they are over.

    `tuned` if the recipe had settings for this dataset alone, or for one of an average's.
    """

    seeds: tuple[int, ...]
    values: Mapping[str, Value]
    tuned: bool


def ranking(family: Family) -> str:
    """The metric that orders the methods of a family."""
    if not family.has_new:
        return ACCURACY
    return "h" if any(result.method.new for result in family.results) else "base"


def aggregates(family: Family) -> dict[Place, Aggregate]:
    """Every dataset's scores, then the averages over datasets."""
    known = places(family)
    right = {place: rights(place.dataset, list(own.values())) for place, own in known.items()}
    found = {place: _aggregate(place, own, right[place]) for place, own in known.items()}
    averaged = {
        place: _average([found[one] for one in own], [right[one] for one in own])
        for place, own in averages(family, known).items()
    }
    return found | averaged


def _aggregate(
    place: Place, by_seed: Mapping[int, Result], right: Mapping[str, Right]
) -> Aggregate:
    results = list(by_seed.values())
    values: dict[str, Value] = {}
    for name, part in parts_of(place.dataset, results).items():
        scored = [result.parts[part] for result in results]
        accuracy = _value([one.score.accuracy for one in scored], scored[0].score.total)
        interval = accuracy_interval(right[name]) if name in right else NO_INTERVAL
        values[name] = accuracy._replace(interval=interval)
        values |= _further(part.half, scored)
    for name, halves in _harmonic(values):
        each = values[name].per_seed
        if name == "h":
            values[MEAN_OF_H] = _value(each, values[name].images)
        if all(half in right for half in halves):
            interval = h_interval(*(right[half] for half in halves))
            values[name] = values[name]._replace(interval=interval)
    tuned = any(result.method.tuned_per_dataset for result in results)
    return Aggregate(tuple(by_seed), values, tuned)


def _average(found: Sequence[Aggregate], right: Sequence[Mapping[str, Right]]) -> Aggregate:
    """Means over datasets; `h` is the H of them, `mean_of_h` the mean of the datasets' own `h`."""
    values = {
        name: _mean(found, name)
        for name in found[0].values
        if name not in (*HARMONIC, MEAN_OF_H) and all(name in one.values for one in found)
    }
    draw = np.random.default_rng(0)
    drawn = {
        name: draw_average(draw, [one[name] for one in right])
        for name in values
        if all(name in one for one in right)
    }
    for name, halves in _harmonic(values):
        if name == "h":
            values[MEAN_OF_H] = _mean(found, "h")
        if all(half in drawn for half in halves):
            drawn[name] = draw_h(*(drawn[half] for half in halves))
    for name, scores in drawn.items():
        values[name] = values[name]._replace(interval=interval_of(scores))
    seeds = set().union(*(one.seeds for one in found))
    return Aggregate(tuple(sorted(seeds)), values, any(one.tuned for one in found))


def _value(per_seed: Sequence[float], images: float) -> Value:
    return Value(float(np.mean(per_seed)), tuple(per_seed), images)


def _further(half: str, scored: Sequence[Scored]) -> dict[str, Value]:
    """The metrics beside accuracy that all of the records have."""
    metrics = [one.score.metrics for one in scored]
    return {
        f"{half}_{name}" if half else name: _value(
            [values[name] for values in metrics], scored[0].score.total
        )
        for name in metrics[0]
        if all(name in values for values in metrics)
    }


def _harmonic(values: dict[str, Value]) -> list[tuple[str, tuple[str, str]]]:
    """Add the harmonic means that there are accuracies for, and say which; H of the means."""
    added = []
    for name, halves in HARMONIC.items():
        if not all(half in values for half in halves):
            continue
        base, new = (values[half] for half in halves)
        each = [harmonic_mean(b, n) for b, n in zip(base.per_seed, new.per_seed, strict=True)]
        mean = harmonic_mean(base.mean, new.mean)
        values[name] = Value(mean, tuple(each), base.images + new.images)
        added.append((name, halves))
    return added


def _mean(found: Sequence[Aggregate], name: str) -> Value:
    """Over datasets; over seeds it varies if all datasets have the same, else nobody can say."""
    each = [one.values[name] for one in found]
    same = len({one.seeds for one in found}) == 1
    per_seed = np.mean([value.per_seed for value in each], axis=0).tolist() if same else ()
    mean = float(np.mean([value.mean for value in each]))
    return Value(mean, tuple(per_seed), math.fsum(value.images for value in each))
