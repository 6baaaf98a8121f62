"""Between a learner and the packed prompt that ships."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.packed import PackedPrompt, unpack
from vlprompt_pipeline.export.tensors import DenseTensor, PackedTensor, QuantizedTensor
from vlprompt_pipeline.parametrizations.kmeans import quantized_tensors
from vlprompt_pipeline.prompts import ClassTexts, PromptLearner, Recipe, build_plain


def pack_learner(learner: PromptLearner, recipe: Recipe) -> PackedPrompt:
    """What a learner ships: indices and codebook of quantized tensors, half precision of others.

    Raises:
        UserError: a quantized tensor is not finite.
    """
    encoded = {name: link.encode(given) for name, link, given in quantized_tensors(learner)}
    tensors: dict[str, PackedTensor] = {}
    for name, values in learner.prompt_tensors().items():
        if name in encoded:
            indices, codebook = (part.cpu().numpy() for part in encoded[name])
            tensors[name] = QuantizedTensor(indices, codebook)
        else:
            tensors[name] = DenseTensor(values.half().cpu().numpy())
    return PackedPrompt(
        method=recipe.method,
        tensors=tensors,
        clip_sha256=learner.clip.weights_sha256,
        context_sha256=_context_sha256(recipe, learner.classes),
        metadata=_texts(recipe),
    )


def load_learner(
    packed: bytes, recipe: Recipe, clip: FrozenClip, classes: ClassTexts
) -> PromptLearner:
    """A learner with a packed prompt, for any class names unless it is bound to those of training.

    Raises:
        PromptFileError: the file is broken, or belongs to another CLIP, method or recipe, or to
            other classes where it is bound to them.
    """
    prompt = unpack(packed, expected_clip=clip.weights_sha256)
    if not _context_sha256(recipe, classes).startswith(prompt.context_sha256):
        bound = ", and it serves the classes of training only" if recipe.bound_to_classes else ""
        raise PromptFileError(
            f"the packed prompt was made with other settings than those of {recipe.title} (class "
            f"position, words or templates differ{bound}): use the recipe it was trained with"
        )
    learner = build_plain(recipe, clip, classes)
    learner.load_prompt({name: _tensor(t, clip) for name, t in prompt.tensors.items()})
    return learner.requires_grad_(False)


def _tensor(packed: PackedTensor, clip: FrozenClip) -> Tensor:
    return torch.from_numpy(packed.decode().copy()).to(clip.device, torch.float32)


def _context_sha256(recipe: Recipe, classes: ClassTexts) -> str:
    """Hash of what must be known to put the tensors into a prompt again."""
    described = json.dumps(recipe.prompt.model_dump(mode="json"), sort_keys=True)
    if recipe.bound_to_classes:
        described += json.dumps(classes.names)
    return hashlib.sha256(f"open_clip.SimpleTokenizer {described}".encode()).hexdigest()


def _texts(recipe: Recipe) -> dict[str, str]:
    """Where there are no tensors, the prompt is its text."""
    templates = getattr(recipe.prompt, "templates", None)
    return {} if templates is None else {"templates": templates}
