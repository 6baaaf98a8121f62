"""Features of the images of a dataset: their extraction into the store, and what it leaves.

The features themselves are in a `FeatureStore`, which every method, seed and run shares. What a
stage leaves for the next is a record with the key of its features there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.feature_records import (
    EvaluationFeatures,
    FewShotSetFeatures,
    TrainingFeatures,
    ValidationFeatures,
)
from vlprompt_pipeline.clip.features import (
    FeatureSet,
    FeatureStore,
    ImageEncoder,
    ImageSet,
    Views,
    feature_key,
)
from vlprompt_pipeline.clip.views import EvaluationView, TrainingViews
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.image_datasets import DatasetCard, FewShotSet, is_named_dataset
from vlprompt_pipeline.images import Decoding
from vlprompt_pipeline.progress import bar


def extract_test_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    store: Path,
    features: FeatureParameters,
    few_shot_set: FewShotSet | None = None,
) -> EvaluationFeatures:
    """Compute the features of all test images, which methods, shots and seeds share.

    They do not depend on `few_shot_set`; who gives it has it drawn, or refused, before this long
    work begins.
    """
    decoding = decoding_of(features, card)
    view = EvaluationView(clip.preprocessing, decoding)
    extracted = encode_test_images(clip, view, table, card, store, features)
    return EvaluationFeatures(
        extracted.key, clip.weights_sha256, decoding, images=len(extracted.values)
    )


def extract_few_shot_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    few_shot_set: FewShotSet,
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> FewShotSetFeatures:
    """Compute the features of a few-shot set's training images, and of its validation images."""
    training = extract_training_features(clip, table, card, few_shot_set, store, features, seed)
    images = few_shot_images(table, card, few_shot_set, "val")
    view = EvaluationView(clip.preprocessing, training.decoding)
    key = encode_images(clip, images, view, store, features).key if len(images) else None
    validation = ValidationFeatures(key, clip.weights_sha256, len(images))
    return FewShotSetFeatures(training, validation)


def extract_training_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    few_shot_set: FewShotSet,
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> TrainingFeatures:
    """Compute the features of some random crops of each training image.

    With `features.train: online` there is nothing to extract ahead: the crops are drawn while
    training, and only what they are drawn from is noted.
    """
    images = few_shot_images(table, card, few_shot_set, "train")
    crops = _training_views(clip, card, features, seed)
    key = None
    if features.train == "cached":
        key = encode_images(clip, images, crops, store, features).key
    return TrainingFeatures(
        features.train, clip.weights_sha256, crops.decoding, key, images.fingerprints
    )


def require_features_of_this_run(
    few_shot_set: FewShotSet | None,
    stored: TrainingFeatures | None,
    validation: ValidationFeatures | None,
    *,
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> None:
    """Refuse few-shot features that are not there, or that this run would make otherwise.

    Seeds that train beside the run's own have no `validation`.

    Raises:
        DataError: the few-shot set was drawn from another split of the dataset.
        UserError: an earlier run left the features.
        WeightsError: they are of another CLIP.
    """
    if few_shot_set and stored:
        crops = _training_views(clip, card, features, seed)
        view = EvaluationView(clip.preprocessing, crops.decoding)
        trained, validated = (
            few_shot_images(table, card, few_shot_set, part).fingerprints
            for part in ("train", "val")
        )
        key = val_key = None
        if features.train == "cached":
            key = feature_key(clip, trained, crops, features.shard_size)
        if validated:
            val_key = feature_key(clip, validated, view, features.shard_size)
        found = stored.mode, stored.decoding, stored.fingerprints, stored.key
        same = found == (features.train, crops.decoding, trained, key)
        if same and (validation is None or validation.key == val_key):
            return
        if stored.key:
            FeatureStore(store).load(stored.key).of(clip)  # tells of another CLIP
    raise UserError(
        f"the few-shot features of {card.name}, seed {seed}, were made with other images, settings "
        "or code than those of this run: run feature_extraction too, or kedro run as a whole"
    )


def _training_views(
    clip: FrozenClip, card: DatasetCard, features: FeatureParameters, seed: int
) -> TrainingViews:
    return TrainingViews(
        clip.preprocessing,
        seed,
        features.views,
        features.crop_scale,
        decoding_of(features, card),
    )


def decoding_of(features: FeatureParameters, card: DatasetCard) -> Decoding:
    """Say how the images of a dataset are decoded, `auto` resolved."""
    if features.decoding == "auto":
        return "published" if is_named_dataset(card.name) else "as_seen"
    return features.decoding


def encode_test_images(
    encoder: ImageEncoder,
    view: Views,
    table: pd.DataFrame,
    card: DatasetCard,
    store: Path,
    features: FeatureParameters,
) -> FeatureSet:
    """Give the features of all test images, of the frozen CLIP or of one with prompts."""
    images = ImageSet.of(card.folder, table[table["part"] == "test"])
    return encode_images(encoder, images, view, store, features)


def encode_images(
    encoder: ImageEncoder,
    images: ImageSet,
    views: Views,
    store: Path,
    features: FeatureParameters,
) -> FeatureSet:
    """Look the features of images up in the store, or compute them, with a progress bar."""
    return FeatureStore(store).extract(
        encoder,
        images,
        views,
        batch_size=features.batch_size,
        shard_size=features.shard_size,
        workers=features.workers,
        progress=bar,
    )


def few_shot_images(
    table: pd.DataFrame, card: DatasetCard, few_shot_set: FewShotSet, part: Literal["train", "val"]
) -> ImageSet:
    """Give the files of one part of a few-shot set, in its order.

    Raises:
        DataError: it was drawn from another split of the dataset.
    """
    few_shot_set.require_split(card)
    paths = [path for path, _ in getattr(few_shot_set, part)]
    return ImageSet.of(card.folder, table.set_index("path", drop=False).loc[paths])
