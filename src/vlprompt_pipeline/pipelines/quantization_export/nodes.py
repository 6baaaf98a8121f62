"""From a trained prompt to the files that ship."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.export import EXPORT_FORMATS, ExportContext, prompt_sizes
from vlprompt_pipeline.export.cost import inference_cost
from vlprompt_pipeline.image_datasets import DatasetCard, FewShotSet
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.pipelines.inputs import require_prompt_of_this_run


def export_prompt(
    prompt: TrainedPrompt,
    clip: FrozenClip,
    card: DatasetCard,
    export: ExportParameters,
    recipes: dict[str, Any],
    few_shot_set: FewShotSet,
    *,
    method: str,
) -> dict[str, Any]:
    """Export a trained prompt in every format.

    Returns:
        The file of each format by the format's name, empty if the method has none or it is not
        asked for; and `sizes` of the files and of the towers of the CLIP: a prompt needs both of
        these, classifier weights need the image tower alone.

    Raises:
        PromptFileError: the prompt is of an earlier training, or of another CLIP.
    """
    require_prompt_of_this_run(prompt, method, recipes, few_shot_set)
    context = ExportContext(prompt, clip, card, export)
    files = {name: each.to_bytes(context) or b"" for name, each in EXPORT_FORMATS.items()}
    learner = context.learner
    sizes = {
        "trainable_parameters": sum(p.numel() for p in learner.parameters() if p.requires_grad),
        **asdict(prompt_sizes(context.packed)),
        "inference_cost": inference_cost(learner) * context.recipe.views,
        "head_classes": len(context.classes.names) if files["classifier_weights"] else 0,
        **{each.size_key: len(files[name]) for name, each in EXPORT_FORMATS.items()},
        **_tower_bytes(clip),
    }
    return {**files, "sizes": sizes}


def _tower_bytes(clip: FrozenClip) -> dict[str, int]:
    """Return the bytes of the weights of each tower, in the precision in use."""
    image = sum(p.numel() * p.element_size() for p in clip.model.visual.parameters())
    both = sum(p.numel() * p.element_size() for p in clip.model.parameters())
    return {"image_tower_bytes": image, "text_tower_bytes": both - image}
