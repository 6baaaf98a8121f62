"""From the files of a finished cell to versions of registered models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline import registry
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.dataset_features import EvaluationFeatures
from vlprompt_pipeline.config import ExportParameters, TrackingParameters
from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.registry.config import RegistryParameters
from vlprompt_pipeline.results.records import CellRecord

logger = logging.getLogger(__name__)


def require_finished(
    tracking: TrackingParameters, project: Path, *records: dict[str, Any]
) -> list[dict[str, Any]]:
    """All records, read before the first method is registered, with an MLflow that answers.

    Raises:
        ConfigError: tracking is switched off.
        UserError: MLflow does not answer.
    """
    registry.ModelRegistry.open(tracking, project)
    return list(records)


def register_method(
    *,
    record: dict[str, Any],
    prompt: TrainedPrompt,
    packed: bytes,
    predictions: pd.DataFrame,
    finished: list[dict[str, Any]],
    clip: FrozenClip,
    card: DatasetCard,
    class_subsets: ClassSubsets,
    test_features: EvaluationFeatures,
    export: ExportParameters,
    how: RegistryParameters,
    tracking: TrackingParameters,
    project: Path,
) -> dict[str, Any]:
    """Make a version of `<dataset>.<method>` and its candidate; the champion stays who it is.

    Raises:
        UserError: the files do not belong together, or MLflow refuses.
    """
    contents = registry.gather(
        CellRecord.model_validate(record),
        prompt,
        packed,
        predictions,
        clip,
        export.class_names or card.class_names,
        card.template,
        test_features.decoding,
        how.include_clip,
    )
    halves = {name: subset.class_names for name, subset in class_subsets.items()}
    done = registry.register(
        registry.ModelRegistry.open(tracking, project),
        contents,
        registry.Evaluated(predictions, halves, card.folder),
        clip,
        [result for other in finished for result in CellRecord.model_validate(other).methods],
        how.check_images,
    )
    what = f"{done.checked} test images labelled as evaluated" if done.new else "nothing new in it"
    logger.info("%s is the candidate (%s)", done.version, what)
    return {
        "model": done.version.name,
        "version": done.version.number,
        "new": done.new,
        "checked_images": done.checked,
        "tags": dict(done.version.tags),
    }
