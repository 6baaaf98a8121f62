"""What a prompt predicts for cached image features, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.methods.base import PromptLearner, SampledPredictions

TOP = 5
CHUNK = 8192


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
    (table,) = predict_among(learner, image_features, labels, [range(len(learner.classes.names))])
    return table


@torch.no_grad()
def predict_among(
    learner: PromptLearner, image_features: Tensor, labels: Tensor, sets: Sequence[Sequence[int]]
) -> list[pd.DataFrame]:
    """What `predict` gives for the images of each set of classes, if these are all there are.

    Every image meets every class once, whatever the sets: with a prompt of its own for each image
    that is what takes time. Tables are indexed by image; labels and predictions are places in the
    set.
    """
    chunks: list[list[dict[str, Tensor]]] = [[] for _ in sets]
    for rows in torch.arange(len(labels)).split(CHUNK):
        features = image_features[rows].to(learner.clip.device)
        sampled = learner.sampled(features)
        logits = None if sampled else learner.logits(features)
        for found, columns in zip(chunks, [torch.tensor([*among]) for among in sets], strict=True):
            place = torch.full((len(learner.classes.names),), -1)
            place[columns] = torch.arange(len(columns))
            own = place[labels[rows]]
            kept = (own >= 0).nonzero()[:, 0]
            if sampled:
                part = sampled.among(kept, columns)
                values = _of_probabilities(part.probabilities)
                values |= _of_samples(part, values["prediction"])
            else:
                values = _of_probabilities(logits[kept][:, columns].softmax(-1))
            found.append({"image": rows[kept], "label": own[kept], **values})
    return [_table(found) for found in chunks]


def _table(chunks: list[dict[str, Tensor]]) -> pd.DataFrame:
    joined = {name: torch.cat([chunk[name].cpu() for chunk in chunks]) for name in chunks[0]}
    values = {n: v.tolist() if v.ndim > 1 else v.numpy() for n, v in joined.items()}
    return pd.DataFrame(values).set_index("image")


def _of_probabilities(probabilities: Tensor) -> dict[str, Tensor]:
    ranked = probabilities.topk(min(TOP, probabilities.shape[1]), dim=-1)
    return {
        "prediction": ranked.indices[:, 0],
        "probability": ranked.values[:, 0],
        "top": ranked.indices,
        "top_probability": ranked.values,
        "entropy": torch.special.entr(probabilities).sum(-1),
    }


def _of_samples(sampled: SampledPredictions, prediction: Tensor) -> dict[str, Tensor]:
    own = prediction[None, :, None].expand(len(sampled.samples), -1, 1)
    return {
        "spread": sampled.samples.gather(-1, own)[..., 0].std(0, correction=0),
        "sampled_prediction": sampled.samples.mean(0).argmax(-1),
        "mean_prediction": sampled.mean.argmax(-1),
    }
