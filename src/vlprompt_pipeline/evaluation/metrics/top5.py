"""Top-5 accuracy: the label is among the five most probable classes."""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.evaluation.metrics.means import accuracy
from vlprompt_pipeline.evaluation.metrics.registry import Metric, register


def top5_accuracy(predicted: pd.DataFrame, classes: pd.DataFrame) -> float:
    """Return percent; 100 among five classes or fewer, whatever is predicted."""
    pairs = zip(predicted["label"], predicted["top"], strict=True)
    return accuracy(sum(label in top for label, top in pairs), len(predicted))


register(Metric("top5_accuracy", "top-5", top5_accuracy))
