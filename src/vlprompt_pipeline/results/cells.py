"""Finished cells as scores and answers: what a method said of each test image, checked.

Of a predictions file only four columns are read, and of it are kept one byte an image and a digest
of the images' paths and labels. Two methods were scored on the same images if their digests agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vlprompt_pipeline.results.groups import GroupKey, Problem, cause_of, group_key
from vlprompt_pipeline.results.records import Cell, CellRecord, MethodResult, Score

Predictions = Mapping[str, Callable[[], pd.DataFrame]]
"""Loaders by place, as a partitioned dataset hands them out; with `COLUMNS` at least."""
COLUMNS = ("half", "path", "label", "prediction")


@dataclass(frozen=True)
class Answers:
    """Right or wrong for each test image, `[images]`, and which images these were, in order."""

    right: npt.NDArray[np.bool_]
    images: str


class Part(NamedTuple):
    """A set of test images that a method has one score on.

    `half` is `base` or `new`, `generalised_base` or `generalised_new` where these were told apart
    among all classes, or empty in a protocol on all classes.
    """

    dataset: str
    half: str


@dataclass(frozen=True)
class Scored:
    """The score on a part, and the answers behind it where they are on disk and agree with it."""

    score: Score
    answers: Answers | None


@dataclass(frozen=True)
class Result:
    """One method in one cell."""

    place: str
    key: GroupKey
    seed: int
    method: MethodResult
    parts: Mapping[Part, Scored]

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return self.method.method


class _Expected(NamedTuple):
    """A part, the file that its answers are in and the name of its half there."""

    part: Part
    score: Score
    file: str
    half: str


def cell_place(clip: str, dataset: str, protocol: str, shots: int, seed: int, method: str) -> str:
    """Where the catalog keeps a method of a cell, below each layer's folder."""
    return f"{clip}/{dataset}/{protocol}/shots{shots}/seed{seed}/{method}"


def place_of(cell: Cell, method: str) -> str:
    """`cell_place` of a record's cell."""
    return cell_place(cell.clip, cell.dataset, cell.protocol, cell.shots, cell.seed, method)


def read_results(
    records: list[CellRecord], predictions: Predictions
) -> tuple[list[Result], list[Problem]]:
    """The methods of all records with their answers.

    A predictions file that is not there, cannot be read or contradicts its record is named among
    the problems; the scores of the record stand without it.
    """
    results, problems = [], []
    for record in records:
        key = group_key(record)
        for method in record.methods:
            place = place_of(record.cell, method.method)
            expected = list(_expected(key, method, place))
            answers: dict[tuple[str, str], Answers] = {}
            for file in dict.fromkeys(one.file for one in expected):
                halves = {one.half: one.score for one in expected if one.file == file}
                found = _read_answers(predictions.get(file), halves)
                if isinstance(found, str):
                    problems.append(Problem(file, found))
                else:
                    answers |= {(file, half): value for half, value in found.items()}
            parts = {
                one.part: Scored(one.score, answers.get((one.file, one.half))) for one in expected
            }
            results.append(Result(place, key, record.cell.seed, method, parts))
    return results, problems


def _expected(key: GroupKey, method: MethodResult, place: str) -> Iterator[_Expected]:
    has_new = bool(key.classes[1])
    own = "base" if has_new else ""
    yield _Expected(Part(key.data, own), method.base, place, "base")
    if method.new is not None:
        yield _Expected(Part(key.data, "new"), method.new, place, "new")
    if (both := method.generalised) is not None:
        for half, score in (("generalised_base", both.base), ("generalised_new", both.new)):
            yield _Expected(Part(key.data, half), score, place, half)
    for (target, _, _, mark), score in zip(key.targets, method.targets, strict=False):
        name = f"{target} ({mark})" if mark else target
        yield _Expected(Part(name, ""), score, f"{place}/targets/{target}", "target")


def _read_answers(
    load: Callable[[], pd.DataFrame] | None, halves: Mapping[str, Score]
) -> dict[str, Answers] | str:
    """The answers of each half, or the reason why none of the file's are used."""
    if load is None:
        return "has a record but no predictions; run the cell again"
    try:
        table = load()
        answers = {half: _answers(table[table["half"] == half]) for half in halves}
    except Exception as error:  # a loader may raise anything; the file is named, the rest stands
        return f"predictions cannot be read ({cause_of(error)}); run the cell again"
    for half, score in halves.items():
        right = answers[half].right
        found, recorded = (int(right.sum()), len(right)), (score.correct, score.total)
        if found != recorded:
            return (
                f"its predictions have {found[0]} right of {found[1]} images of {half}, its record "
                f"says {recorded[0]} of {recorded[1]}; run the cell again"
            )
    return answers


def _answers(table: pd.DataFrame) -> Answers:
    label = table["label"].to_numpy(np.int64)
    digest = hashlib.sha256("\0".join(table["path"].to_numpy(object)).encode())
    digest.update(label.tobytes())
    right = table["prediction"].to_numpy(np.int64) == label
    return Answers(right, digest.hexdigest())
