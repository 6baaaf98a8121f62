"""The package of an untrained prompt on the embedded CLIP, as register writes it."""

from __future__ import annotations

from pathlib import Path

from shipping.models import CLASSES, RECIPES
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.export import ClassifierWeights, load_learner, pack, pack_learner
from vlprompt_pipeline.methods import build_learner, resolve_recipe
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.package import save_package


def contents_of(method: str) -> Contents:
    """Contents of a version, without the results of a cell."""
    clip = load_clip("embedded", "demo", "cpu")
    recipe = resolve_recipe(method, RECIPES)
    packed = pack(pack_learner(build_learner(recipe, clip, CLASSES, seed=1), recipe))
    card = ModelCard(
        recipe=recipe.model_dump(mode="json"),
        class_names=CLASSES.names,
        template=CLASSES.template,
        decoding="as_seen",
        weights_sha256=clip.weights_sha256,
        clip_name=clip.name,
        clip_identity=clip.identity.to_dict(),
    )
    head = ClassifierWeights.of(load_learner(packed, recipe, clip, CLASSES), recipe.title)
    return Contents(card, packed, head, b"", "embedded", None)


def write_package(method: str, folder: Path) -> None:
    """Write MLflow's folder of a version."""
    save_package(contents_of(method), "embedded", folder)
