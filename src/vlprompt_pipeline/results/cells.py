"""Finished cells as scores, and which test images each method predicts correctly, checked.

Only four columns of a predictions file are read; kept are one byte an image, and a digest of the
images' paths and labels. Two methods were scored on the same images if their digests agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.dataset_names import marked
from vlprompt_pipeline.results.groups import GroupKey, Problem, cause_of, group_key
from vlprompt_pipeline.results.records import CellRecord, MethodResult, Score
from vlprompt_pipeline.results.variants import find_variants

Predictions = Mapping[str, Callable[[], pd.DataFrame]]
"""Loaders by partition, as a partitioned dataset hands them out; with `COLUMNS` at least."""
COLUMNS = ("half", "path", "label", "prediction")


@dataclass(frozen=True)
class StoredResults:
    """All results on disk: loaders of their records and predictions, by partition."""

    records: Mapping[str, Callable[[], object]]
    predictions: Predictions


@dataclass(frozen=True)
class Correctness:
    """Whether each test image is predicted correctly.

    Attributes:
        correct: `[images]`.
        images: digest of which images these are, in order.
    """

    correct: npt.NDArray[np.bool_]
    images: str


class ImageSet(NamedTuple):
    """A set of test images that a method has one score on.

    `half` is `base` or `new`, `generalised_base` or `generalised_new` where these were classified
    among all classes, or empty in a protocol on all classes. `classes` is how many are told apart.
    """

    dataset: str
    half: str
    classes: int


@dataclass(frozen=True)
class Scored:
    """A score, and the predictions behind it where they are on disk and agree with it."""

    score: Score
    correctness: Correctness | None


@dataclass(frozen=True)
class Result:
    """One method in one cell.

    `name` and `title` are what its row in every table is called: settings of one method that must
    not be averaged need names of their own here, and nowhere else.
    """

    partition: str
    key: GroupKey
    seed: int
    method: MethodResult
    sets: Mapping[ImageSet, Scored]
    variant: str = ""

    @property
    def name(self) -> str:
        """Name of the recipe, with what it differs by from the results of other seeds."""
        return f"{self.method.method} ({self.variant})" if self.variant else self.method.method

    @property
    def title(self) -> str:
        """Title of the recipe, likewise."""
        return f"{self.method.title} ({self.variant})" if self.variant else self.method.title


class _Expected(NamedTuple):
    """A set of images, the file that its predictions are in and the name of its half there."""

    images: ImageSet
    score: Score
    file: str
    half: str


def read_results(
    records: list[CellRecord], predictions: Predictions
) -> tuple[list[Result], list[Problem]]:
    """Return the methods of all records with their predictions.

    A predictions file that is not there, cannot be read or contradicts its record is named among
    the problems; the scores of the record stand without it.
    """
    results, problems = [], []
    variants = find_variants(records)
    for record in records:
        key = group_key(record)
        for method in record.methods:
            partition = Coordinates.of(record.cell, method.method).partition
            expected = list(_expected(key, method, partition))
            predicted: dict[tuple[str, str], Correctness] = {}
            for file in dict.fromkeys(e.file for e in expected):
                halves = {e.half: e.score for e in expected if e.file == file}
                checked = _read_correctness(predictions.get(file), halves)
                if isinstance(checked, str):
                    problems.append(Problem(file, checked))
                else:
                    predicted |= {(file, half): value for half, value in checked.items()}
            sets = {e.images: Scored(e.score, predicted.get((e.file, e.half))) for e in expected}
            seed = record.cell.seed
            variant = variants.get((key, seed, method.method), "")
            results.append(Result(partition, key, seed, method, sets, variant))
    return results, problems


def _expected(key: GroupKey, method: MethodResult, partition: str) -> Iterator[_Expected]:
    base, new = map(len, key.classes)
    first = ImageSet(key.data, "base" if new else "", base)
    yield _Expected(first, method.base, partition, "base")
    if method.new is not None:
        yield _Expected(ImageSet(key.data, "new", new), method.new, partition, "new")
    if (both := method.generalised) is not None:
        for half, score in (("generalised_base", both.base), ("generalised_new", both.new)):
            yield _Expected(ImageSet(key.data, half, base + new), score, partition, half)
    for (target, classes, _, mark), score in zip(key.targets, method.targets, strict=False):
        images = ImageSet(marked(target, mark), "", classes)
        yield _Expected(images, score, f"{partition}/targets/{target}", "target")


def _read_correctness(
    load: Callable[[], pd.DataFrame] | None, halves: Mapping[str, Score]
) -> dict[str, Correctness] | str:
    """Return the predictions of each half, or the reason why none of the file's are used."""
    if load is None:
        return "has a record but no predictions; run the cell again"
    try:
        table = load()
        predicted = {half: _correctness(table[table["half"] == half]) for half in halves}
    except Exception as error:  # a loader may raise anything; the file is named, the rest stands
        return f"predictions cannot be read ({cause_of(error)}); run the cell again"
    for half, score in halves.items():
        correct = predicted[half].correct
        counted, recorded = (int(correct.sum()), len(correct)), (score.correct, score.total)
        if counted != recorded:
            return (
                f"its predictions have {counted[0]} correct of {counted[1]} images of {half}, its "
                f"record says {recorded[0]} of {recorded[1]}; run the cell again"
            )
    return predicted


def _correctness(table: pd.DataFrame) -> Correctness:
    label = table["label"].to_numpy(np.int64)
    digest = hashlib.sha256("\0".join(table["path"].to_numpy(object)).encode())
    digest.update(label.tobytes())
    correct = table["prediction"].to_numpy(np.int64) == label
    return Correctness(correct, digest.hexdigest())
