"""Reading of cell records, and which of them may be averaged.

Records that differ only in the seed form a group, and only the records of one group are ever
averaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from vlprompt_pipeline.error_log import first_line
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.manifests import RUN_AGAIN
from vlprompt_pipeline.parsing import first_fault
from vlprompt_pipeline.results.dataset_names import marked
from vlprompt_pipeline.results.records import SCHEMA_VERSION, CellRecord, MethodResult


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
        """Name of the dataset in tables, which tells of a random split."""
        return marked(self.dataset, self.random_split)


@dataclass(frozen=True)
class Group:
    """The records of one key, one or several a seed, by ascending seed."""

    key: GroupKey
    records: tuple[CellRecord, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that any record of the group has."""
        return tuple(dict.fromkeys(record.cell.seed for record in self.records))

    @property
    def results(self) -> tuple[MethodResult, ...]:
        """Results of all methods and seeds."""
        return tuple(result for record in self.records for result in record.methods)


@dataclass(frozen=True)
class Problem:
    """A record that could not be used, by name, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def group_key(record: CellRecord) -> GroupKey:
    """Return the group a record belongs to."""
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


def read_records(source: Mapping[str, object]) -> tuple[list[CellRecord], list[Problem]]:
    """Read every record of a mapping from name to record.

    Methods of a cell may stand in one record or in several, as they were run.

    A value of the mapping is the parsed JSON or a function without arguments that gives it, as a
    partitioned dataset hands it out. A record that cannot be read, is not a cell record or repeats
    a method of a cell already read is named among the problems; the others stand.
    """
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
    return tell_apart(records), problems


def tell_apart(records: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the records with the recipe's name behind each title that several recipes have."""
    recipes: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for result in record.methods:
            recipes[result.title].add(result.method)

    def renamed(result: MethodResult) -> MethodResult:
        title = f"{result.title} ({result.method})"
        shared = len(recipes[result.title]) > 1
        return result.model_copy(update={"title": title}) if shared else result

    return [
        record.model_copy(update={"methods": tuple(map(renamed, record.methods))})
        for record in records
    ]


def require_records(records: Sequence[CellRecord], problems: Sequence[Problem]) -> None:
    """Refuse to report nothing.

    Raises:
        UserError: naming the records that could not be read.
    """
    if not records:
        unread = "".join(f"; {problem}" for problem in problems)
        raise UserError(f"there are no results to report{unread}; run at least one cell first")


def newest_date(source: Mapping[str, object]) -> str:
    """Return the day on which the newest of the files behind these loaders was written, or empty.

    A partition's loader is bound to a data set that knows its file.
    """
    paths = (
        getattr(getattr(load, "__self__", None), "_filepath", None) for load in source.values()
    )
    days = [Path(path).stat().st_mtime for path in paths if path and Path(path).is_file()]
    return datetime.fromtimestamp(max(days), tz=UTC).date().isoformat() if days else ""


def group_records(records: Iterable[CellRecord]) -> tuple[Group, ...]:
    """Group the records that `read_records` gave, in the order of their keys."""
    groups: dict[GroupKey, list[CellRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.cell.seed):
        groups[group_key(record)].append(record)
    return tuple(Group(key, tuple(groups[key])) for key in sorted(groups))


def cause_of(error: Exception) -> str:
    """Return kind and first line of a loader's error, without what a catalog adds to it."""
    cause = error.__cause__ or error
    if isinstance(cause, UserError):  # a sentence already, with the file in it
        return str(cause).removesuffix(f"; {RUN_AGAIN}")  # results tell what makes a cell again
    return first_line(cause)


def _read_one(value: object | Callable[[], object]) -> CellRecord | str:
    """Return the record, or the reason why there is none."""
    try:
        payload = value() if callable(value) else value
    except Exception as error:  # a loader may raise anything; the record is named, the rest stands
        return f"cannot be read ({cause_of(error)}); run the cell again"
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
        return f"is not a valid cell record ({first_fault(error)}); run the cell again"
