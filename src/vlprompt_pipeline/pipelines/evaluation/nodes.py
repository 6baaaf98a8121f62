"""Score the file that ships, on the base and the new classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vlprompt_pipeline.clip import AugmentedViews, EvaluationView, FrozenClip, TrainingViews
from vlprompt_pipeline.clip.dataset_features import (
    decoding_of,
    encode_images,
    encode_test_images,
    few_shot_images,
)
from vlprompt_pipeline.clip.feature_records import EvaluationFeatures
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.evaluation.metrics import score_of
from vlprompt_pipeline.evaluation.metrics.outsiders import OUTSIDERS
from vlprompt_pipeline.evaluation.outcomes import joined, outcomes
from vlprompt_pipeline.evaluation.predict import predict_among, predict_by_vote
from vlprompt_pipeline.evaluation.scores import nested_scores
from vlprompt_pipeline.export.learner import load_learner
from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard, FewShotSet
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.methods.zero import ZeroConfig
from vlprompt_pipeline.pipelines.inputs import require_prompt_of_this_run
from vlprompt_pipeline.protocols.choices import choices

EVALUATED = ("predictions", "metrics", "per_class", "confusion")
"""Catalog names of what `evaluate_prompt` returns."""


def evaluate_prompt(
    *,
    packed: bytes,
    prompt: TrainedPrompt,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    class_subsets: ClassSubsets,
    test_features: EvaluationFeatures,
    store: Path,
    features: FeatureParameters,
    metrics: Sequence[str],
    recipes: dict[str, Any],
    few_shot_set: FewShotSet,
    method: str,
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Predict every test image among the classes of its subset, and score the predictions.

    With base and new classes, images are also predicted among the classes of both (`choices`), and
    images of new classes among the base classes, as outsiders that belong to none of them. A method
    that is bound to the classes of training is only scored on these and the outsiders. Features
    come from the store: those of the frozen CLIP (`test_features`) are there already; those of a
    method with prompts in the image tower are computed.

    Returns:
        Predictions, one row per image and choice; scores by subset, with the accuracy on the
        few-shot set's validation images; scores of each class; counts of the confusion matrices.

    Raises:
        PromptFileError: the prompt is of an earlier training, or of another CLIP.
        DataError: the images were split again after the few-shot set was drawn.
    """
    require_prompt_of_this_run(prompt, method, recipes, few_shot_set)
    if card.name == few_shot_set.dataset:
        few_shot_set.require_split(card)
    recipe = prompt.resolved_recipe()
    choices_to_score = choices(class_subsets, bound=recipe.bound_to_classes)
    if not choices_to_score:
        return pd.DataFrame(), {}, pd.DataFrame(), pd.DataFrame()
    all_classes = choices_to_score[-1].classes
    classes = ClassTexts(all_classes.class_names, card.template)
    learner = load_learner(packed, recipe, clip, classes).freeze()
    test = table[table["part"] == "test"].reset_index(drop=True)
    class_numbers = test["label"].map(all_classes.relabelling).fillna(-1).astype("int64")
    labels = torch.from_numpy(class_numbers.to_numpy().copy())
    plain = EvaluationView(clip.preprocessing, decoding_of(features, card))
    zero = recipe.test_time
    views = _augmented(plain, zero, prompt.provenance["seed"]) if zero else plain
    encoder = learner.image_side()
    image_features = encode_test_images(encoder, views, table, card, store, features).values
    label_sets = [
        [all_classes.relabelling[label] for label in choice.classes.labels]
        for choice in choices_to_score
    ]
    base = label_sets[0] if "new" in class_subsets else ()
    if zero:
        tables = predict_by_vote(learner, image_features, labels, label_sets, zero.voters, base)
    else:
        tables = predict_among(learner, image_features[:, 0], labels, label_sets, base)
    tables = [table.assign(path=test["path"]) for table in tables]
    outsiders = tables.pop().assign(half=OUTSIDERS) if base else None
    scores, scored = {}, []
    for choice, predicted in zip(choices_to_score, tables, strict=True):
        for subset, outcome in outcomes(predicted, choice).items():
            strange = outsiders if subset == "base" else None
            scores[subset] = score_of(outcome.predictions, outcome.classes, metrics, strange)
            scored.append(outcome)
    predictions, by_class, confusion = joined(scored)
    if outsiders is not None:
        predictions = pd.concat([predictions, outsiders], ignore_index=True)
    nested = nested_scores(scores)
    if card.name == few_shot_set.dataset and few_shot_set.val and "new" not in class_subsets:
        images = few_shot_images(table, card, few_shot_set, "val")
        val_features = encode_images(encoder, images, plain, store, features).values[:, 0]
        wanted = torch.tensor([all_classes.relabelling[label] for _, label in few_shot_set.val])
        (predicted,) = predict_among(learner, val_features, wanted, label_sets[:1])
        nested["validation"] = score_of(predicted, pd.DataFrame(), ())
    return predictions, nested, by_class, confusion


def _augmented(plain: EvaluationView, zero: ZeroConfig, seed: int) -> AugmentedViews:
    """Return the views that a method uses at test time; the seed of the run decides the crops."""
    crops = TrainingViews(
        plain.preprocessing, seed, zero.views - 1, zero.crop_scale, plain.decoding
    )
    return AugmentedViews(plain, crops)
