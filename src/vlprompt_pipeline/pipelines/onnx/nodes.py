"""From a finished cell to a folder of ONNX graphs."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.dataset_features import decoding_of
from vlprompt_pipeline.config import ExportParameters, FeatureParameters
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.filesystem.places import publish_folder
from vlprompt_pipeline.image_datasets import DatasetCard, FewShotSet
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.pipelines.inputs import require_prompt_of_this_run
from vlprompt_pipeline.registry import classifier_of
from vlprompt_pipeline.registry.calibration import LabelledImages, calibrate_version
from vlprompt_pipeline.registry.config import RegistryParameters
from vlprompt_pipeline.shipping import ImageSamples, ShippedModel, export_folder
from vlprompt_pipeline.shipping.config import OnnxParameters

logger = logging.getLogger(__name__)


def export_onnx(
    *,
    prompt: TrainedPrompt,
    packed: bytes,
    clip: FrozenClip,
    card: DatasetCard,
    index: pd.DataFrame,
    few_shot_set: FewShotSet,
    export: ExportParameters,
    features: FeatureParameters,
    recipes: dict[str, Any],
    onnx: OnnxParameters,
    registry: RegistryParameters,
    store: Path,
    folder: Path,
    project: Path,
    method: str,
) -> list[dict[str, Any]]:
    """Write the folder `<method>/onnx` of the cell; return what each graph costs.

    If `registry.rejection` asks for it, the model can answer "none of these", as a registered
    version would. The 8-bit graph is calibrated on the few-shot images. All graphs are measured on
    test images of the classes of the model.

    Raises:
        UserError: the prompt is of an earlier training, its method cannot be one graph, or the ONNX
            libraries are missing.
    """
    require_prompt_of_this_run(prompt, method, recipes, few_shot_set)
    classifier = classifier_of(
        prompt,
        packed,
        clip,
        export.class_names or card.class_names,
        card.template,
        decoding_of(features, card),
    )
    name = f"{card.name}.{method}"
    images = LabelledImages(index, card, few_shot_set, store, features, project)
    calibrated = calibrate_version(classifier, images, registry.rejection, name)
    rejection = calibrated[0] if calibrated else None
    model = ShippedModel.of(classifier, name, None, rejection)
    labelled = images.test(model.card.class_names)
    test = labelled if len(labelled) else index[index["part"] == "test"]
    samples = ImageSamples.of_parts(
        model,
        [card.folder / path for path, _ in few_shot_set.train],
        [card.folder / path for path in test["path"]],
        labelled["class_number"].tolist() or None,
        f"test images of {card.name}",
    )
    target = folder / method / "onnx"
    rows = export_folder(
        model,
        target,
        samples,
        web=onnx.web,
        web_runtime=onnx.web_runtime and project / at_home(onnx.web_runtime),
    )
    publish_folder(target)
    for row in rows:
        logger.info("%s %s", method, row)
    logger.info("%s is in %s", method, target)
    return [asdict(row) for row in rows]
