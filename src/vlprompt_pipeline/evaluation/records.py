"""The cell record: what one `kedro run` leaves for the report; reading and grouping of records.

A cell is one (protocol, CLIP, dataset, shots, seed) with several methods. Records that differ only
in the seed form a group, and only the records of one group are ever averaged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from vlprompt_pipeline.evaluation import metrics

SCHEMA_VERSION = 1
ZERO_SHOT = "zero_shot"
"""Name of the method every other is compared with."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Frozen):
    """Right answers among the test images of one set of classes, and how well it knew of them.

    `calibration_error` is the expected calibration error in percent (`metrics.calibration_error`),
    the others are those of `metrics.score_of`; records of earlier versions lack some.
    """

    correct: NonNegativeInt
    total: PositiveInt
    calibration_error: float | None = Field(default=None, ge=0, le=100)
    top5_accuracy: float | None = Field(default=None, ge=0, le=100)
    macro_f1: float | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _within_total(self) -> Self:
        if self.correct > self.total:
            raise ValueError(f"{self.correct} right answers of only {self.total} images")
        return self

    @property
    def accuracy(self) -> float:
        """Percent."""
        return metrics.accuracy(self.correct, self.total)


class Generalised(_Frozen):
    """Test images of base and of new classes, classified among all classes together.

    This is beyond the literature, whose base-to-new scores are among the classes of each half.
    """

    base: Score
    new: Score


class MethodResult(_Frozen):
    """One method in one cell.

    `base` are the classes trained on; in a protocol on all classes all of them, without `new`.
    `generalised` goes with `new`; records of earlier versions lack it.
    `targets` are the scores on the cell's target datasets, in their order. A method that is bound
    to the classes of training has no `new` and no `targets` in any protocol.
    `payload_bytes` are the stored prompt values alone, `file_bytes` the file that ships with all
    its metadata, `fp16_bytes` what the same parameters take unpacked in half precision.
    `inference_cost` is that of one image as a multiple of zero-shot CLIP's. `tuned_per_dataset`
    tells that the recipe holds settings chosen for the dataset, as some official ones do.
    """

    method: str = Field(min_length=1)
    title: str = Field(min_length=1)
    base: Score
    new: Score | None = None
    generalised: Generalised | None = None
    targets: tuple[Score, ...] = ()
    trainable_parameters: NonNegativeInt
    payload_bytes: NonNegativeInt
    file_bytes: PositiveInt
    fp16_bytes: NonNegativeInt
    inference_cost: float | None = Field(default=None, gt=0)
    tuned_per_dataset: bool = False


class Target(_Frozen):
    """Another dataset that prompts are scored on, among its own classes."""

    dataset: str = Field(min_length=1)
    classes: PositiveInt
    split_sha256: str = Field(min_length=1)
    random_split: str = ""


class Cell(_Frozen):
    """What was run, and the fingerprints of everything the figures depend on.

    `random_split` tells of a split that is not the one the data came with, such as "own random
    split, seed 1"; it stands wherever the result is shown.
    """

    protocol: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    shots: PositiveInt
    seed: int
    clip: str = Field(min_length=1)
    weights_sha256: str = Field(min_length=1)
    split_sha256: str = Field(min_length=1)
    random_split: str = ""
    few_shot_sha256: str = Field(min_length=1)
    targets: tuple[Target, ...] = ()
    template_set: str = Field(min_length=1)
    code_version: str = Field(min_length=1)


class Classes(_Frozen):
    """Class names in label order; `new` is empty in a protocol on all classes."""

    base: tuple[str, ...] = Field(min_length=1)
    new: tuple[str, ...] = ()


