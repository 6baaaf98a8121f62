"""The asked grid against what is on disk: which cells are missing, why, and what makes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from vlprompt_pipeline.protocols import Protocol, find_protocol
from vlprompt_pipeline.results.cells import cell_place
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.families import shots_side_by_side
from vlprompt_pipeline.results.groups import Problem
from vlprompt_pipeline.results.records import CellRecord, MethodResult
from vlprompt_pipeline.wording import command_parameters

Row = dict[str, object]
_NOT_OF_A_CELL = {"protocol", "dataset", "shots", "seed", "methods", "benchmark_report"}


class ReportRun(NamedTuple):
    """The configuration that the report is run with, and so the commands that it names.

    `given` are the parameters of its command line: the command of a missing cell repeats them.
    """

    clip: str
    dataset_prefix: str = ""
    given: Mapping[str, object] = {}  # never changed


class Coordinates(NamedTuple):
    """A method in a cell, whatever its fingerprints."""

    protocol: str
    clip: str
    dataset: str
    shots: int
    seed: int
    method: str

    @property
    def place(self) -> str:
        """Where the catalog keeps it."""
        return cell_place(
            self.clip, self.dataset, self.protocol, self.shots, self.seed, self.method
        )

    @classmethod
    def of_place(cls, place: str) -> Coordinates | None:
        """What the catalog keeps there; None if it is no place of a method in a cell."""
        found = re.fullmatch(r"([^/]+)/([^/]+)/([^/]+)/shots(\d+)/seed(\d+)/([^/]+)", place)
        if found is None:
            return None
        clip, dataset, protocol, shots, seed, method = found.groups()
        return cls(protocol, clip, dataset, int(shots), int(seed), method)

    def within(self, asked: BenchmarkReportParameters) -> bool:
        """Whether it was asked for."""
        axes = (
            (asked.protocols, self.protocol),
            (asked.datasets, self.dataset),
            (asked.shots, self.shots),
            (asked.seeds, self.seed),
            (asked.methods, self.method),
        )
        return all(values is None or value in values for values, value in axes)


def asked_for(records: Sequence[CellRecord], asked: BenchmarkReportParameters) -> list[CellRecord]:
    """The records within the asked grid, with the methods that were asked for."""
    kept = []
    for record in records:
        methods = tuple(one for one in record.methods if _of(record, one).within(asked))
        if methods:
            kept.append(record.model_copy(update={"methods": methods}))
    return kept


def _of(record: CellRecord, result: MethodResult) -> Coordinates:
    cell = record.cell
    return Coordinates(cell.protocol, cell.clip, cell.dataset, cell.shots, cell.seed, result.method)


def missing(
    records: Sequence[CellRecord],
    problems: Sequence[Problem],
    predicted: Mapping[str, object],
    asked: BenchmarkReportParameters,
    run: ReportRun,
) -> list[Row]:
    """One row a cell that was asked for and has no record, with the reason and a command.

    An axis that was not asked for has the values found with the same protocol and CLIP and, but
    for few-shot curves, the same shots: a hole is what would be a hole in a table. What was begun
    but has no record that can be read counts as found.

    Args:
        records: those within the asked grid.
        problems: records that could not be read, by place.
        predicted: predictions by place.
        asked: the grid.
        run: what holds for the commands without being named in them.
    """
    there = {_of(record, result) for record in records for result in record.methods}
    unread = {problem.name: problem.reason for problem in problems}
    begun = {Coordinates.of_place(place) for place in (*unread, *predicted)} - {None}
    known = there | {one for one in begun if one.within(asked)}
    return [
        {
            **one._asdict(),
            "reason": _reason(one, unread, predicted),
            "command": _command(one, asked.sweep, run),
        }
        for one in sorted(set(_grid(known, asked, run)) - there)
    ]


def _grid(
    known: set[Coordinates], asked: BenchmarkReportParameters, run: ReportRun
) -> Iterator[Coordinates]:
    for protocol in asked.protocols or sorted({one.protocol for one in known}):
        same = [one for one in known if one.protocol == protocol]
        for clip in sorted({one.clip for one in same}) or [run.clip]:
            alike = [one for one in same if one.clip == clip]
            shots = asked.shots or sorted({one.shots for one in alike or known})
            together = (
                [tuple(shots)] if shots_side_by_side(protocol) else [(count,) for count in shots]
            )
            for counts in together:
                own = [one for one in alike if one.shots in counts]
                yield from _product(protocol, clip, counts, own or alike or known, asked)


def _product(
    protocol: str,
    clip: str,
    shots: Sequence[int],
    found: Collection[Coordinates],
    asked: BenchmarkReportParameters,
) -> Iterator[Coordinates]:
    datasets = asked.datasets or sorted({one.dataset for one in found})
    seeds = asked.seeds or sorted({one.seed for one in found})
    registered = find_protocol(protocol) or Protocol()
    methods = asked.methods or sorted({one.method for one in found})
    for dataset, count, seed, method in product(datasets, shots, seeds, methods):
        if registered.trains_on(dataset):
            yield Coordinates(protocol, clip, dataset, count, seed, method)


def _reason(one: Coordinates, unread: Mapping[str, str], predicted: Mapping[str, object]) -> str:
    if one.place in unread:
        return f"its record {unread[one.place]}"
    if one.place in predicted:
        return "there are predictions, but no record: the run was cut short"
    return "not run yet"


def _command(one: Coordinates, sweep: str, run: ReportRun) -> str:
    """What makes the cell alone; none for another CLIP, which has another configuration."""
    if one.clip != run.clip:
        return ""
    dataset = one.dataset.removeprefix(run.dataset_prefix)
    registered = find_protocol(one.protocol)
    protocol = registered.name if registered else one.protocol
    settings = registered.label_settings(one.protocol) if registered else {}
    repeated = {key: value for key, value in run.given.items() if key not in _NOT_OF_A_CELL}
    params = {"protocol": protocol, "methods": one.method} | repeated
    if settings:
        params[protocol] = {**params.get(protocol, {}), **settings}
    return (
        f"{sweep} --datasets={dataset} --shots={one.shots} --seeds={one.seed} "
        f"--params={shlex.quote(command_parameters(params))}"
    )
