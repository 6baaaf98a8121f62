"""Every record on disk as a table, figures and a page."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from vlprompt_pipeline.reports.summary_report.report import write_report
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.records import CellRecord

TERMINAL_WIDTH = 100


def build_report(
    records: dict[str, Callable[[], Any]], *current: dict[str, Any]
) -> tuple[pd.DataFrame, str, str, dict[str, Figure], Figure]:
    """Aggregate over seeds whatever cells are on disk.

    Args:
        records: loaders of all records by name.
        current: the records of this run, which are among them; their group is shown.

    Returns:
        The table, the current group for a terminal, the HTML page, all figures by name, and the
        first figure of the current group.
    """
    found, problems = read_records(records)
    report = write_report(found, problems)
    own = CellRecord.model_validate(current[0]) if current else found[0]
    text = io.StringIO()
    Console(file=text, width=TERMINAL_WIDTH).print(report.terminal(own))
    if others := len(report.sections) - 1:
        text.write(f"{others} more in the report: other datasets, shots, protocols or weights.\n")
    headline = next(iter(report.section(own).figures.values()))
    return report.table, text.getvalue(), report.html, report.figures, headline
