"""One interactive HTML page of a comparison that needs nothing but itself."""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline import __version__, wording
from vlprompt_pipeline.protocols import protocol_title
from vlprompt_pipeline.reports.html import embedded_json, environment
from vlprompt_pipeline.reports.payload import missing_cells, payload
from vlprompt_pipeline.reports.sentences import of_family, opening
from vlprompt_pipeline.results.left_out import left_out, rank_span
from vlprompt_pipeline.results.metric_names import metric_title
from vlprompt_pipeline.results.results import Comparison

_COMMON = (
    "h",
    "base",
    "new",
    "accuracy",
    "generalised_h",
    "macro_f1",
    "top5_accuracy",
    "calibration_error",
)
"""Metrics that most readers look for; the first four that a family has stand first."""


def render(comparison: Comparison) -> str:
    """Return the page; the same comparison gives the same page, byte for byte."""
    data, ranks = payload(comparison), left_out(comparison)
    templates = environment()
    templates.filters |= {
        "bytes": wording.human_bytes,
        "protocol": protocol_title,
        "times": wording.times,
        "unbroken": lambda text: text.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%"),
    }
    return templates.get_template("report.html.j2").render(
        opening=opening(comparison),
        newest=comparison.newest,
        remarks=comparison.remarks,
        methods=data["methods"],
        families=[
            _section(comparison, family, ranks[ranks["family"] == family["name"]])
            for family in data["families"]
        ],
        flags=_flags(comparison.scores, data["flags"]),
        missing=missing_cells(comparison.missing).to_dict("records"),
        payload=embedded_json(data),
        version=__version__,
    )


def _section(
    comparison: Comparison, family: dict[str, object], ranks: pd.DataFrame
) -> dict[str, object]:
    """Return what the template shows of a family: text, and the choices of its controls."""
    name = family["name"]
    about = comparison.families.set_index("family").loc[name]
    scores = comparison.of(name)
    titles = dict(zip(scores["method"], scores["title"], strict=True))
    compared = set(comparison.of(name, "pairs")["against"])
    has_zero_shot = "zero_shot" in titles and len(titles) > 1
    has_published = bool(scores["published"].notna().any())
    under = [
        ("published", "published", has_published),
        ("zero_shot", "against zero-shot", has_zero_shot),
        ("interval", "95 % interval", bool(scores["low"].notna().any())),
        ("nothing", "nothing", True),
    ]
    show = [("difference", "against zero-shot", has_zero_shot), ("score", "scores", True)]
    metrics = family["metrics"]
    common = [metric for metric in _COMMON if metric in metrics][:4] or metrics
    dataset, *others = (dataset for dataset, _ in family["datasets"])
    return {
        "name": name,
        "title": wording.capital(about["title"]) if others else f"{dataset}, {about['title']}",
        "about": about.to_dict(),
        "sentences": of_family(comparison, name),
        "curves": family["curves"],
        "halves": {"base", "new"} <= set(metrics),
        "has_published": has_published,
        "generalised": "generalised_h" in metrics,
        "sizes": comparison.of(name, "sizes").to_dict("records"),
        "ranks": [row | {"span": rank_span(row)} for row in ranks.to_dict("records")],
        "without_eurosat": bool(ranks["without_eurosat"].notna().any()),
        "metrics": [
            (group, [(metric, metric_title(metric)) for metric in chosen])
            for group, chosen in (
                ("Common", common),
                ("More", [metric for metric in metrics if metric not in common]),
            )
            if chosen
        ],
        "chosen_metric": about["ranking"] if about["ranking"] in metrics else common[0],
        "shots": [(shots, shots) for shots in family["shots"]],
        "under": [(value, text) for value, text, there in under if there],
        "show": [(value, text) for value, text, there in show if there],
        "datasets": [(f"dataset:{dataset}", title) for dataset, title in family["datasets"]],
        "methods": [(f"method:{method}", title) for method, title in titles.items()],
        "against": [(method, title) for method, title in titles.items() if method in compared],
    }


def _flags(scores: pd.DataFrame, meanings: dict[str, str]) -> list[dict[str, str]]:
    """Return each flag, whose figure has it and what it means."""
    whose: dict[str, dict[str, None]] = {}
    for row in scores.itertuples():
        for flag in row.flags:
            whose.setdefault(flag, {})[row.title] = None
        for flag in row.published_flags:
            whose.setdefault(flag, {})[f"published {row.title}"] = None
    return [
        {"name": flag, "whose": wording.join(list(titles)), "meaning": meanings[flag]}
        for flag, titles in whose.items()
    ]
