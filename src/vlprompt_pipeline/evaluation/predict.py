"""What a prompt predicts for cached image features."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.prompts.base import PromptLearner

TOP = 5
CHUNK = 8192


@torch.no_grad()
def predict(learner: PromptLearner, image_features: Tensor, labels: Tensor) -> pd.DataFrame:
    """One row an image: true `label`, `prediction`, its probability, and the top five.

    Args:
        learner: a prompt for C classes.
        image_features: `[images, embed]`, normalised.
        labels: `[images]` indices into the learner's classes.
    """
    rows = []
    for features in image_features.split(CHUNK):
        probabilities = learner.logits(features.to(learner.clip.device)).softmax(-1).cpu()
        rows.append(probabilities.topk(min(TOP, probabilities.shape[1]), dim=-1))
    ranked = torch.cat([row.indices for row in rows])
    scores = torch.cat([row.values for row in rows])
    return pd.DataFrame(
        {
            "label": labels.numpy(),
            "prediction": ranked[:, 0].numpy(),
            "probability": scores[:, 0].numpy(),
            "top": ranked.tolist(),
            "top_probability": scores.tolist(),
        }
    )
