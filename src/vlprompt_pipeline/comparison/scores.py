"""Scores of a family over seeds: means, both standard deviations, bootstrap intervals, averages."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlprompt_pipeline.comparison.cells import Part, Result, Scored
from vlprompt_pipeline.comparison.families import Family
from vlprompt_pipeline.comparison.results import AVERAGE
from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.evaluation.records import Score
from vlprompt_pipeline.evaluation.statistics import Interval, accuracy_interval, h_interval

NAN = float("nan")
HARMONIC = {
    "h": ("base", "new"),
    "generalised_h": ("generalised_base", "generalised_new"),
}
"""The harmonic means and the accuracies they are of."""
FURTHER = {
    "top5": "top5_accuracy",
    "macro_f1": "macro_f1",
    "calibration_error": "calibration_error",
}
"""Metrics beside accuracy by their field of a record's score."""


class Place(NamedTuple):
    """What a score is of, within a family."""

    dataset: str
    shots: int
    method: str


class Value(NamedTuple):
    """A metric over seeds; `per_seed` ascend by seed, empty if they make no mean of their own."""

    mean: float
    per_seed: tuple[float, ...]
    interval: Interval = Interval(NAN, NAN)
    images: float = NAN

    @property
    def std(self) -> float:
        """Of the population over seeds, as the literature prints."""
        return float(np.std(self.per_seed)) if self.per_seed else NAN

    @property
    def sample_std(self) -> float:
        """With n - 1."""
        return float(np.std(self.per_seed, ddof=1)) if len(self.per_seed) > 1 else NAN


class Aggregate(NamedTuple):
    """All metrics of a method on a dataset, and the seeds they are over."""

    seeds: tuple[int, ...]
    values: Mapping[str, Value]


def ranking(family: Family) -> str:
    """The metric that orders the methods of a family."""
    if not family.has_new:
        return "accuracy"
    return "h" if any(result.method.new for result in family.results) else "base"


def aggregates(family: Family) -> dict[Place, Aggregate]:
    """Every dataset's scores, then the averages over datasets."""
    found = {
        place: _aggregate(place.dataset, by_seed) for place, by_seed in by_place(family).items()
    }
    return found | dict(_averages(family, found))


def by_place(family: Family) -> dict[Place, dict[int, Result]]:
    """The results behind each dataset's score, by ascending seed."""
    found: dict[Place, dict[int, Result]] = defaultdict(dict)
    for result in family.results:
        for dataset in dict.fromkeys(part.dataset for part in result.parts):
            found[Place(dataset, result.key.shots, result.name)][result.seed] = result
    return dict(found)


def stacked(dataset: str, half: str, results: Sequence[Result]) -> npt.NDArray[np.bool_] | None:
    """Right or wrong, `[seeds, images]`; None unless all seeds were scored on the same images."""
    answers = [result.parts[Part(dataset, half)].answers for result in results]
    if None in answers or len({one.images for one in answers}) > 1:
        return None
    return np.stack([one.right for one in answers])


def _aggregate(dataset: str, by_seed: Mapping[int, Result]) -> Aggregate:
    results = list(by_seed.values())
    values: dict[str, Value] = {}
    for half in _common_halves(dataset, results):
        scored = [result.parts[Part(dataset, half)] for result in results]
        right = stacked(dataset, half, results)
        values[half or "accuracy"] = _over_seeds(
            [one.score.accuracy for one in scored],
            accuracy_interval(right) if right is not None else Interval(NAN, NAN),
            scored[0].score.total,
        )
        if not half.startswith("generalised"):
            values |= _further(half, scored)
    for name, halves in HARMONIC.items():
        if all(half in values for half in halves):
            values |= _harmonic(name, *(values[half] for half in halves))
            rights = [stacked(dataset, half, results) for half in halves]
            if all(right is not None for right in rights):
                values[name] = values[name]._replace(interval=h_interval(*rights))
    return Aggregate(tuple(by_seed), values)


def _common_halves(dataset: str, results: Sequence[Result]) -> Iterator[str]:
    """What every seed was scored on: a mean over some of the seeds would hide which."""
    for part in results[0].parts:
        if part.dataset == dataset and all(part in result.parts for result in results):
            yield part.half


def _over_seeds(values: Sequence[float], interval: Interval, images: float) -> Value:
    return Value(float(np.mean(values)), tuple(values), interval, images)


def _further(half: str, scored: Sequence[Scored]) -> dict[str, Value]:
    """What records have beside accuracy; those of earlier versions have less."""
    found = {}
    for name, field in FURTHER.items():
        values = [_field(one.score, field) for one in scored]
        if None not in values:
            full = f"{half}_{name}" if half else name
            found[full] = _over_seeds(values, Interval(NAN, NAN), scored[0].score.total)
    return found


def _field(score: Score, field: str) -> float | None:
    return getattr(score, field, None)


def _harmonic(name: str, base: Value, new: Value) -> dict[str, Value]:
    """H of the means over seeds; of `h` the mean of the seeds' H, too: the other convention."""
    each = [harmonic_mean(b, n) for b, n in zip(base.per_seed, new.per_seed, strict=True)]
    images = base.images + new.images
    found = {name: Value(harmonic_mean(base.mean, new.mean), tuple(each), images=images)}
    if name == "h" and each:
        found["mean_of_h"] = _over_seeds(each, Interval(NAN, NAN), images)
    return found


def _averages(
    family: Family, found: Mapping[Place, Aggregate]
) -> Iterator[tuple[Place, Aggregate]]:
    """Over the averaged datasets, for methods that have them all; of one dataset there is none."""
    datasets = family.averaged
    if len(datasets) < 2 and not family.key.source:
        return
    rows = dict.fromkeys(Place(AVERAGE, place.shots, place.method) for place in found)
    for place in rows:
        members = [found.get(place._replace(dataset=dataset)) for dataset in datasets]
        if members and None not in members:
            yield place, _average(members)


def _average(members: Sequence[Aggregate]) -> Aggregate:
    """Means over datasets; `h` is the H of them, `mean_of_h` the mean of the datasets' own `h`.

    Over seeds an average varies if all datasets have the same seeds, else nobody can say.
    """
    names = [name for name in members[0].values if name not in HARMONIC and name != "mean_of_h"]
    values = {name: value for name in names if (value := _mean_over(members, name))}
    for name, halves in HARMONIC.items():
        if all(half in values for half in halves):
            values |= _harmonic(name, *(values[half] for half in halves))
    if "h" in values:
        values["mean_of_h"] = _mean_over(members, "h")
    seeds = set().union(*(member.seeds for member in members))
    return Aggregate(tuple(sorted(seeds)), values)


def _mean_over(members: Sequence[Aggregate], name: str) -> Value | None:
    """None if a dataset lacks the metric."""
    each = [member.values.get(name) for member in members]
    if None in each:
        return None
    same = len({member.seeds for member in members}) == 1
    per_seed = np.mean([value.per_seed for value in each], axis=0).tolist() if same else ()
    mean = float(np.mean([value.mean for value in each]))
    return Value(mean, tuple(per_seed), images=math.fsum(value.images for value in each))
