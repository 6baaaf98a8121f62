"""Score the file that ships, on both halves of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip import EvaluationView, FrozenClip
from vlprompt_pipeline.clip.templates import BENCHMARK
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.evaluation.halves import by_protocol, choices, protocol_name
from vlprompt_pipeline.evaluation.metrics import METRICS, score_of
from vlprompt_pipeline.evaluation.outcomes import joined, outcomes
from vlprompt_pipeline.evaluation.predict import predict_among
from vlprompt_pipeline.export.learner import load_learner
from vlprompt_pipeline.image_datasets import ClassSubset
from vlprompt_pipeline.methods import ClassTexts, Recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.pipelines.feature_extraction.nodes import test_features_of
from vlprompt_pipeline.pipelines.inputs import in_two
from vlprompt_pipeline.results.records import (
    ZERO_SHOT,
    Cell,
    CellRecord,
    Classes,
    Generalised,
    MethodResult,
    Score,
    Target,
)

# Our choice: zero-shot accuracy that covers less of the way from chance to 100 % is near chance.
NEAR_CHANCE = 0.05
EVALUATED = ("predictions", "metrics", "per_class", "confusion")
"""What `evaluate_prompt` gives, in the catalog's words."""


def evaluate_prompt(
    packed: bytes,
    prompt: TrainedPrompt,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    class_subsets: dict[str, Any],
    test_features: dict[str, Any],
    store: Path,
    features: FeatureParameters,
    metrics: Sequence[str],
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Predictions of every test image among the classes of its half, and what is said of them.

    Where there are two halves, also among the classes of both (`choices`). What is bound to the
    classes of training is scored on these alone. Image features come from the store: those of the
    frozen CLIP are there already, those of one with prompts in its image tower are computed.

    Returns:
        Predictions, one row an image and choice; scores by half; scores of each class; counts of
        the confusion matrices.
    """
    recipe = prompt.resolved_recipe()
    halves = {
        name: ClassSubset(tuple(half["labels"]), tuple(half["class_names"]))
        for name, half in class_subsets.items()
    }
    asked = choices(halves, bound=recipe.bound_to_classes)
    if not asked:
        return pd.DataFrame(), {}, pd.DataFrame(), pd.DataFrame()
    known = asked[-1].classes
    classes = ClassTexts(known.class_names, card["template"])
    learner = load_learner(packed, recipe, clip, classes)
    view = EvaluationView(clip.preprocessing, test_features["decoding"])
    images = test_features_of(learner.image_side(), view, table, card, store, features).values
    test = table[table["part"] == "test"].reset_index(drop=True)
    rows = torch.from_numpy(test["label"].isin(known.labels).to_numpy().copy())
    own = known.restrict(test)
    labels = torch.from_numpy(own["label"].to_numpy().copy())
    sets = [[known.relabelling[label] for label in choice.classes.labels] for choice in asked]
    predicted = predict_among(learner, images[rows, 0], labels, sets)
    scores, found = {}, []
    for choice, one in zip(asked, predicted, strict=True):
        for half, outcome in outcomes(one.assign(path=own["path"]), choice).items():
            scores[half] = score_of(outcome.predictions, outcome.classes, metrics)
            found.append(outcome)
    predictions, by_class, confusion = joined(found)
    return predictions, by_protocol(scores), by_class, confusion


def write_record(
    metrics: dict[str, Any],
    sizes: dict[str, Any],
    prompt: TrainedPrompt,
    clip: FrozenClip,
    class_subsets: dict[str, Any],
    card: dict[str, Any],
    protocol: str,
    base_share: float,
    *on_targets: dict[str, Any],
    method: str,
) -> dict[str, Any]:
    """The result of one method in one cell, with everything it depends on: what reports read.

    `on_targets` are the metrics on each target dataset, then the cards of these datasets.
    """
    target_metrics, target_cards = in_two(on_targets)
    recipe = prompt.resolved_recipe()
    known = {half: tuple(classes["class_names"]) for half, classes in class_subsets.items()}
    scores = {half: _score(metrics[half]) for half in known if half in metrics}
    generalised = metrics.get("generalised")
    provenance = prompt.provenance
    record = CellRecord(
        cell=Cell(
            protocol=protocol_name(protocol, base_share),
            clip=clip.name,
            weights_sha256=clip.weights_sha256,
            template_set=_template_set(recipe),
            code_version=__version__,
            random_split=card["random_split"],
            targets=tuple(
                Target(
                    dataset=target["name"],
                    classes=len(target["class_names"]),
                    split_sha256=target["split_sha256"],
                    random_split=target["random_split"],
                )
                for target in target_cards
            ),
            **{key: provenance[key] for key in ("dataset", "shots", "seed")},
            **{key: provenance[key] for key in ("split_sha256", "few_shot_sha256")},
        ),
        classes=Classes(**known),
        notes=_notes(method, scores, known),
        methods=(
            MethodResult(
                method=method,
                title=recipe.title,
                **scores,
                generalised=generalised and _generalised(generalised),
                targets=tuple(_score(found["target"]) for found in target_metrics if found),
                tuned_per_dataset=recipe.tuned_per_dataset,
                **{key: sizes[key] for key in _SIZES},
            ),
        ),
    )
    return record.model_dump(mode="json")


def _score(found: dict[str, Any]) -> Score:
    recorded = (name for name in found if name in METRICS and METRICS[name].recorded)
    return Score(**{name: found[name] for name in ("correct", "total", *recorded)})


def _generalised(found: dict[str, Any]) -> Generalised:
    return Generalised(base=_score(found["base"]), new=_score(found["new"]))


def _template_set(recipe: Recipe) -> str:
    """The set that zero-shot CLIP classifies with, by which results are told apart.

    What a trained recipe does with templates is a setting of that recipe, as its rate is.
    """
    return BENCHMARK if recipe.training else getattr(recipe.prompt, "templates", BENCHMARK)


_SIZES = (
    "trainable_parameters",
    "payload_bytes",
    "file_bytes",
    "fp16_bytes",
    "inference_cost",
)


def _notes(
    method: str, scores: dict[str, Score], known: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if method != ZERO_SHOT:
        return ()
    notes = []
    for half, score in scores.items():
        chance = 100 / len(known[half])
        if score.accuracy < chance + NEAR_CHANCE * (100 - chance):
            notes.append(
                f"Zero-shot accuracy on {half} classes is {score.accuracy:.1f} %, near the chance "
                f"of {chance:.1f} %: this CLIP does not know these classes, and what prompts reach "
                "on it says nothing about a CLIP that does."
            )
    return tuple(notes)
