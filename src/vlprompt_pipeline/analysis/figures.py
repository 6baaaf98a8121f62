"""All figures of an analysis, each from its table alone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vlprompt_pipeline.analysis.captions import Conditions
from vlprompt_pipeline.analysis.epoch_figures import (
    divergence_figure,
    histograms_figure,
    noise_figure,
    quantization_figure,
    spectrum_figure,
)
from vlprompt_pipeline.analysis.head_figure import heads_figure
from vlprompt_pipeline.analysis.sheet import SeriesSheet
from vlprompt_pipeline.analysis.size_figures import (
    ablation_figure,
    quantizers_figure,
    storage_figure,
)


def draw(tables: Mapping[str, pd.DataFrame], conditions: Conditions) -> dict[str, SeriesSheet]:
    """Return every figure by the name of its table, in the order of the page."""
    return {name: figure(tables[name], conditions) for name, figure in _FIGURES.items()}


_FIGURES = {
    "storage": storage_figure,
    "quantizers": quantizers_figure,
    "noise": noise_figure,
    "quantization": quantization_figure,
    "histograms": histograms_figure,
    "spectrum": spectrum_figure,
    "divergence": divergence_figure,
    "ablation": ablation_figure,
    "heads": heads_figure,
}
"""In the order of the page, where two of about the same height stand side by side."""
