"""The context of a packed prompt as vectors of token embeddings, without its CLIP."""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.packed import PackedPrompt
from vlprompt_pipeline.export.tensors import ProjectedTensor


def context_vectors(prompt: PackedPrompt) -> np.ndarray:
    """Return the trained context `[tokens, width]`, float32.

    Raises:
        PromptFileError: it has none, has one for each class, is a change of words that are not in
            the file, or is of parts that do not fit together; the message is no whole sentence.
    """
    tensor, initial = prompt.tensors.get("context"), prompt.tensors.get("context.initial")
    projected = isinstance(tensor, ProjectedTensor)
    if tensor is not None and not projected:
        return _of_tokens(tensor.decode().astype(np.float32))
    factors = [prompt.tensors.get(f"context.{part}") for part in "ab"]
    if not projected and None in factors:
        raise PromptFileError("it has no context of its own")
    if initial is None:
        raise PromptFileError("its context changes words of the recipe, which are not in the file")
    # compared before the product, which a few bytes can make larger than the memory
    shape = tensor.shape if projected else shape_of_product(*(factor.shape for factor in factors))
    if initial.shape != shape:
        raise PromptFileError("its context is of parts that do not fit together")
    if projected:
        change = tensor.decode()
    else:
        a, b = (factor.decode().astype(np.float32) for factor in factors)
        change = a @ b
    return _of_tokens(initial.decode().astype(np.float32) + change)


def shape_of_product(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of a product of matrices, or none where there is none."""
    if len(a) < 2 or len(a) != len(b) or a[:-2] != b[:-2] or a[-1] != b[-2]:
        return None
    return (*a[:-1], b[-1])


def _of_tokens(context: np.ndarray) -> np.ndarray:
    if context.ndim != 2:
        raise PromptFileError("it has a context for each class")
    return context
