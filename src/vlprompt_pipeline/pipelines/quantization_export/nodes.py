"""From a trained prompt to the file that ships."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.export.cost import inference_cost
from vlprompt_pipeline.export.learner import pack_learner
from vlprompt_pipeline.export.packed import pack, prompt_sizes
from vlprompt_pipeline.prompts.trained import TrainedPrompt


def export_prompt(prompt: TrainedPrompt, clip: FrozenClip) -> tuple[bytes, dict[str, Any]]:
    """Pack a prompt: quantized tensors as indices and codebook, others in half precision."""
    learner = prompt.learner(clip)
    packed = pack_learner(learner, prompt.resolved_recipe())
    trainable = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    return pack(packed), {
        "trainable_parameters": trainable,
        **asdict(prompt_sizes(packed)),
        "inference_cost": inference_cost(learner),
    }
