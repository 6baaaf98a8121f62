"""The figure of risk against coverage: what refusing the least sure images saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vlprompt_pipeline.rejection import risk_coverage

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
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for method, tables in predictions.items():
        curves = [_risk(table[table["half"] == "base"]) for table in tables]
        axes.plot(100 * _GRID, 100 * np.mean(curves, axis=0), label=titles[method])
    axes.set(
        xlabel="coverage: % of test images that get a label, the most probable first",
        ylabel="risk: % of these labels that are wrong",
        title=title,
        xlim=(0, 100),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def _risk(rows: pd.DataFrame) -> np.ndarray:
    curve = risk_coverage(rows["probability"], rows["prediction"] == rows["label"])
    return np.interp(_GRID, curve.coverage, curve.risk)
