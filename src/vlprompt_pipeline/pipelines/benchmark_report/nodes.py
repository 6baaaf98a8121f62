"""Every finished cell on disk as tables for a paper and one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.latex import to_latex
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.markdown import to_markdown
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import to_text
from vlprompt_pipeline.results.compare import compare
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.grid import Conditions
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.results import Comparison
from vlprompt_pipeline.wording import join


def compare_methods(
    records: dict[str, Callable[[], Any]],
    predictions: dict[str, Callable[[], pd.DataFrame]],
    benchmark_report: BenchmarkReportParameters,
    recipes: dict[str, Any],
    clip_name: str,
    dataset_prefix: str,
) -> Comparison:
    """Aggregate the cells that are asked for; methods in the order of the recipes.

    Raises:
        UserError: there are none.
    """
    found, problems = read_records(records)
    run = Conditions(clip_name, dataset_prefix)
    return compare(found, problems, predictions, benchmark_report, run, tuple(recipes))


def write_tables(
    comparison: Comparison,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, str, str, str]:
    """Scores twice, pairs, missing cells; LaTeX, Markdown, and what a terminal shows."""
    lists = ("seeds", "flags", "published_flags")
    scores = comparison.scores.assign(**{name: comparison.scores[name].map(join) for name in lists})
    tables = text_tables(comparison)
    return (
        scores,
        scores,
        comparison.pairs,
        comparison.missing,
        to_latex(tables),
        to_markdown(tables, comparison.remarks),
        to_text(comparison, tables),
    )


def draw(comparison: Comparison) -> tuple[str, dict[str, Figure], dict[str, Figure]]:
    """The page, and the figures twice, to be saved as PNG and as SVG."""
    drawn = figures(comparison)
    return render(comparison), drawn, drawn
