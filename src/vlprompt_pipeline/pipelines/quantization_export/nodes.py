"""From a trained prompt to the files that ship."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.export import (
    ClassifierWeights,
    full_precision_bytes,
    load_learner,
    pack,
    pack_learner,
    prompt_sizes,
)
from vlprompt_pipeline.export.cost import inference_cost
from vlprompt_pipeline.image_datasets import DatasetCard
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt


def export_prompt(
    prompt: TrainedPrompt, clip: FrozenClip, card: DatasetCard, export: ExportParameters
) -> tuple[bytes, bytes, bytes, dict[str, Any]]:
    """Pack a trained prompt, and compute what ships beside it.

    The classifier weights are those of the packed prompt, for the names of `export` or those of the
    dataset, or of training where the method is bound to them.

    Returns:
        The packed prompt; classifier weights, no bytes where the method has none; full-precision
        weights, no bytes unless asked for; sizes, also of the towers that a file needs to be of
        use: both for a prompt, the image tower for classifier weights.
    """
    learner, recipe = prompt.learner(clip), prompt.resolved_recipe()
    packed = pack_learner(learner, recipe)
    data = pack(packed)
    names = export.class_names or card.class_names
    classes = prompt.classes if recipe.bound_to_classes else ClassTexts(names, card.template)
    weights = ClassifierWeights.of(load_learner(data, recipe, clip, classes), recipe.title)
    weights_file = weights.to_bytes() if weights else b""
    full_precision = (
        full_precision_bytes(prompt, clip) if export.full_precision and packed.tensors else b""
    )
    sizes = {
        "trainable_parameters": sum(p.numel() for p in learner.parameters() if p.requires_grad),
        **asdict(prompt_sizes(packed)),
        "inference_cost": inference_cost(learner),
        "head_classes": len(classes.names) if weights else 0,
        "classifier_file_bytes": len(weights_file),
        "full_precision_file_bytes": len(full_precision),
        **_tower_bytes(clip),
    }
    return data, weights_file, full_precision, sizes


def _tower_bytes(clip: FrozenClip) -> dict[str, int]:
    """Bytes of the weights of each tower, in the precision in use."""
    image = sum(p.numel() * p.element_size() for p in clip.model.visual.parameters())
    both = sum(p.numel() * p.element_size() for p in clip.model.parameters())
    return {"image_tower_bytes": image, "text_tower_bytes": both - image}
