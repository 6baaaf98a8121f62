"""The context of a packed prompt as vectors of token embeddings, without its CLIP."""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.packed import PackedPrompt
from vlprompt_pipeline.export.tensors import ProjectedTensor


def context_vectors(prompt: PackedPrompt) -> np.ndarray:
    """Return the trained context `[tokens, width]`, float32.

    Raises:
        PromptFileError: it has none, has one for each class, or is a change of words that are not
            in the file; the message is no whole sentence.
    """
    tensor, initial = prompt.tensors.get("context"), prompt.tensors.get("context.initial")
    if isinstance(tensor, ProjectedTensor):
        change = tensor.decode()
    elif tensor is not None:
        return _of_tokens(tensor.decode().astype(np.float32))
    elif {"context.a", "context.b"} <= prompt.tensors.keys():
        a, b = (prompt.tensors[f"context.{part}"].decode().astype(np.float32) for part in "ab")
        change = a @ b
    else:
        raise PromptFileError("it has no context of its own")
    if initial is None:
        raise PromptFileError("its context changes words of the recipe, which are not in the file")
    return _of_tokens(initial.decode().astype(np.float32) + change)


def _of_tokens(context: np.ndarray) -> np.ndarray:
    if context.ndim != 2:
        raise PromptFileError("it has a context for each class")
    return context