class CellRecord(_Frozen):
    """The results of all methods of one cell."""

    schema_version: Literal[1] = SCHEMA_VERSION
    cell: Cell
    classes: Classes
    notes: tuple[str, ...] = ()
    methods: tuple[MethodResult, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [result.method for result in self.methods]
        if len(set(names)) < len(names):
            raise ValueError(f"a method is listed twice among {', '.join(names)}")
        for result in self.methods:
            if result.new is not None and not self.classes.new:
                raise ValueError(f"{result.method} has a score on new classes, but there are none")
            if result.generalised is not None and result.new is None:
                raise ValueError(f"{result.method} has generalised scores, but none on new classes")
            if result.targets and len(result.targets) != len(self.cell.targets):
                raise ValueError(f"{result.method} and the list of targets contradict each other")
        return self


class GroupKey(NamedTuple):
    """Everything that must be equal before two results may be averaged."""

    protocol: str
    clip: str
    dataset: str
    shots: int
    template_set: str
    weights_sha256: str
    split_sha256: str
    random_split: str
    classes: tuple[tuple[str, ...], tuple[str, ...]]
    targets: tuple[tuple[str, int, str, str], ...] = ()

    @property
    def data(self) -> str:
        """For instance "demo_counts", or "my_photos (own random split, seed 1)"."""
        return f"{self.dataset} ({self.random_split})" if self.random_split else self.dataset


@dataclass(frozen=True)
class Group:
    """The records of one key, one a seed with all of its methods, by ascending seed."""

    key: GroupKey
    records: tuple[CellRecord, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that any record of the group has."""
        return tuple(record.cell.seed for record in self.records)

    @property
    def has_new(self) -> bool:
        """Whether the protocol holds classes out."""
        return bool(self.key.classes[1])

    @property
    def targets(self) -> tuple[Target, ...]:
        """The datasets that prompts are scored on beside their own."""
        return self.records[0].cell.targets

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of all records, each once, in order."""
        return tuple(dict.fromkeys(note for record in self.records for note in record.notes))


@dataclass(frozen=True)
class Problem:
    """A record that could not be used, by name, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def group_key(record: CellRecord) -> GroupKey:
    """The group a record belongs to."""
    cell = record.cell
    return GroupKey(
        protocol=cell.protocol,
        clip=cell.clip,
        dataset=cell.dataset,
        shots=cell.shots,
        template_set=cell.template_set,
        weights_sha256=cell.weights_sha256,
        split_sha256=cell.split_sha256,
        random_split=cell.random_split,
        classes=(record.classes.base, record.classes.new),
        targets=tuple(
            (target.dataset, target.classes, target.split_sha256, target.random_split)
            for target in cell.targets
        ),
    )


def read_records(
    source: str | Path | Mapping[str, object],
) -> tuple[list[CellRecord], list[Problem]]:
    """Read every record of a folder (`**/*.json`) or of a mapping from name to record.

    Methods of a cell may stand in one record or in several, as they were run.

    A value of the mapping is the parsed JSON or a function without arguments that gives it, as a
    partitioned dataset hands it out. A record that cannot be read, is not a cell record or repeats
    a method of a cell already read is named among the problems; the others stand.
    """
    if isinstance(source, (str, Path)):
        folder = Path(source)
        source = {
            str(path.relative_to(folder)): partial(_load_json, path)
            for path in folder.rglob("*.json")
        }
    records: list[CellRecord] = []
    problems: list[Problem] = []
    first_name: dict[tuple[GroupKey, int, str], str] = {}
    for name in sorted(source):
        record = _read_one(source[name])
        if isinstance(record, str):
            problems.append(Problem(name, record))
            continue
        key, seed = group_key(record), record.cell.seed
        cells = [(key, seed, result.method) for result in record.methods]
        if repeated := next((cell for cell in cells if cell in first_name), None):
            reason = f"repeats {repeated[-1]} in the cell of {first_name[repeated]}, left out"
            problems.append(Problem(name, reason))
            continue
        first_name |= dict.fromkeys(cells, name)
        records.append(record)
    return records, problems


def group_records(records: Iterable[CellRecord]) -> tuple[Group, ...]:
    """Group the records that `read_records` gave, in the order of their keys; one record a seed."""
    groups: dict[GroupKey, dict[int, CellRecord]] = {}
    for record in records:
        seeds, seed = groups.setdefault(group_key(record), {}), record.cell.seed
        seeds[seed] = _merged(seeds[seed], record) if seed in seeds else record
    return tuple(
        Group(key, tuple(seeds[seed] for seed in sorted(seeds)))
        for key, seeds in sorted(groups.items(), key=lambda item: item[0])
    )


def cause_of(error: Exception) -> str:
    """The kind and first line of what a loader failed with, without what a catalog adds to it."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"


def _merged(first: CellRecord, second: CellRecord) -> CellRecord:
    """Two records of one cell with different methods as one."""
    return first.model_copy(
        update={
            "notes": tuple(dict.fromkeys(first.notes + second.notes)),
            "methods": first.methods + second.methods,
        }
    )


def _load_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_one(value: object | Callable[[], object]) -> CellRecord | str:
    """The record, or the reason why there is none."""
    try:
        payload = value() if callable(value) else value
    except Exception as error:  # a loader may raise anything; the record is named, the rest stands
        return f"cannot be read ({cause_of(error)})"
    if not isinstance(payload, Mapping) or "schema_version" not in payload:
        return "is not a cell record (no schema_version); move it out of the folder of the records"
    version = payload["schema_version"]
    if version != SCHEMA_VERSION:
        return (
            f"has schema_version {version}, this version reads {SCHEMA_VERSION}; run the cell again"
        )
    try:
        return CellRecord.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        return f"is not a valid cell record ({where}: {first['msg']}); run the cell again"
