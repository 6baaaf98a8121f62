"""A prompt on the embedded CLIP as it ships, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from learners import RECIPES
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.export import pack, pack_learner
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.rejection import Calibration, OperatingPoint, Rejection
from vlprompt_pipeline.shipping import ShippedModel

CLASSES = ClassTexts(("red disc", "two blue squares", "green_star"), "a picture of a {}.")


def card_of(
    recipe: Recipe, clip: FrozenClip, classes: ClassTexts = CLASSES, decoding: str = "published"
) -> ModelCard:
    """The card of a prompt, without the results of a cell."""
    return ModelCard(
        recipe=recipe.model_dump(mode="json"),
        class_names=classes.names,
        template=classes.template,
        decoding=decoding,
        weights_sha256=clip.weights_sha256,
        clip_name=clip.name,
        clip_identity=clip.identity.to_dict(),
    )


def shipped(method: str, clip: FrozenClip, decoding: str = "published", **changes) -> ShippedModel:
    """An untrained prompt of a recipe, which for the graphs is as good as a trained one."""
    recipe = resolve_recipe(method, {**RECIPES, method: {**RECIPES[method], **changes}})
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    card = card_of(recipe, clip, decoding=decoding)
    return ShippedModel(card, pack(pack_learner(learner, recipe)), clip)


def rejection(threshold: float, kind: str = "max_softmax", temperature: float = 1.0) -> Rejection:
    """A threshold as calibration would choose it."""
    chosen = Calibration(images=40, wanted=0.9, accepted=0.5, accuracy=0.9, accuracy_of_all=0.7)
    return Rejection(kind=kind, threshold=threshold, temperature=temperature, calibration=chosen)


def with_points(made: Rejection, *points: tuple[float, float]) -> Rejection:
    """Add accuracies that may be asked for, each with its threshold."""
    asked = [OperatingPoint(accuracy=a, threshold=t, accepted=0.5) for a, t in points]
    return made.model_copy(update={"operating_points": tuple(asked)})


def write_pictures(folder: Path) -> list[Path]:
    """Pictures of several shapes: smooth ones, noise, larger and smaller than the tower's size."""
    draw, paths = np.random.default_rng(0), []
    for width, height in ((97, 61), (40, 75), (48, 48), (333, 48), (48, 331), (200, 150)):
        smooth = Image.linear_gradient("L").resize((width, height))
        noise = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = Image.blend(smooth.convert("RGB"), Image.fromarray(noise), 0.6)
        paths.append(folder / f"{width}x{height}.png")
        picture.save(paths[-1])
    return paths
