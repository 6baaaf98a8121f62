"""Scores of a family over seeds: means, both standard deviations, bootstrap intervals, averages.

Nothing else in the project averages over seeds or datasets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import fsum, nan
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.results.bootstrap import (
    NO_INTERVAL,
    Interval,
    draw_average,
    draw_h,
    interval_of,
)
from vlprompt_pipeline.results.caveats import near_chance, of_images, one_seed
from vlprompt_pipeline.results.cells import ImageSet, Scored
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.seeds import (
    ACCURACY,
    HARMONIC,
    BySeed,
    Correct,
    ScoreKey,
    averages,
    correctness,
    image_sets,
    recoded,
    results_by_key,
)
from vlprompt_pipeline.results.statistics import accuracy_interval, h_interval

MEAN_OF_H = "mean_of_h"


class Value(NamedTuple):
    """A metric over seeds.

    Attributes:
        mean: over seeds, and over datasets where it is an average.
        per_seed: by ascending seed, empty if the spread is unknown.
        images: how many test images it is of.
        interval: bootstrap interval over test images.
        caveats: what makes it say little, see `caveats`.
    """

    mean: float
    per_seed: tuple[float, ...]
    images: float
    interval: Interval = NO_INTERVAL
    caveats: tuple[str, ...] = ()

    @property
    def std(self) -> float:
        """Of the population over seeds, as the literature prints; NaN for one seed."""
        return float(np.std(self.per_seed)) if len(self.per_seed) > 1 else nan

    @property
    def sample_std(self) -> float:
        """With n - 1; NaN for one seed."""
        return float(np.std(self.per_seed, ddof=1)) if len(self.per_seed) > 1 else nan


class Aggregate(NamedTuple):
    """All metrics of a method on a dataset, and the seeds they are over.

    `tuned` if the recipe had settings for this dataset alone, or for one of an average's.
    """

    seeds: tuple[int, ...]
    values: Mapping[str, Value]
    tuned: bool


def ranking(family: Family) -> str:
    """Return the metric that orders the methods of a family."""
    if not any(result.key.classes[1] for result in family.results):  # no class is held out
        return ACCURACY
    return "h" if any(result.method.new for result in family.results) else "base"


def aggregates(family: Family, *, intervals: bool = True) -> dict[ScoreKey, Aggregate]:
    """Score every dataset, then average over datasets; `intervals` takes the time."""
    by_key = results_by_key(family)
    unknown = _unknown_to_clip(by_key)
    correct = {
        key: correctness(key.dataset, list(by_seed.values())) if intervals else {}
        for key, by_seed in by_key.items()
    }
    scored = {
        key: _aggregate(key, by_seed, correct[key], unknown) for key, by_seed in by_key.items()
    }
    averaged = {
        key: _average([scored[part] for part in parts], [correct[part] for part in parts])
        for key, parts in averages(family, by_key).items()
    }
    return scored | averaged


def _unknown_to_clip(by_key: Mapping[ScoreKey, BySeed]) -> set[ImageSet]:
    """Return sets of test images on which zero-shot CLIP is near chance with some seed."""
    return {
        images
        for key, by_seed in by_key.items()
        if key.method == ZERO_SHOT
        for result in by_seed.values()
        for images, scored in result.sets.items()
        if near_chance(scored.score.accuracy, images.classes)
    }


def _aggregate(
    key: ScoreKey, by_seed: BySeed, correct: Mapping[str, Correct], unknown: set[ImageSet]
) -> Aggregate:
    results = list(by_seed.values())
    values: dict[str, Value] = {}
    for name, images in image_sets(key.dataset, results).items():
        scored = [result.sets[images] for result in results]
        total = scored[0].score.total
        caveats = of_images(images, total, unknown) + one_seed(tuple(by_seed))
        interval = accuracy_interval(correct[name]) if name in correct else NO_INTERVAL
        accuracy = _value([score.score.accuracy for score in scored], total, caveats)
        values[name] = accuracy._replace(interval=interval)
        values |= _further(images.half, scored, caveats, recoded(results))
    for name, halves in _harmonic(values):
        each = values[name].per_seed
        if name == "h":
            values[MEAN_OF_H] = _value(each, values[name].images, values[name].caveats)
        if all(half in correct for half in halves):
            interval = h_interval(*(correct[half] for half in halves))
            values[name] = values[name]._replace(interval=interval)
    tuned = any(result.method.tuned_per_dataset for result in results)
    return Aggregate(tuple(by_seed), values, tuned)


def _average(parts: Sequence[Aggregate], correct: Sequence[Mapping[str, Correct]]) -> Aggregate:
    """Return means over datasets.

    `h` is the H of them, `mean_of_h` the mean over the H of each seed on each dataset.
    """
    values = {
        name: _mean(parts, name)
        for name in parts[0].values
        if name not in (*HARMONIC, MEAN_OF_H) and all(name in part.values for part in parts)
    }
    draw = np.random.default_rng(0)
    drawn = {
        name: draw_average(draw, [of_dataset[name] for of_dataset in correct])
        for name in values
        if all(name in of_dataset for of_dataset in correct)
    }
    for name, halves in _harmonic(values):
        if name == "h":
            values[MEAN_OF_H] = _mean(parts, MEAN_OF_H)
        if all(half in drawn for half in halves):
            drawn[name] = draw_h(*(drawn[half] for half in halves))
    for name, scores in drawn.items():
        values[name] = values[name]._replace(interval=interval_of(scores))
    seeds = set().union(*(part.seeds for part in parts))
    return Aggregate(tuple(sorted(seeds)), values, any(part.tuned for part in parts))


def _value(per_seed: Sequence[float], images: float, caveats: tuple[str, ...]) -> Value:
    return Value(float(np.mean(per_seed)), tuple(per_seed), images, caveats=caveats)


def _further(
    half: str, scored: Sequence[Scored], caveats: tuple[str, ...], left_out: Collection[str]
) -> dict[str, Value]:
    """Return the metrics beside accuracy that all of the records have."""
    metrics = [score.score.metrics for score in scored]
    return {
        f"{half}_{name}" if half else name: _value(
            [values[name] for values in metrics], scored[0].score.total, caveats
        )
        for name in metrics[0]
        if name not in left_out and all(name in values for values in metrics)
    }


def _harmonic(values: dict[str, Value]) -> list[tuple[str, tuple[str, str]]]:
    """Add the harmonic means that there are accuracies for, and say which; H of the means."""
    added = []
    for name, halves in HARMONIC.items():
        if not all(half in values for half in halves):
            continue
        base, new = (values[half] for half in halves)
        values[name] = Value(
            harmonic_mean(base.mean, new.mean),
            tuple(np.atleast_1d(harmonic_mean(base.per_seed, new.per_seed)).tolist()),
            base.images + new.images,
            caveats=tuple(dict.fromkeys(base.caveats + new.caveats)),
        )
        added.append((name, halves))
    return added


def _mean(parts: Sequence[Aggregate], name: str) -> Value:
    """Average over datasets; the spread is over seeds if all datasets have the same, else NaN."""
    each = [part.values[name] for part in parts]
    same = len({part.seeds for part in parts}) == 1
    per_seed = np.mean([value.per_seed for value in each], axis=0).tolist() if same else ()
    mean = float(np.mean(per_seed or [value.mean for value in each]))
    images = fsum(value.images for value in each)
    caveats = one_seed(sorted({seed for part in parts for seed in part.seeds}))
    return Value(mean, tuple(per_seed), images, caveats=caveats)
