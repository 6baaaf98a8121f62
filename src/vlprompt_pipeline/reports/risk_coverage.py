"""The figure of risk against coverage: what refusing the least sure images saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.rejection import risk_coverage
from vlprompt_pipeline.reports.sheet import FAINT, Caption, Sheet, legend_of, looks_of

_GRID = np.linspace(0.01, 1.0, 100)


def risk_coverage_figure(
    predictions: Mapping[str, Sequence[pd.DataFrame]], titles: Mapping[str, str], title: str
) -> Figure:
    """Draw a line a method, averaged over seeds: wrong answers among the most probable images.

    Args:
        predictions: of each seed, by method.
        titles: of methods.
        title: of the figure.
    """
    looks = looks_of(predictions)
    sheet = Sheet(
        Caption(title, "mean over seeds", "the most probable images keep their label first"),
        x="coverage: % of test images that get a label",
        ys=["risk: % of these labels that are wrong"],
        height=3.3,
        legend=legend_of({method: titles[method] for method in predictions}, looks),
    )
    (axes,) = sheet.panels
    for method, tables in predictions.items():
        curves = [_risk(table[table["half"] == "base"]) for table in tables]
        colour, marker = looks[method]
        style = {"color": colour, "marker": marker, "markevery": 11, "markersize": 4}
        axes.plot(100 * _GRID, 100 * np.mean(curves, axis=0), label=titles[method], **style)
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.7)
    return sheet.figure


def _risk(rows: pd.DataFrame) -> np.ndarray:
    curve = risk_coverage(rows["probability"], rows["prediction"] == rows["label"])
    return np.interp(_GRID, curve.coverage, curve.risk)
