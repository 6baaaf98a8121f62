"""The package of an untrained prompt on the embedded CLIP, as register writes it."""

from __future__ import annotations

from pathlib import Path

from learners import RECIPES
from shipping.models import shipped
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.export import ClassifierWeights
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.package import save_package


def contents_of(method: str) -> Contents:
    """Contents of a version, without the results of a cell."""
    clip = load_clip("embedded", "demo", "cpu")
    model = shipped(method, clip, decoding="as_seen")
    head = ClassifierWeights.of(model.learner, resolve_recipe(method, RECIPES).title)
    return Contents(Classifier(model.card, clip, model.packed, head), b"", "embedded", None)


def write_package(method: str, folder: Path) -> None:
    """Write MLflow's folder of a version."""
    save_package(contents_of(method), folder)
