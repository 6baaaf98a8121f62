"""From logits to the table that answers a request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vlprompt_pipeline.rejection import Rejection, softmax


def ranked_table(
    logits: np.ndarray, names: tuple[str, ...], top: int, rejection: Rejection | None
) -> pd.DataFrame:
    """Rank the classes of each image, of equal ones the first, and say which images are none."""
    decision = rejection.decide(logits) if rejection else None
    probabilities = decision.probabilities if decision else softmax(logits)
    order = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top]
    scores = np.take_along_axis(probabilities, order, -1)
    table = top_table(names, order.tolist(), scores.tolist())
    if decision:
        table["label"] = pd.Series(decision.labels(names), dtype="object")
    if decision and decision.sets is not None:
        table["label_set"] = pd.Series(decision.label_sets(names), dtype="object")
    return table


def top_table(
    names: Sequence[str], indices: Sequence[list[int]], scores: Sequence[list[float]]
) -> pd.DataFrame:
    """Return a row each of `label`, `score`, `top_labels` and `top_scores`, the best first."""
    labels = [[names[index] for index in row] for row in indices]
    return pd.DataFrame(
        {
            "label": pd.Series([row[0] for row in labels], dtype="object"),
            "score": pd.Series([row[0] for row in scores], dtype="float64"),
            "top_labels": pd.Series(labels, dtype="object"),
            "top_scores": pd.Series(scores, dtype="object"),
        }
    )
