"""What a prompt predicts for cached image features, and how sure it is."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.prompts.base import PromptLearner, SampledPredictions

TOP = 5
CHUNK = 8192


@torch.no_grad()
def predict(learner: PromptLearner, image_features: Tensor, labels: Tensor) -> pd.DataFrame:
    """One row an image: true `label`, `prediction`, its probability, the top five, the entropy.

    `entropy` is that of the predicted probabilities in nats. Where the prompt is a distribution,
    `sampled_prediction` is that of the averaged samples, `mean_prediction` that of the mean prompt
    alone, and `spread` the standard deviation over samples of the probability of `prediction`.

    Args:
        learner: a prompt for C classes.
        image_features: `[images, embed]`, normalised.
        labels: `[images]` indices into the learner's classes.
    """
    chunks = []
    for chunk in image_features.split(CHUNK):
        features = chunk.to(learner.clip.device)
        sampled = learner.sampled(features)
        probabilities = sampled.probabilities if sampled else learner.logits(features).softmax(-1)
        ranked = probabilities.topk(min(TOP, probabilities.shape[1]), dim=-1)
        columns = {
            "prediction": ranked.indices[:, 0],
            "probability": ranked.values[:, 0],
            "top": ranked.indices,
            "top_probability": ranked.values,
            "entropy": torch.special.entr(probabilities).sum(-1),
        }
        if sampled:
            columns |= _of_samples(sampled, columns["prediction"])
        chunks.append({name: values.cpu() for name, values in columns.items()})
    joined = {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}
    values = {n: v.tolist() if v.ndim > 1 else v.numpy() for n, v in joined.items()}
    return pd.DataFrame({"label": labels.numpy(), **values})


def _of_samples(sampled: SampledPredictions, prediction: Tensor) -> dict[str, Tensor]:
    own = prediction[None, :, None].expand(len(sampled.samples), -1, 1)
    return {
        "spread": sampled.samples.gather(-1, own)[..., 0].std(0, correction=0),
        "sampled_prediction": sampled.samples.mean(0).argmax(-1),
        "mean_prediction": sampled.mean.argmax(-1),
    }
