"""What a prompt predicts for cached image features, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.sampled import SampledPredictions
from vlprompt_pipeline.methods.zero import votes

TOP = 5
CHUNK = 8192


def predict_among(
    learner: PromptLearner,
    image_features: Tensor,
    labels: Tensor,
    sets: Sequence[Sequence[int]],
    outsiders_of: Sequence[int] = (),
) -> list[pd.DataFrame]:
    """Predict the images of each set of classes, if these are all there are: one row an image.

    A row has the true `label`, the `prediction` and its `probability`, the five most probable
    classes (`top`, `top_probability`), the `entropy` of the probabilities in nats and, where
    predictions are made of logits, `energy`: log Σ exp(logit) (`rejection.energy`). Where the
    prompt is a distribution, `sampled_prediction` is that of the averaged samples,
    `mean_prediction` that of the mean prompt alone, and `spread` the standard deviation over
    samples of the probability of `prediction`. Tables are indexed by image; labels and predictions
    are positions in the set.

    Every image meets every class once, whatever the sets: with a prompt of its own for each image
    that is what takes time.

    Args:
        learner: a prompt for C classes.
        image_features: `[images, embed]`, normalised.
        labels: `[images]` indices into the learner's classes; -1 for an image of none of them.
        sets: classes that there are, by their indices.
        outsiders_of: one more set, of which the images of all other classes are predicted: what a
            model says of an image whose class it does not have. Their label is -1.

    Returns:
        A table a set, and one of the outsiders where these are asked for.

    Raises:
        UserError: a prediction is not finite.
    """

    def predictor_of(features: Tensor) -> Predictor:
        sampled = learner.sampled(features)
        if sampled is None:
            logits = learner.logits(features)
            return lambda kept, columns: _of_logits(logits[kept][:, columns])

        def predict_some(kept: Tensor, columns: Tensor) -> dict[str, Tensor]:
            part = sampled.among(kept, columns)
            values = _of_probabilities(part.probabilities)
            return values | _of_samples(part, values["prediction"])

        return predict_some

    return _tables(learner, image_features, labels, sets, predictor_of, outsiders_of)


def predict_by_vote(
    learner: PromptLearner,
    view_features: Tensor,
    labels: Tensor,
    sets: Sequence[Sequence[int]],
    voters: int,
    outsiders_of: Sequence[int] = (),
) -> list[pd.DataFrame]:
    """Predict as `predict_among` does, by votes of an image's most confident views.

    How they vote: `methods.zero`. Probabilities are shares of votes. A prompt that is a
    distribution votes by its average.

    Args:
        learner: a prompt for C classes.
        view_features: `[images, views, embed]`, normalised.
        labels: `[images]` as of `predict_among`, and so are the sets.
        sets: classes that there are, by their indices.
        voters: views of an image that vote.
        outsiders_of: one more set, for the images of all other classes.
    """

    def predictor_of(features: Tensor) -> Predictor:
        logits = learner.logits(features.flatten(0, 1)).unflatten(0, features.shape[:2])

        def predict_some(kept: Tensor, columns: Tensor) -> dict[str, Tensor]:
            counted = votes(logits[kept][..., columns], voters)
            return _of_probabilities(counted / counted.sum(-1, keepdim=True))

        return predict_some

    return _tables(learner, view_features, labels, sets, predictor_of, outsiders_of)


Predictor = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""From rows of images and columns of classes to the predictions for these images among these."""


@torch.no_grad()
def _tables(
    learner: PromptLearner,
    features: Tensor,
    labels: Tensor,
    sets: Sequence[Sequence[int]],
    predictor_of: Callable[[Tensor], Predictor],
    outsiders_of: Sequence[int],
) -> list[pd.DataFrame]:
    """Return tables of the images of each set, a chunk of images after the other."""
    groups = [(torch.tensor([*among]), False) for among in sets]
    groups += [(torch.tensor([*outsiders_of]), True)] if len(outsiders_of) else []
    chunks: list[list[dict[str, Tensor]]] = [[] for _ in groups]
    views = features.shape[1] if features.ndim > 2 else 1
    for rows in torch.arange(len(labels)).split(max(1, CHUNK // views)):
        predict_some = predictor_of(features[rows].to(learner.clip.device))
        for tables, (columns, outside) in zip(chunks, groups, strict=True):
            position = torch.full((len(learner.classes.names) + 1,), -1)  # the last one: no class
            position[columns] = torch.arange(len(columns))
            label = position[labels[rows]]
            kept = ((label < 0) if outside else (label >= 0)).nonzero()[:, 0]
            tables.append(
                {"image": rows[kept], "label": label[kept], **predict_some(kept, columns)}
            )
    return [_table(tables) for tables in chunks]


def _table(chunks: list[dict[str, Tensor]]) -> pd.DataFrame:
    joined = {name: torch.cat([chunk[name].cpu() for chunk in chunks]) for name in chunks[0]}
    values = {n: v.tolist() if v.ndim > 1 else v.numpy() for n, v in joined.items()}
    return pd.DataFrame(values).set_index("image")


def _of_logits(logits: Tensor) -> dict[str, Tensor]:
    return _of_probabilities(logits.softmax(-1), logits) | {"energy": logits.logsumexp(-1)}


def _of_probabilities(probabilities: Tensor, scores: Tensor | None = None) -> dict[str, Tensor]:
    """Rank by `scores`, which tell small probabilities apart that are all 0 in single precision."""
    if probabilities.isnan().any():
        raise UserError(
            "what was trained predicts NaN: lower training.lr, or set precision to fp32"
        )
    left, ranks = (probabilities if scores is None else scores).clone(), []
    for _ in range(min(TOP, probabilities.shape[1])):  # of equals the first; topk gives any of them
        ranks.append(left.argmax(-1, keepdim=True))
        left.scatter_(-1, ranks[-1], -math.inf)
    top = torch.cat(ranks, dim=-1)
    shares = probabilities.gather(-1, top)
    return {
        "prediction": top[:, 0],
        "probability": shares[:, 0],
        "top": top,
        "top_probability": shares,
        "entropy": torch.special.entr(probabilities).sum(-1),
    }


def _of_samples(sampled: SampledPredictions, prediction: Tensor) -> dict[str, Tensor]:
    predicted = prediction[None, :, None].expand(len(sampled.samples), -1, 1)
    return {
        "spread": sampled.samples.gather(-1, predicted)[..., 0].std(0, correction=0),
        "sampled_prediction": sampled.samples.mean(0).argmax(-1),
        "mean_prediction": sampled.mean.argmax(-1),
    }
