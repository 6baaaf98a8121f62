"""The asked grid against what is on disk: which cells are missing, why, and what makes them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.protocols import Protocol, find_protocol
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.dataset_names import dataset_kind
from vlprompt_pipeline.results.families import shots_side_by_side
from vlprompt_pipeline.results.groups import Problem
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.wording import command_parameters, program

Row = dict[str, object]
_NOT_OF_A_CELL = {"protocol", "dataset", "shots", "seed", "methods", "benchmark_report"}


class ReportRun(NamedTuple):
    """The configuration that the report is run with, and so the commands that it names.

    `given` are the parameters of its command line: the command of a missing cell repeats them.
    `project` is the folder that the commands are called in.
    """

    clip: str
    dataset_prefix: str = ""
    given: Mapping[str, object] = {}  # never changed
    project: Path | None = None


def asked_for(
    records: Sequence[CellRecord], parameters: BenchmarkReportParameters
) -> list[CellRecord]:
    """Return the records within the asked grid, with the methods that were asked for."""
    kept = []
    for record in records:
        methods = tuple(
            result
            for result in record.methods
            if Coordinates.of(record.cell, result.method).within(parameters)
        )
        if methods:
            kept.append(record.model_copy(update={"methods": methods}))
    return kept


def missing(
    records: Sequence[CellRecord],
    problems: Sequence[Problem],
    predicted: Mapping[str, object],
    parameters: BenchmarkReportParameters,
    run: ReportRun,
) -> list[Row]:
    """Make one row a cell that was asked for and has no record, with the reason and a command.

    An axis that was not asked for has the values found with the same protocol, CLIP and kind of
    datasets and, but for few-shot curves, the same shots: a hole is what would be a hole in a
    table. What was begun but has no record that can be read counts as found.

    Args:
        records: those within the asked grid.
        problems: records that could not be read, by partition.
        predicted: predictions by partition.
        parameters: the grid.
        run: what holds for the commands without being named in them.
    """
    finished = {
        Coordinates.of(record.cell, result.method)
        for record in records
        for result in record.methods
    }
    unreadable = {problem.name: problem.reason for problem in problems}
    begun = map(Coordinates.of_partition, (*unreadable, *predicted))
    cells = finished | {cell for cell in begun if cell and cell.within(parameters)}
    return [
        {
            **cell._asdict(),
            "reason": _reason(cell, unreadable, predicted),
            "command": _command(cell, parameters.sweep, run),
        }
        for cell in sorted(set(_grid(cells, parameters, run)) - finished)
    ]


def _grid(
    cells: set[Coordinates], parameters: BenchmarkReportParameters, run: ReportRun
) -> Iterator[Coordinates]:
    for protocol in parameters.protocols or sorted({cell.protocol for cell in cells}):
        of_protocol = [cell for cell in cells if cell.protocol == protocol]
        for clip in sorted({cell.clip for cell in of_protocol}) or [run.clip]:
            of_clip = [cell for cell in of_protocol if cell.clip == clip] or list(cells)
            named = parameters.datasets or {cell.dataset for cell in of_clip}
            for kind in sorted(set(map(dataset_kind, named))):
                datasets = [n for n in parameters.datasets or () if dataset_kind(n) == kind]
                of_kind = [cell for cell in of_clip if dataset_kind(cell.dataset) == kind]
                yield from _of_kind(protocol, clip, datasets, of_kind or of_clip, parameters)


def _of_kind(
    protocol: str,
    clip: str,
    asked_datasets: Sequence[str],
    cells: Collection[Coordinates],
    parameters: BenchmarkReportParameters,
) -> Iterator[Coordinates]:
    """Yield what datasets of one kind have: others stand in other tables."""
    shots = parameters.shots or sorted({cell.shots for cell in cells})
    together = [tuple(shots)] if shots_side_by_side(protocol) else [(count,) for count in shots]
    registered = find_protocol(protocol) or Protocol()
    for counts in together:
        with_shots = [cell for cell in cells if cell.shots in counts] or cells
        datasets = asked_datasets or sorted({cell.dataset for cell in with_shots})
        seeds = parameters.seeds or sorted({cell.seed for cell in with_shots})
        methods = parameters.methods or sorted({cell.method for cell in with_shots})
        trained = [dataset for dataset in datasets if registered.trains_on(dataset)]
        for cell in product(trained, counts, seeds, methods):
            yield Coordinates(protocol, clip, *cell)


def _reason(
    cell: Coordinates, unreadable: Mapping[str, str], predicted: Mapping[str, object]
) -> str:
    if cell.partition in unreadable:
        return f"its record {unreadable[cell.partition]}"
    if cell.partition in predicted:
        return "there are predictions, but no record: the run was cut short"
    return "not run yet"


def _command(cell: Coordinates, sweep: str, run: ReportRun) -> str:
    """Return the command that makes this cell alone, empty for a CLIP of another configuration."""
    if cell.clip != run.clip:
        return ""
    dataset = cell.dataset.removeprefix(run.dataset_prefix)
    registered = find_protocol(cell.protocol)
    protocol = registered.name if registered else cell.protocol
    repeated = {key: value for key, value in run.given.items() if key not in _NOT_OF_A_CELL}
    params = {"protocol": protocol, "methods": cell.method} | repeated
    if registered and registered.label(params.get(protocol, {})) != cell.protocol:
        params[protocol] = registered.label_settings(cell.protocol)
    kedro, _, words = sweep.partition(" ")
    kedro = program(run.project, kedro) if run.project else kedro
    return (
        f"{kedro} {words} --datasets={dataset} --shots={cell.shots} --seeds={cell.seed} "
        f"--params={shlex.quote(command_parameters(params))}"
    )
