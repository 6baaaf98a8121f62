"""From a folder of images to a table of labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vlprompt_pipeline import inference
from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.registry.config import PredictionParameters


def label_images(
    prediction: PredictionParameters, tracking: TrackingParameters, project: Path
) -> pd.DataFrame:
    """Label image files; return a row each of labels and scores, or of the problem with it.

    Raises:
        ConfigError: no folder or no model is named, or the model has no such accuracy.
        DataError: there are no images.
        UserError: there is no such model.
    """
    if not tracking.enabled:
        raise ConfigError("tracking.enabled is false, but models are in MLflow: set it to true")
    for key in ("images", "model"):
        if not getattr(prediction, key):
            raise ConfigError(f"prediction.{key} is not set: give it in conf or with --params")
    folder = project / at_home(prediction.images)
    photos = inference.find_photos([folder]).photos
    model = inference.open_model(prediction.model, prediction.class_names, tracking.uri, project)
    if prediction.accuracy is not None:
        model = inference.with_accuracy(model, prediction.accuracy)
    top, rows = prediction.top_k, []
    with bar(f"labels of {len(photos):,} images", len(photos)) as advance:
        for predictions in inference.predict_photos(model, photos, top):
            rows += [photo.row(model, top) for photo in predictions]
            advance(len(predictions))
    return pd.DataFrame(rows, columns=inference.table_columns(model, top))
