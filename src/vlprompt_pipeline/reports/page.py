"""One interactive HTML page of a comparison that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from vlprompt_pipeline import __version__, wording
from vlprompt_pipeline.reports.payload import missing_cells, payload
from vlprompt_pipeline.reports.sentences import of_family, opening
from vlprompt_pipeline.reports.summary_report.html import embedded_json, environment
from vlprompt_pipeline.results.metric_names import metric_title
from vlprompt_pipeline.results.results import Comparison

_SCRIPTS = (
    "sortable.js",
    "data.js",
    "words.js",
    "elements.js",
    "axes.js",
    "names.js",
    "bars.js",
    "sizes.js",
    "curves.js",
    "tables.js",
    "sections.js",
)
"""In the order in which they need each other."""


def render(comparison: Comparison) -> str:
    """The page; the same comparison gives the same page, byte for byte."""
    data = payload(comparison)
    templates = environment("reports/web")
    templates.filters |= {
        "bytes": wording.human_bytes,
        "readable": wording.readable,
        "times": wording.times,
        "unbroken": lambda text: text.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%"),
    }
    return templates.get_template("comparison.html.j2").render(
        opening=opening(comparison),
        remarks=comparison.remarks,
        families=[_section(comparison, family, data) for family in data["families"]],
        missing=missing_cells(comparison.missing).to_dict("records"),
        payload=embedded_json(data),
        scripts=_sources(templates, _SCRIPTS),
        version=__version__,
    )


def _sources(templates: Environment, names: Sequence[str]) -> Markup:
    """Scripts as they are: their braces are no template's."""
    return Markup("".join(templates.loader.get_source(templates, name)[0] for name in names))


def _section(
    comparison: Comparison, family: dict[str, object], data: dict[str, object]
) -> dict[str, object]:
    """What the template shows of a family: text, and the choices of its controls."""
    name = family["name"]
    about = comparison.families.set_index("family").loc[name]
    scores, methods = comparison.of(name), data["methods"]
    looks = [(method, methods[method]) for method in family["methods"]]
    titles = [(method, look["title"]) for method, look in looks]
    compared = set(comparison.of(name, "pairs")["against"])
    has_zero_shot = data["zero_shot"] in family["methods"]
    under = [
        ("published", "published", bool(scores["published"].notna().any())),
        ("zero_shot", "against zero-shot", has_zero_shot and len(titles) > 1),
        ("interval", "95 % interval", bool(scores["low"].notna().any())),
        ("nothing", "nothing", True),
    ]
    show = [("difference", "against zero-shot", has_zero_shot and len(titles) > 1)]
    show.append(("score", "scores", True))
    return {
        "name": name,
        "title": about["title"][:1].upper() + about["title"][1:],
        "clip": about["clip"],
        "templates": about["template_set"],
        "weights": about["weights_sha256"],
        "sentences": of_family(comparison, name),
        "ranking": about["ranking"],
        "source": about["source"],
        "curves": family["curves"],
        "has_published": under[0][2],
        "flags": _flags(scores, data["flags"]),
        "looks": looks,
        "sizes": comparison.of(name, "sizes").to_dict("records"),
        "choices": {
            "chosen_metric": about["ranking"]
            if about["ranking"] in family["metrics"]
            else family["metrics"][0],
            "metrics": [(metric, metric_title(metric)) for metric in family["metrics"]],
            "shots": [(shots, shots) for shots in family["shots"]],
            "under": [(value, text) for value, text, there in under if there],
            "show": [(value, text) for value, text, there in show if there],
            "datasets": [(f"dataset:{dataset}", title) for dataset, title in family["datasets"]],
            "chosen_dataset": f"dataset:{family['datasets'][0][0]}",
            "methods": [(f"method:{method}", title) for method, title in titles],
            "against": [(method, title) for method, title in titles if method in compared],
        },
    }


def _flags(scores: pd.DataFrame, meanings: dict[str, str]) -> list[dict[str, str]]:
    """Each flag of a family, whose figure has it and what it means."""
    found: dict[str, dict[str, None]] = {}
    for row in scores.itertuples():
        for flag in row.flags:
            found.setdefault(flag, {})[row.title] = None
        for flag in row.published_flags:
            found.setdefault(flag, {})[f"published {row.title}"] = None
    return [
        {"name": flag, "whose": wording.join(list(whose)), "meaning": meanings[flag]}
        for flag, whose in found.items()
    ]
