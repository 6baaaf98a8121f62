"""Check before registration that a packaged model predicts what the evaluation predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd

from vlprompt_pipeline.arithmetic import resolve_precision
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.precision import Precision
from vlprompt_pipeline.registry.common_images import HALVES

ROUNDING: dict[Precision, float] = {"tf32": 0.05, "bf16": 0.5, "fp16-amp": 0.05}
"""By how much a logit may be another where images share other batches, or are computed in fp32.

Our choice: CLIP multiplies cosines, which these precisions round at the third or fourth digit, by
100. In fp32 a label that differs is an error.
"""


@dataclass(frozen=True)
class Evaluated:
    """What the evaluation of a method left.

    Attributes:
        predictions: a row an image.
        class_names: of each half.
        images: folder of the dataset.
        precision: of the frozen towers, which a package chooses for itself.
    """

    predictions: pd.DataFrame
    class_names: Mapping[str, Sequence[str]]
    images: Path
    precision: Precision


def require_same_answers(package: Path, device: str, evaluated: Evaluated, count: int) -> int:
    """Classify test images with the packaged model, through MLflow, among the classes of each half.

    Args:
        package: folder of the model.
        device: where to compute.
        evaluated: what it must answer again.
        count: how many images at most, spread evenly over the rows of the predictions.

    Returns:
        How many images were classified.

    Raises:
        UserError: a label is another than the evaluation's, or an image is no longer there.
    """
    precisions = (evaluated.precision, resolve_precision("auto", device))
    rounding = max(ROUNDING.get(precision, 0.0) for precision in precisions)
    model = mlflow.pyfunc.load_model(str(package), model_config={"device": device})
    predictions, images = evaluated.predictions, evaluated.images
    by_half = predictions[predictions["half"].isin(HALVES)]
    rows = np.linspace(0, len(by_half) - 1, min(count, len(by_half))).round().astype(int)
    chosen = by_half.iloc[rows]
    for half, part in chosen.groupby("half"):
        names = list(evaluated.class_names[half])
        try:
            given = pd.DataFrame({"image": [(images / path).read_bytes() for path in part["path"]]})
        except OSError as error:
            raise UserError(
                f"a test image is gone ({error}): run again where photos were changed since the "
                "last run, and register a model where its dataset is, so that it can be checked"
            ) from None
        labelled = model.predict(given, params={"class_names": names, "top_k": 2})
        # the label itself may be "none of these"
        different = np.array(
            [
                differs(labels, scores, names[index], rounding)
                for labels, scores, index in zip(
                    labelled["top_labels"],
                    labelled["top_scores"],
                    part["prediction"],
                    strict=True,
                )
            ]
        )
        if different.any():
            first = part["path"].iloc[int(different.argmax())]
            raise UserError(
                f"the packaged model labels {different.sum()} of {len(part)} {half} test images "
                f"otherwise than the evaluation did, {first} first: evaluate the prompt again "
                "(kedro run --pipelines=evaluation), then register it"
            )
    return len(chosen)


def differs(labels: Sequence[str], scores: Sequence[float], expected: str, rounding: float) -> bool:
    """Tell whether the best label is another than expected, and not only by rounding of logits.

    `labels` are the best two, with their probabilities.
    """
    if labels[0] == expected:
        return False
    return expected not in labels or scores[0] > scores[1] * math.exp(rounding)
