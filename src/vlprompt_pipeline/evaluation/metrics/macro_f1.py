"""Macro-F1: the mean F1 of the classes that have test images, as Dassl's evaluator takes it."""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.evaluation.metrics.registry import Metric, register


def macro_f1(predicted: pd.DataFrame, classes: pd.DataFrame) -> float:
    """Return percent; scikit-learn counts a class without images as 0; here it does not count."""
    return float(classes["f1"].mean())


register(Metric("macro_f1", "macro-F1", macro_f1))
