"""How well images of the classes are told from outsiders, by the largest probability or the energy.

The outsiders are images of the classes that training held out, predicted among those of training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from vlprompt_pipeline.evaluation.metrics.registry import Metric, register
from vlprompt_pipeline.rejection import auroc, false_positive_rate

OUTSIDERS = "outsiders"
"""The `half` of predictions for images of new classes among the base classes."""


def _of_scores(
    compute: Callable[[np.ndarray, np.ndarray], float],
    column: str,
    predicted: pd.DataFrame,
    outsiders: pd.DataFrame,
) -> float | None:
    """Compute a number of the scores in a column; None where there is none, or no image."""
    if column not in predicted or outsiders.empty:
        return None
    return compute(predicted[column].to_numpy(), outsiders[column].to_numpy())


for _name, _title, _column in (("", "", "probability"), ("energy_", ", by energy", "energy")):
    _AUROC = partial(_of_scores, auroc, _column)
    _FPR95 = partial(_of_scores, false_positive_rate, _column)
    register(Metric(f"{_name}auroc", f"AUROC of outsiders{_title}", _AUROC, of_outsiders=True))
    register(
        Metric(
            f"{_name}fpr95",
            f"FPR95 of outsiders{_title}",
            _FPR95,
            lower_is_better=True,
            of_outsiders=True,
        )
    )
