"""One HTML page that needs nothing but itself: no network, no fonts, no libraries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from vlprompt_pipeline import __version__
from vlprompt_pipeline.evaluation import wording
from vlprompt_pipeline.evaluation.averages import averages
from vlprompt_pipeline.evaluation.checks import group_remarks
from vlprompt_pipeline.evaluation.headline import headline
from vlprompt_pipeline.evaluation.inline_svg import inline_svg
from vlprompt_pipeline.evaluation.records import ZERO_SHOT
from vlprompt_pipeline.evaluation.summary import Summary


@dataclass(frozen=True)
class Section:
    """One group on the page: its anchor, its table and its figures by kind."""

    name: str
    summary: Summary
    figures: dict[str, Figure]


def render_page(sections: Sequence[Section], warnings: Sequence[str]) -> str:
    """The page with one section a group; `warnings` are about the report as a whole."""
    environment = Environment(
        loader=PackageLoader("vlprompt_pipeline", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
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
    return environment.get_template("page.html.j2").render(
        sections=sections,
        averages=averages([section.summary for section in sections]),
        warnings=warnings,
        plus_minus=wording.plus_minus,
        zero_shot=ZERO_SHOT,
        version=__version__,
    )
