"""The full-precision weights of a trained prompt: its tensors as if nothing were quantized."""

from __future__ import annotations

from torch import Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.export.formats.registry import ExportContext, ExportFormat, register
from vlprompt_pipeline.filesystem.tensor_files import tensors_to_bytes
from vlprompt_pipeline.methods import build_learner
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parametrizations.naming import tensor_name


def full_precision_tensors(prompt: TrainedPrompt, clip: FrozenClip) -> dict[str, Tensor]:
    """Return tensors in single precision by name, low-rank contexts merged, nothing quantized."""
    recipe = prompt.resolved_recipe().model_copy(update={"quantize": None})
    learner = build_learner(recipe, clip, prompt.classes, seed=0)
    state = learner.renamed(prompt.state)
    trained = {tensor_name(name): values for name, values in state.items()}
    learner.make_room(trained)
    learner.load_state_dict({name: trained[tensor_name(name)] for name in learner.state_dict()})
    return learner.prompt_tensors()


def _to_bytes(context: ExportContext) -> bytes | None:
    """Return a safetensors file, recipe and CLIP in the header, if it is asked for."""
    if not (context.parameters.full_precision and context.packed.tensors):
        return None
    prompt = context.prompt
    header = {
        "recipe": prompt.recipe,
        "weights_sha256": prompt.weights_sha256,
        "clip_identity": prompt.clip_identity.to_dict(),
    }
    return tensors_to_bytes(full_precision_tensors(prompt, context.clip), "full_precision", header)


register(ExportFormat("full_precision", "full_precision_file_bytes", _to_bytes))
