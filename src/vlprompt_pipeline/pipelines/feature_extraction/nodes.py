"""Compute the features of a few-shot set, and of the sets of seeds that train beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.dataset_features import (
    extract_few_shot_features,
    extract_training_features,
)
from vlprompt_pipeline.clip.feature_records import FewShotSetFeatures, SeedFeatures
from vlprompt_pipeline.config import FeatureParameters, SideBySideParameters
from vlprompt_pipeline.image_datasets import (
    DatasetCard,
    FewShotSet,
    ImageIndex,
    ShortClasses,
    sample_few_shot,
)


def extract_features_of_seeds(
    clip: FrozenClip,
    table: pd.DataFrame,
    card: DatasetCard,
    few_shot_set: FewShotSet,
    store: Path,
    features: FeatureParameters,
    seed: int,
    side_by_side: SideBySideParameters,
    short_classes: ShortClasses,
) -> FewShotSetFeatures:
    """Compute the features of the few-shot sets of the run's seed and of the seeds beside it."""
    of_run = extract_few_shot_features(clip, table, card, few_shot_set, store, features, seed)
    index, beside = ImageIndex.join(table, card), []
    for other in side_by_side.seeds:
        if other != seed:
            drawn = sample_few_shot(index, few_shot_set.shots, other, short_classes)
            training = extract_training_features(clip, table, card, drawn, store, features, other)
            beside.append(SeedFeatures(other, drawn, training))
    return replace(of_run, training=replace(of_run.training, beside=tuple(beside)))
