"""Every finished cell on disk as tables for a paper and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.filesystem.data_folder import on_disk
from vlprompt_pipeline.image_datasets import require_dataset_name
from vlprompt_pipeline.reports.console import terminal_width
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.latex import to_latex
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.markdown import to_markdown
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import to_text
from vlprompt_pipeline.results.cells import StoredResults
from vlprompt_pipeline.results.compare import compare
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import newest_date, read_records
from vlprompt_pipeline.results.left_out import left_out
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import join


def compare_methods(
    results: StoredResults,
    benchmark_report: BenchmarkReportParameters,
    recipes: dict[str, Any],
    clip_name: str,
    dataset_prefix: str,
    dataset_root: str,
    project: Path,
    given: dict[str, Any],
) -> Comparison:
    """Compare the cells of the configured grid; methods are in the order of the recipes.

    Raises:
        ConfigError: a dataset that is asked for has no results and does not exist.
        UserError: there are no results.
    """
    readable, problems = read_records(results.records)
    finished = {record.cell.dataset for record in readable}
    for name in benchmark_report.with_prefix(dataset_prefix).datasets or ():
        if name not in finished:
            require_dataset_name(name, on_disk(dataset_root, project))
    run = ReportRun(clip_name, dataset_prefix, given, project)
    return compare(
        readable,
        problems,
        results.predictions,
        benchmark_report,
        run,
        tuple(recipes),
        newest_date(results.records),
    )


def write_tables(
    comparison: Comparison,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, str, str, str]:
    """Write the tables.

    Returns:
        Scores, for two entries of the catalog: CSV for people and Parquet for programs; pairs;
        missing cells; LaTeX; Markdown; what a terminal shows.
    """
    lists = ("seeds", "per_seed", "caveats", "flags", "published_flags")
    scores = comparison.scores.assign(**{name: comparison.scores[name].map(join) for name in lists})
    pairs = comparison.pairs.assign(seeds=comparison.pairs["seeds"].map(join))
    tables = text_tables(comparison)
    return (
        scores,
        scores,
        pairs,
        comparison.missing,
        to_latex(tables),
        to_markdown(tables, comparison.remarks, left_out(comparison)),
        to_text(comparison, tables, width=terminal_width()),
    )


def draw(comparison: Comparison) -> tuple[str, dict[str, Figure], dict[str, Figure]]:
    """Draw the page, and the figures for two entries of the catalog, which save PNG and SVG."""
    drawn = figures(comparison)
    return render(comparison), drawn, drawn
