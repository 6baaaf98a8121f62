"""One HTML page with every figure of an analysis, which needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.analysis.captions import Conditions
from vlprompt_pipeline.analysis.inline_svg import inline_svg
from vlprompt_pipeline.analysis.published import ABLATION, SOURCE
from vlprompt_pipeline.analysis.sheet import SeriesSheet
from vlprompt_pipeline.parametrizations import QUANTIZERS
from vlprompt_pipeline.reports.html import embedded_json, environment
from vlprompt_pipeline.wording import human_bytes, plus_minus

_ALTERNATIVES = {
    "storage": "Accuracy against the size of the file, a mark for each method.",
    "noise": "Base and new accuracy over epochs, a curve for each strength of noise.",
    "histograms": "Histograms of the prompt's values, one above the other by epoch.",
    "divergence": "KL divergence between the histograms of neighbouring epochs.",
    "quantization": "Base and new accuracy over epochs, a curve for each number of bits.",
    "quantizers": "Accuracy by bits for each quantizer, while and after training.",
    "spectrum": "Information density, effective rank and new accuracy over epochs.",
    "heads": "Accuracy of classifiers and tower matrices by bits, while and after training.",
    "ablation": "Accuracy as the parts of the quantizer are added.",
}


def render_page(
    sheets: Mapping[str, SeriesSheet], tables: Mapping[str, pd.DataFrame], about: Conditions
) -> str:
    """Return the page; the same tables give the same page, byte for byte."""
    templates = environment("analysis")
    templates.filters["bytes"] = human_bytes
    return templates.get_template("analysis.html.j2").render(
        figures={
            name: {
                "svg": inline_svg(sheet.figure, name, _ALTERNATIVES[name]),
                "places": embedded_json(sheet.points()),
            }
            for name, sheet in sheets.items()
        },
        tables={name: table.to_dict("records") for name, table in tables.items()},
        about=about,
        published=ABLATION,
        source=SOURCE,
        plus_minus=plus_minus,
        quantizers={name: kind.title for name, kind in QUANTIZERS.items()},
        version=__version__,
    )
