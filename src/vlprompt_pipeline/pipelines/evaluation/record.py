"""Record the result of a method in a cell, with all that it depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.templates import BENCHMARK
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.evaluation.metrics import METRICS
from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets, DatasetCard, FewShotSet
from vlprompt_pipeline.methods import Recipe, get_method
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.protocols import get_protocol
from vlprompt_pipeline.reproducibility.differences import flatten
from vlprompt_pipeline.results.caveats import near_chance
from vlprompt_pipeline.results.records import (
    ZERO_SHOT,
    Cell,
    CellRecord,
    Classes,
    Generalised,
    MadeWith,
    MethodResult,
    Score,
    Target,
)
from vlprompt_pipeline.source_code import code_digest
from vlprompt_pipeline.wording import some

_DRAWN = ("dataset", "shots", "seed", "split_sha256", "few_shot_sha256")
_SIZES = ("trainable_parameters", "payload_bytes", "file_bytes", "fp16_bytes", "inference_cost")


def write_record(
    metrics: dict[str, Any],
    sizes: dict[str, Any],
    prompt: TrainedPrompt,
    clip: FrozenClip,
    class_subsets: ClassSubsets,
    card: DatasetCard,
    table: pd.DataFrame,
    features: FeatureParameters,
    few_shot_set: FewShotSet,
    remarks: Sequence[str],
    protocol: str,
    settings: dict[str, Any],
    *others: Any,
    method: str,
    n_targets: int,
) -> dict[str, Any]:
    """Record the result of one method in one cell, with everything it depends on.

    Reports read the record, which shows that the method is finished in this cell. `others` are the
    metrics on each target dataset, the cards of these datasets, and all other files of the method,
    which are not used but must be there and belong to this prompt.
    """
    target_metrics, target_cards = others[:n_targets], others[n_targets : 2 * n_targets]
    recipe = prompt.resolved_recipe()
    class_names = {name: subset.class_names for name, subset in class_subsets.items()}
    scores = {half: _score(metrics[half]) for half in class_names if half in metrics}
    among_all = metrics.get("generalised")
    halves = ("base", "new")
    record = CellRecord(
        cell=Cell(
            protocol=get_protocol(protocol).label(settings),
            clip=clip.name,
            weights_sha256=clip.weights_sha256,
            template_set=_template_set(recipe),
            code_version=__version__,
            random_split=card.random_split,
            targets=tuple(
                Target(
                    dataset=target.name,
                    classes=len(target.class_names),
                    split_sha256=target.split_sha256,
                    random_split=target.random_split,
                )
                for target in target_cards
            ),
            **{key: prompt.provenance[key] for key in _DRAWN},
        ),
        classes=Classes(**class_names),
        notes=(
            *remarks,
            *_notes(method, scores, class_names),
            *_shorter(few_shot_set, class_subsets["base"], recipe),
        ),
        methods=(
            MethodResult(
                method=method,
                title=recipe.title,
                **scores,
                generalised=among_all
                and Generalised(**{half: _score(among_all[half]) for half in halves}),
                targets=tuple(_score(scored["target"]) for scored in target_metrics if scored),
                tuned_per_dataset=recipe.tuned_per_dataset,
                metric_code=_metric_code(
                    [metrics[half] for half in scores]
                    + [metrics["generalised"][half] for half in halves if among_all]
                    + [scored["target"] for scored in target_metrics if scored]
                ),
                made_with=_made_with(prompt, recipe, clip, card, table, features),
                **{key: sizes[key] for key in _SIZES},
            ),
        ),
    )
    return record.model_dump(mode="json")


def _made_with(
    prompt: TrainedPrompt,
    recipe: Recipe,
    clip: FrozenClip,
    card: DatasetCard,
    table: pd.DataFrame,
    features: FeatureParameters,
) -> MadeWith:
    """Return what the results of several seeds must have in common to be averaged."""
    read = {
        "template": card.template,
        "features.decoding": features.decoding,
        "precision": clip.arithmetic.precision,  # of `auto` it depends on the device
    }
    settings = recipe.deciding | read
    if recipe.training:  # zero-shot CLIP sees no training image
        drawn = ("train", "views", "crop_scale")
        settings["features"] = features.model_dump(mode="json", include={*drawn})
    return MadeWith(
        settings=flatten(settings),
        images=_image_digest(table),
        clip=clip.identity_sha256,
        code=_code(prompt, recipe),
    )


def _code(prompt: TrainedPrompt, recipe: Recipe) -> str:
    """Return a digest of the code that trained the prompt and of the code that scores it now.

    It is empty if the code that trained the prompt is unknown.
    """
    trained = prompt.provenance.get("code", "")
    now = code_digest("results", *recipe.code)
    return trained and hashlib.sha256(f"{trained} {now}".encode()).hexdigest()


def _image_digest(table: pd.DataFrame) -> str:
    """Return a digest of all images of an index: by content, or path and size of large datasets."""
    known_by = (fingerprint.partition("-")[0] for fingerprint in table["fingerprint"].tolist())
    lines = sorted(map("{}\0{}\n".format, table["path"].tolist(), known_by))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _score(metrics: dict[str, Any]) -> Score:
    return Score(**{name: metrics[name] for name in ("correct", "total", *_recorded(metrics))})


def _recorded(metrics: Iterable[str]) -> list[str]:
    return [name for name in metrics if name in METRICS and METRICS[name].recorded]


def _metric_code(scores: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return a digest of the code of each recorded metric: only results of one code have a mean."""
    names = {name for each in scores for name in _recorded(each)}
    return {name: code_digest(METRICS[name].compute) for name in sorted(names)}


def _template_set(recipe: Recipe) -> str:
    """Return the template set of zero-shot CLIP, which distinguishes its results.

    For a trained recipe, templates are one of its settings, as the learning rate is.
    """
    return BENCHMARK if recipe.training else getattr(recipe.prompt, "templates", BENCHMARK)


def _shorter(few_shot_set: FewShotSet, base: ClassSubset, recipe: Recipe) -> tuple[str, ...]:
    """Say which classes of training had fewer images than shots, in one note or none."""
    names = dict(zip(base.labels, base.class_names, strict=True))
    short = [
        f"{names[label]} {size}"
        for label, size in few_shot_set.short_classes.items()
        if label in names
    ]
    if not short or not (recipe.training or get_method(recipe.method).learner.fitted):
        return ()
    return (
        f"Up to {few_shot_set.shots} shots: {len(short)} of {len(names)} classes had fewer "
        f"training images ({some(short)}).",
    )


def _notes(
    method: str, scores: dict[str, Score], class_names: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if method != ZERO_SHOT:
        return ()
    notes = []
    for half, score in scores.items():
        classes = len(class_names[half])
        if near_chance(score.accuracy, classes):
            of_half = f" on {half} classes" if len(class_names) > 1 else ""
            notes.append(
                f"Zero-shot accuracy{of_half} is {score.accuracy:.1f} %, near the chance of "
                f"{100 / classes:.1f} %: this CLIP does not know these classes, and what prompts "
                "reach on it says nothing about a CLIP that does."
            )
    return tuple(notes)
