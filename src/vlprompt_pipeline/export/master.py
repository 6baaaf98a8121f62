"""The master of a trained prompt: its tensors as the model would see them without quantization."""

from __future__ import annotations

import json

from safetensors.torch import save
from torch import Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.parametrizations.naming import tensor_name
from vlprompt_pipeline.prompts import build_learner
from vlprompt_pipeline.prompts.trained import TrainedPrompt


def master_tensors(prompt: TrainedPrompt, clip: FrozenClip) -> dict[str, Tensor]:
    """Tensors in single precision by name, low-rank contexts merged, nothing quantized."""
    recipe = prompt.resolved_recipe().model_copy(update={"quantize": None})
    learner = build_learner(recipe, clip, prompt.classes, seed=0)
    trained = {tensor_name(name): values for name, values in prompt.state.items()}
    learner.load_state_dict({name: trained[tensor_name(name)] for name in learner.state_dict()})
    return learner.prompt_tensors()


def master_bytes(prompt: TrainedPrompt, clip: FrozenClip) -> bytes:
    """The master as a safetensors file, its recipe and CLIP as JSON in the header."""
    tensors = {name: t.cpu().contiguous() for name, t in master_tensors(prompt, clip).items()}
    header = {"recipe": prompt.recipe, "weights_sha256": prompt.weights_sha256}
    return save(tensors, {"master": json.dumps(header)})
