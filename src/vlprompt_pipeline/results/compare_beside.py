"""The comparison that a reader of one result needs: with all that may stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlprompt_pipeline.results.cells import Predictions
from vlprompt_pipeline.results.compare import compare
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.dataset_names import OWN, dataset_kind
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import Problem, group_key
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.results import Comparison


def compare_beside(
    record: CellRecord,
    records: Sequence[CellRecord],
    problems: Sequence[Problem],
    predictions: Predictions,
    parameters: BenchmarkReportParameters,
    run: ReportRun,
    order: Sequence[str],
    newest: str = "",
) -> Comparison:
    """Compare the results of one record's protocol and CLIP, for a reader of that record.

    The record's own family comes first, so that page, text and headline begin with it.
    Own photos stand beside other sets of photos only where the asked grid names these: they have
    nothing in common. Of the grid nothing else counts but what methods are tested against.
    Arguments are those of `compare`.
    """
    cell = record.cell
    datasets = {cell.dataset, *(parameters.with_prefix(run.dataset_prefix).datasets or ())}

    def belongs(protocol: str, clip: str, dataset: str) -> bool:
        own = OWN in (dataset_kind(dataset), dataset_kind(cell.dataset))
        return (protocol, clip) == (cell.protocol, cell.clip) and (not own or dataset in datasets)

    alike: list[CellRecord] = []
    elsewhere: set[str] = set()  # partitions whose record is not part of this comparison
    for other in records:
        same_weights = other.cell.weights_sha256 == cell.weights_sha256
        if same_weights and belongs(other.cell.protocol, other.cell.clip, other.cell.dataset):
            alike.append(other)
        else:
            elsewhere |= {
                Coordinates.of(other.cell, result.method).partition for result in other.methods
            }

    def is_beside(name: str) -> bool:
        partition = name.partition("/targets/")[0]
        there = Coordinates.of_partition(partition)
        return partition not in elsewhere and (
            there is None or belongs(there.protocol, there.clip, there.dataset)
        )

    beside = {name: load for name, load in predictions.items() if is_beside(name)}
    methods = {result.method for other in alike for result in other.methods}
    comparison = compare(
        alike,
        [problem for problem in problems if is_beside(problem.name)],
        beside,
        parameters.without_grid(methods),
        run,
        order,
        newest,
    )
    own = comparison.family_of(group_key(record))
    families = comparison.families.sort_values(
        "family", key=lambda names: names != own, kind="stable"
    )
    return replace(comparison, families=families)
