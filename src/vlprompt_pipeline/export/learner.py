"""Between a learner and the packed prompt that ships."""

from __future__ import annotations

import hashlib
import json
from operator import attrgetter

import torch
from torch import Tensor

from vlprompt_pipeline.clip import ClipIdentity, FrozenClip
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.context import shape_of_product
from vlprompt_pipeline.export.packed import PackedPrompt, unpack
from vlprompt_pipeline.export.tensors import (
    DenseTensor,
    PackedTensor,
    ProjectedTensor,
    QuantizedTensor,
    StructuredTensor,
)
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe, build_plain
from vlprompt_pipeline.parametrizations import Quantizer, quantized_tensors
from vlprompt_pipeline.parametrizations.half import halved
from vlprompt_pipeline.parametrizations.low_rank import LowRank, merged
from vlprompt_pipeline.parametrizations.naming import links, tensor_name
from vlprompt_pipeline.parametrizations.projected import Projected
from vlprompt_pipeline.parametrizations.structured import StructuredQuantizer

_CLIP = "clip"  # key of the metadata: all of the CLIP's identity, see docs/packed-format.md
_OTHER_SEED = (1 << 62) - 1  # that no run is given; used by `_drawn_contexts` alone


def pack_learner(learner: PromptLearner, recipe: Recipe) -> PackedPrompt:
    """Return what a learner ships: indices and codebook of quantized tensors, values of others.

    Raises:
        UserError: a quantized tensor is not finite or beyond half precision.
    """
    quantizers = {each.name: each.quantizer for each in quantized_tensors(learner)}
    tensors = {
        name: _packed(values, quantizers.get(name), name in learner.exact)
        for name, values in zip(
            map(tensor_name, dict(learner.named_parameters())), learner.parameters(), strict=True
        )
    }
    return PackedPrompt(
        method=recipe.method,
        tensors=tensors | _projected(learner) | _drawn_contexts(learner, recipe),
        clip_sha256=learner.clip.weights_sha256,
        context_sha256=_context_sha256(recipe, learner.classes),
        metadata={**_texts(recipe), _CLIP: learner.clip.identity.number},
    )


def load_learner(
    packed: bytes, recipe: Recipe, clip: FrozenClip, classes: ClassTexts
) -> PromptLearner:
    """Make a learner with a packed prompt, for any class names if it is not bound to its own.

    Raises:
        PromptFileError: the file is broken, or belongs to another CLIP, method or recipe, or to
            other classes where it is bound to them.
    """
    prompt = unpack(packed, expected_clip=clip.weights_sha256)
    _require_same_clip(prompt, clip)
    if not _context_sha256(recipe, classes).startswith(prompt.context_sha256):
        bound = ", and it serves the classes of training only" if recipe.bound_to_classes else ""
        raise PromptFileError(
            f"the packed prompt was made with other settings than those of {recipe.title} (class "
            f"position, words or templates differ{bound}): use the recipe it was trained with"
        )
    learner = build_plain(recipe, clip, classes)
    tensors = {name: _tensor(packed, clip) for name, packed in prompt.tensors.items()}
    for name in learner.contexts:
        if recipe.low_rank:
            _merge(tensors, name, attrgetter(name)(learner).detach())
        if isinstance(prompt.tensors.get(name), ProjectedTensor):
            _add(tensors, name, attrgetter(name)(learner).detach())
    learner.load_prompt(tensors)
    return learner.requires_grad_(False)


def _require_same_clip(prompt: PackedPrompt, clip: FrozenClip) -> None:
    """Compare all of the CLIP's identity; the weights alone where the file was made before."""
    number = prompt.metadata.get(_CLIP)
    if number is None:
        ClipIdentity(prompt.clip_sha256).warn_if_partial("the packed prompt")
    elif number != clip.identity.number:
        raise PromptFileError(
            f"the packed prompt was trained on the weights of {clip.name} under another model "
            "configuration, preprocessing or tokenizer: load the CLIP as it was trained on, or "
            "train again"
        )


def _packed(values: Tensor, link: Quantizer | None, exact: bool) -> PackedTensor:
    values = values.detach()
    if exact:
        return DenseTensor(values.float().cpu().numpy())
    if link is None or not link.stores_indices:
        return DenseTensor(halved(values).cpu().numpy())
    if isinstance(link, StructuredQuantizer) and not link.is_plain_for(values):
        parts = (part.cpu().numpy() for part in link.parts(values))
        return StructuredTensor(tuple(values.shape), *parts)
    return QuantizedTensor(*(part.cpu().numpy() for part in link.encode(values)))


def _projected(learner: PromptLearner) -> dict[str, PackedTensor]:
    """Pack contexts made of a few numbers: the numbers, under the name of the context."""
    packed: dict[str, PackedTensor] = {}
    for name, link in links(learner, Projected):
        owner, _, last = name.rpartition(".")
        (z,) = learner.get_submodule(owner).parametrizations[last].parameters(recurse=False)
        indices, scale = (part.cpu().numpy() for part in link.encode(z))
        shape = tuple(link.initial.shape)
        packed[name] = ProjectedTensor(shape, indices, scale[()], link.config.seed)
    return packed


def _drawn_contexts(learner: PromptLearner, recipe: Recipe) -> dict[str, PackedTensor]:
    """Collect what contexts are added to, where it is drawn and not made of words."""
    changed = (*links(learner, LowRank), *links(learner, Projected))
    initial_contexts = {name: link.initial for name, link in changed}
    if not initial_contexts:
        return {}
    # Words give the same context with every seed: what differs with another seed was drawn. It is
    # stored even for a seed that is known, since other versions of PyTorch may draw other numbers.
    other = build_plain(recipe, learner.clip, learner.classes, seed=_OTHER_SEED)
    return {
        f"{name}.initial": DenseTensor(initial.float().cpu().numpy())
        for name, initial in initial_contexts.items()
        if not torch.equal(initial, attrgetter(name)(other))
    }


def _merge(tensors: dict[str, Tensor], name: str, words: Tensor) -> None:
    """Put a context in the place of its factors; what cannot be one is left to be refused."""
    a, b = tensors.get(f"{name}.a"), tensors.get(f"{name}.b")
    if a is None or b is None:
        return
    initial = tensors.get(f"{name}.initial", words)
    if initial.shape == shape_of_product(a.shape, b.shape):
        tensors[name] = merged(initial, a, b)
        for part in ("a", "b", "initial"):
            tensors.pop(f"{name}.{part}", None)


def _add(tensors: dict[str, Tensor], name: str, words: Tensor) -> None:
    """Add the change of a context to what it starts from, unless their shapes are refused later."""
    initial = tensors.get(f"{name}.initial", words)
    if initial.shape == tensors[name].shape:
        tensors[name] = initial + tensors[name]
        tensors.pop(f"{name}.initial", None)


def _tensor(packed: PackedTensor, clip: FrozenClip) -> Tensor:
    return torch.from_numpy(packed.decode().copy()).to(clip.device, torch.float32)


def _context_sha256(recipe: Recipe, classes: ClassTexts) -> str:
    """Hash of what must be known to put the tensors into a prompt again."""
    described = json.dumps(recipe.prompt.model_dump(mode="json"), sort_keys=True)
    if recipe.bound_to_classes:
        described += json.dumps(classes.names)
    return hashlib.sha256(f"open_clip.SimpleTokenizer {described}".encode()).hexdigest()


def _texts(recipe: Recipe) -> dict[str, str]:
    """Return the templates: where there are no tensors, the prompt is its text."""
    templates = getattr(recipe.prompt, "templates", None)
    return {} if templates is None else {"templates": templates}
