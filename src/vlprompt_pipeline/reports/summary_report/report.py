"""From cell records to everything that is shown: table, figures, terminal output, HTML page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from rich.console import RenderableType

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.reports.summary_report.figures import figures
from vlprompt_pipeline.reports.summary_report.page import Section, render_page
from vlprompt_pipeline.reports.summary_report.summary import summarise, to_csv_frame
from vlprompt_pipeline.reports.summary_report.terminal import render
from vlprompt_pipeline.results.groups import Group, Problem, group_key, group_records
from vlprompt_pipeline.results.record_checks import mixed_remarks
from vlprompt_pipeline.results.records import CellRecord


@dataclass(frozen=True)
class Report:
    """Everything a report shows.

    Attributes:
        html: the page, in one file.
        table: all groups and methods at full precision, for a CSV file.
        sections: a summary with its figures for each group of records.
        warnings: what concerns the report as a whole.
    """

    html: str
    table: pd.DataFrame
    sections: tuple[Section, ...]
    warnings: tuple[str, ...]

    @property
    def figures(self) -> dict[str, Figure]:
        """By file name without suffix, such as `demo_counts_base_to_new_16shots_size`."""
        return {
            f"{section.name}_{kind}": figure
            for section in self.sections
            for kind, figure in section.figures.items()
        }

    def terminal(self, record: CellRecord | None = None) -> RenderableType:
        """What to print with `rich`: all groups, or the one that `record` belongs to."""
        shown = self.sections if record is None else [self.section(record)]
        return render([section.summary for section in shown], self.warnings)

    def section(self, record: CellRecord) -> Section:
        """The section of the group that `record` belongs to.

        Raises:
            KeyError: the record is not in this report.
        """
        return {section.summary.group.key: section for section in self.sections}[group_key(record)]


def write_report(records: Sequence[CellRecord], problems: Sequence[Problem]) -> Report:
    """Aggregate what `read_records` gave. The same records give the same page, byte for byte.

    Raises:
        UserError: there is no record to report.
    """
    if not records:
        unread = "".join(f"; {problem}" for problem in problems)
        raise UserError(f"there are no results to report{unread}; run at least one cell first")
    groups = group_records(records)
    warnings = (*(f"Left out: {problem}." for problem in problems), *mixed_remarks(groups))
    summaries = [summarise(group, by_score=True) for group in groups]
    sections = tuple(
        Section(name, summary, figures(summary))
        for name, summary in zip(_names(groups), summaries, strict=True)
    )
    return Report(
        html=render_page(sections, warnings),
        table=to_csv_frame(summaries),
        sections=sections,
        warnings=warnings,
    )


def _names(groups: Sequence[Group]) -> list[str]:
    """File name and anchor of each group; those that look alike get a piece of their key's hash."""
    plain = []
    for group in groups:
        key = group.key
        name = f"{key.dataset}_{key.protocol}_{key.shots}shots"
        plain.append(re.sub(r"[^A-Za-z0-9_-]+", "-", name))
    return [
        name if plain.count(name) == 1 else f"{name}_{_fingerprint(group)}"
        for name, group in zip(plain, groups, strict=True)
    ]


def _fingerprint(group: Group) -> str:
    return hashlib.sha256(repr(group.key).encode()).hexdigest()[:8]
