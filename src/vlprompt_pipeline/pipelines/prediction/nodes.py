"""From a folder of images to a table of labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vlprompt_pipeline import registry
from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.registry.config import PredictionParameters


def label_images(
    prediction: PredictionParameters, tracking: TrackingParameters, project: Path
) -> pd.DataFrame:
    """Label image files; return a row each of labels and scores, or of the problem with it.

    Raises:
        ConfigError: no folder or no model is named.
        DataError: there are no images.
        UserError: there is no such model.
    """
    for key in ("images", "model"):
        if not getattr(prediction, key):
            raise ConfigError(f"prediction.{key} is not set: give it in conf or with --params")
    folder = project / Path(prediction.images).expanduser()
    files = registry.image_files(folder)
    registry.ModelRegistry.open(tracking, project)
    classifier = registry.load_classifier(f"models:/{prediction.model}")
    with bar(f"labels of {len(files):,} images", len(files)) as advance:
        return registry.label_files(
            classifier, folder, files, prediction.class_names, prediction.top_k, advance
        )
