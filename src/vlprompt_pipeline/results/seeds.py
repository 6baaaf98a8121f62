"""The results of a family by what they are a score of, ready to be averaged or compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlprompt_pipeline.results.cells import ImageSet, Result
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.families import Family

Correct = npt.NDArray[np.bool_]
ACCURACY = "accuracy"
HARMONIC = {
    "h": ("base", "new"),
    "generalised_h": ("generalised_base", "generalised_new"),
}
"""The harmonic means and the accuracies they are of."""


class ScoreKey(NamedTuple):
    """What a score is of, within a family."""

    dataset: str
    shots: int
    method: str


BySeed = Mapping[int, Result]
"""The results behind one score, by ascending seed."""


def results_by_key(family: Family) -> dict[ScoreKey, BySeed]:
    """Return the results behind each score on a dataset, without averages."""
    by_key: dict[ScoreKey, dict[int, Result]] = defaultdict(dict)
    for result in family.results:
        for dataset in dict.fromkeys(images.dataset for images in result.sets):
            by_key[ScoreKey(dataset, result.key.shots, result.name)][result.seed] = result
    return dict(by_key)


def recoded(results: Iterable[Result]) -> list[str]:
    """Return the metrics that not all of the results were scored with by the same code."""
    codes = [result.method.metric_code for result in results]
    names = dict.fromkeys(name for code in codes for name in code)
    return [name for name in names if len({code.get(name) for code in codes}) > 1]


def averages(family: Family, keys: Collection[ScoreKey]) -> dict[ScoreKey, tuple[ScoreKey, ...]]:
    """Return the scores that each average is over, for methods that have all averaged datasets.

    A single dataset has no average, but a single target has, since averages order the methods.
    """
    datasets = family.averaged
    if not datasets or (len(datasets) == 1 and not family.key.source):
        return {}
    members = {
        key._replace(dataset=AVERAGE): tuple(key._replace(dataset=name) for name in datasets)
        for key in keys
    }
    return {key: parts for key, parts in members.items() if all(part in keys for part in parts)}


def image_sets(dataset: str, results: Sequence[Result]) -> dict[str, ImageSet]:
    """Return the image sets that every one of the results has a score on, by name of the accuracy.

    A mean over only some of the seeds would not tell which ones.
    """
    return {
        images.half or ACCURACY: images
        for images in results[0].sets
        if images.dataset == dataset and all(images in result.sets for result in results)
    }


def correctness(dataset: str, results: Sequence[Result]) -> dict[str, Correct]:
    """Return whether images are predicted correctly, `[results, images]`, by name of the accuracy.

    Only for image sets that all results predicted, the same images in the same order.
    """
    by_name = {}
    for name, images in image_sets(dataset, results).items():
        each = [result.sets[images].correctness for result in results]
        if None not in each and len({hits.images for hits in each}) == 1:
            by_name[name] = np.stack([hits.correct for hits in each])
    return by_name
