"""Features of the frozen image tower, looked up or computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.clip import (
    EvaluationView,
    FeatureSet,
    FeatureStore,
    FrozenClip,
    ImageEncoder,
    ImageSet,
    TrainingViews,
)
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.image_datasets import FewShotSet, is_named_dataset
from vlprompt_pipeline.images import Decoding
from vlprompt_pipeline.progress import bar


def extract_test_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    store: Path,
    features: FeatureParameters,
) -> dict[str, Any]:
    """Features of all test images, in index order; shared by methods, shots and seeds."""
    decoding = decoding_of(features, card)
    view = EvaluationView(clip.preprocessing, decoding)
    found = test_features_of(clip, view, table, card, store, features)
    return {
        "key": found.key,
        "weights_sha256": clip.weights_sha256,
        "decoding": decoding,
        "images": len(found.values),
    }


def extract_training_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    few_shot_set: dict[str, Any],
    store: Path,
    features: FeatureParameters,
    seed: int,
) -> dict[str, Any]:
    """Features of K random crops of each training image, in few-shot order.

    With `features.train: online` there is nothing to extract ahead: the crops are drawn while
    training, and only what they are drawn from is noted.
    """
    paths = [path for path, _ in FewShotSet.from_dict(few_shot_set).train]
    images = ImageSet.of(Path(card["folder"]), table.set_index("path", drop=False).loc[paths])
    decoding = decoding_of(features, card)
    described = {
        "mode": features.train,
        "weights_sha256": clip.weights_sha256,
        "decoding": decoding,
    }
    if features.train == "online":
        return {**described, "key": None, "fingerprints": images.fingerprints}
    views = TrainingViews(clip.preprocessing, seed, features.views, features.crop_scale, decoding)
    found = _extract(clip, images, views, store, features)
    return {**described, "key": found.key, "fingerprints": images.fingerprints}


def extract_validation_features(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: dict[str, Any],
    few_shot_set: dict[str, Any],
    store: Path,
    features: FeatureParameters,
) -> dict[str, Any]:
    """Features of the few-shot set's validation images, in its order; no key where it has none."""
    paths = [path for path, _ in FewShotSet.from_dict(few_shot_set).val]
    images = ImageSet.of(Path(card["folder"]), table.set_index("path", drop=False).loc[paths])
    view = EvaluationView(clip.preprocessing, decoding_of(features, card))
    key = _extract(clip, images, view, store, features).key if paths else None
    return {"key": key, "weights_sha256": clip.weights_sha256, "images": len(images)}


def decoding_of(features: FeatureParameters, card: dict[str, Any]) -> Decoding:
    """How the images of a dataset are decoded, `auto` resolved."""
    if features.decoding == "auto":
        return "published" if is_named_dataset(card["name"]) else "as_seen"
    return features.decoding


def test_features_of(
    encoder: ImageEncoder,
    view: EvaluationView,
    table: pd.DataFrame,
    card: dict[str, Any],
    store: Path,
    features: FeatureParameters,
) -> FeatureSet:
    """Features of all test images, of the frozen CLIP or of one with prompts."""
    images = ImageSet.of(Path(card["folder"]), table[table["part"] == "test"])
    return _extract(encoder, images, view, store, features)


def _extract(
    encoder: ImageEncoder,
    images: ImageSet,
    views: EvaluationView | TrainingViews,
    store: Path,
    features: FeatureParameters,
) -> FeatureSet:
    return FeatureStore(store).extract(
        encoder,
        images,
        views,
        batch_size=features.batch_size,
        shard_size=features.shard_size,
        workers=features.workers,
        progress=bar,
    )
