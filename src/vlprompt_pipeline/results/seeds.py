"""The results of a family by what they are a score of, ready to be averaged or compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlprompt_pipeline.results.cells import Part, Result
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.results import AVERAGE

Right = npt.NDArray[np.bool_]
ACCURACY = "accuracy"
HARMONIC = {
    "h": ("base", "new"),
    "generalised_h": ("generalised_base", "generalised_new"),
}
"""The harmonic means and the accuracies they are of."""


class Place(NamedTuple):
    """What a score is of, within a family."""

    dataset: str
    shots: int
    method: str


Places = Mapping[Place, Mapping[int, Result]]
"""The results behind each dataset's score, by ascending seed."""


def places(family: Family) -> Places:
    """All datasets of a family, without averages."""
    found: dict[Place, dict[int, Result]] = defaultdict(dict)
    for result in family.results:
        for dataset in dict.fromkeys(part.dataset for part in result.parts):
            found[Place(dataset, result.key.shots, result.name)][result.seed] = result
    return dict(found)


def averages(family: Family, known: Collection[Place]) -> dict[Place, tuple[Place, ...]]:
    """What each average is over: all averaged datasets, for methods that have them.

    A single dataset has no average, but a single target has, since averages order the methods.
    """
    datasets = family.averaged
    if not datasets or (len(datasets) == 1 and not family.key.source):
        return {}
    members = {
        place._replace(dataset=AVERAGE): tuple(place._replace(dataset=name) for name in datasets)
        for place in known
    }
    return {place: own for place, own in members.items() if all(one in known for one in own)}


def parts_of(dataset: str, results: Sequence[Result]) -> dict[str, Part]:
    """What all of the results have a score on, by the name of its accuracy.

    A mean over some of the seeds would hide which.
    """
    return {
        part.half or ACCURACY: part
        for part in results[0].parts
        if part.dataset == dataset and all(part in result.parts for result in results)
    }


def rights(dataset: str, results: Sequence[Result]) -> dict[str, Right]:
    """Right or wrong, `[results, images]`, by the name of the accuracy.

    Only what all results have predictions of, and of the same images in the same order.
    """
    found = {}
    for name, part in parts_of(dataset, results).items():
        answers = [result.parts[part].answers for result in results]
        if None not in answers and len({one.images for one in answers}) == 1:
            found[name] = np.stack([one.right for one in answers])
    return found
