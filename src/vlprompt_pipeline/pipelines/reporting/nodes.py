"""Report this run beside the results on disk: a table of all, and a comparison in its protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard
from vlprompt_pipeline.reports.class_page import ScoredRun, render_class_page
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import terminal_width, to_text
from vlprompt_pipeline.results.compare import compare_beside
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import newest_date, read_records, require_records
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.report_table import report_table
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import shots_text


def compare_run(
    records: dict[str, Callable[[], Any]],
    predictions: dict[str, Callable[[], pd.DataFrame]],
    benchmark_report: BenchmarkReportParameters,
    recipes: dict[str, Any],
    clip_name: str,
    dataset_prefix: str,
    given: dict[str, Any],
    *current: dict[str, Any],
) -> tuple[pd.DataFrame, Comparison]:
    """Make the table of all records on disk, and compare this run with those it belongs to.

    Args:
        records: loaders of all records by place.
        predictions: loaders of all predictions by place.
        benchmark_report: what methods are tested against; its grid is for `benchmark_report`.
        recipes: in the order of tables.
        clip_name: of this run.
        dataset_prefix: of this run.
        given: the parameters of its command line.
        current: the records of this run, which are among them.

    Raises:
        UserError: there is no record.
    """
    readable, problems = read_records(records)
    require_records(readable, problems)
    record = CellRecord.model_validate(current[0]) if current else readable[0]
    comparison = compare_beside(
        record,
        readable,
        problems,
        predictions,
        benchmark_report,
        ReportRun(clip_name, dataset_prefix, given),
        tuple(recipes),
        newest_date(records),
    )
    return report_table(readable), comparison


def draw_report(comparison: Comparison) -> tuple[str, str, dict[str, Figure], Figure]:
    """Draw the text for a terminal, the page, all figures by name, and the first of them."""
    drawn = figures(comparison)
    tables = text_tables(comparison)
    text = to_text(comparison, tables, commands=False, width=terminal_width())
    return text, render(comparison), drawn, next(iter(drawn.values()))


def draw_class_page(
    card: DatasetCard, class_subsets: ClassSubsets, *outcomes: dict[str, Any] | pd.DataFrame
) -> str:
    """Draw the page of this run's methods, class by class; `outcomes` are records, predictions."""
    half = len(outcomes) // 2
    records = [CellRecord.model_validate(record) for record in outcomes[:half]]
    cell = records[0].cell
    return render_class_page(
        ScoredRun(
            title=f"{cell.dataset}, {shots_text(cell.shots)}, seed {cell.seed}",
            note=card.random_split,
            folder=card.folder,
            class_names={name: part.class_names for name, part in class_subsets.items()},
            predictions={
                record.methods[0].title: predicted
                for record, predicted in zip(records, outcomes[half:], strict=True)
            },
        )
    )
