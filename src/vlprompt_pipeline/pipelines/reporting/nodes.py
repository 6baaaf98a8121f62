"""Report this run beside the results on disk: a table of all, and a comparison in its protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.image_datasets import DatasetCard
from vlprompt_pipeline.reports.class_page import ScoredRun, render_class_page
from vlprompt_pipeline.reports.console import terminal_width
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import to_text
from vlprompt_pipeline.results.cells import StoredResults
from vlprompt_pipeline.results.compare_beside import compare_beside
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.coordinates import Coordinates
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import newest_date, read_records, require_records, tell_apart
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.report_table import report_table
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import shots_text


@dataclass(frozen=True)
class Report:
    """All that a run leaves for its reader.

    Attributes:
        table: every score of every record on disk.
        text: for a terminal.
        page: HTML.
        headline: the first of the figures, which is of the table that the run stands in.
        figures: by name.
        classes: HTML of this run, class by class; None without methods.
    """

    table: pd.DataFrame
    text: str
    page: str
    headline: Figure
    figures: dict[str, Figure]
    classes: str | None = None


def collect_records(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Collect the records of this run's methods, so that a report waits for all of them."""
    return list(records)


def compare_run(
    results: StoredResults,
    benchmark_report: BenchmarkReportParameters,
    recipes: dict[str, Any],
    clip_name: str,
    dataset_prefix: str,
    given: dict[str, Any],
    project: Path,
    run_records: list[dict[str, Any]],
) -> tuple[pd.DataFrame, Comparison]:
    """Make the table of all records on disk, and compare this run with the results beside it.

    Args:
        results: all results on disk.
        benchmark_report: which methods are tested against which, and which sets of own photos are
            shown with that of this run; the rest is for the pipeline `benchmark_report`.
        recipes: in the order of tables.
        clip_name: of this run.
        dataset_prefix: of this run.
        given: the parameters of its command line.
        project: folder of the project.
        run_records: the records of this run, which are among the results.

    Raises:
        UserError: there is no record.
    """
    readable, problems = read_records(results.records)
    require_records(readable, problems)
    record = CellRecord.model_validate(run_records[0]) if run_records else readable[0]
    comparison = compare_beside(
        record,
        readable,
        problems,
        results.predictions,
        benchmark_report,
        ReportRun(clip_name, dataset_prefix, given, project),
        tuple(recipes),
        newest_date(results.records),
    )
    return report_table(readable), comparison


def draw_report(
    table: pd.DataFrame, comparison: Comparison, run_records: list[dict[str, Any]], *classes: str
) -> Report:
    """Draw the text for a terminal, the page and all figures; `classes` is the page of classes."""
    drawn = figures(comparison)
    tables = text_tables(comparison)
    run = CellRecord.model_validate(run_records[0]) if run_records else None
    text = to_text(comparison, tables, run=run, commands=False, width=terminal_width())
    return Report(table, text, render(comparison), next(iter(drawn.values())), drawn, *classes)


def draw_class_page(
    card: DatasetCard, results: StoredResults, run_records: list[dict[str, Any]]
) -> str:
    """Draw the page of this run's methods, class by class."""
    records = tell_apart([CellRecord.model_validate(record) for record in run_records])
    cell = records[0].cell
    methods = [method for record in records for method in record.methods]
    return render_class_page(
        ScoredRun(
            title=f"{cell.dataset}, {shots_text(cell.shots)}, seed {cell.seed}",
            note=card.random_split,
            folder=card.folder,
            class_names=records[0].classes.model_dump(),
            predictions=[
                (method.title, results.predictions[Coordinates.of(cell, method.method).partition]())
                for method in methods
            ],
        )
    )
