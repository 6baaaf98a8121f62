"""One HTML page that needs nothing but itself: no network, no fonts, no libraries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from vlprompt_pipeline import __version__, wording
from vlprompt_pipeline.reports.summary_report.averages import averages
from vlprompt_pipeline.reports.summary_report.headline import headline
from vlprompt_pipeline.reports.summary_report.html import environment
from vlprompt_pipeline.reports.summary_report.inline_svg import inline_svg
from vlprompt_pipeline.reports.summary_report.summary import Summary
from vlprompt_pipeline.results.record_checks import group_remarks
from vlprompt_pipeline.results.records import ZERO_SHOT


@dataclass(frozen=True)
class Section:
    """One group on the page: its anchor, its table and its figures by kind."""

    name: str
    summary: Summary
    figures: dict[str, Figure]


def render_page(sections: Sequence[Section], warnings: Sequence[str]) -> str:
    """The page with one section a group; `warnings` are about the report as a whole."""
    templates = environment()
    templates.filters |= {
        "bytes": wording.human_bytes,
        "headline": headline,
        "inline_svg": inline_svg,
        "one_decimal": wording.one_decimal,
        "readable": wording.readable,
        "remarks": group_remarks,
        "seeds": wording.seeds_text,
        "shots": wording.shots_text,
        "signed": wording.signed,
        "times": wording.times,
    }
    return templates.get_template("page.html.j2").render(
        sections=sections,
        averages=averages([section.summary for section in sections]),
        warnings=warnings,
        plus_minus=wording.plus_minus,
        zero_shot=ZERO_SHOT,
        version=__version__,
    )
