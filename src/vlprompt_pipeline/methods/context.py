"""Where a context starts from: the token embeddings of words, or a normal distribution."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.tokenizers import clip_tokenizer
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import Parameters

INITIAL_STD = 0.02


class ContextParameters(Parameters):
    """Context vectors of a prompt.

    Attributes:
        length: number M of context vectors. Where they start from words, it is the number of
            tokens that these have in CLIP's vocabulary; in that of another model, such as SigLIP,
            the context has as many vectors as the words have tokens there.
        init: words whose token embeddings they start from, or none for a normal distribution with
            standard deviation 0.02.
    """

    length: int = Field(ge=1)
    init: str | None


def initial_context(
    clip: FrozenClip, parameters: ContextParameters, generator: Generator
) -> Tensor:
    """Return context `[length, width]` from words or from a normal distribution.

    Where it starts from words, these may make it shorter or longer, see `ContextParameters`.

    Raises:
        ConfigError: the words have more or fewer tokens than the context has vectors.
    """
    if parameters.init is None:
        return INITIAL_STD * torch.randn(parameters.length, clip.text_width, generator=generator)
    words = parameters.init.replace("_", " ")
    tokens = len(clip_tokenizer().encode(words))
    if tokens != parameters.length:
        raise ConfigError(
            f"prompt.init: {words!r} has {tokens} tokens, but prompt.length is "
            f"{parameters.length}; make them equal, or set init to null for random vectors"
        )
    clip.words.warn_unseen([words])
    return clip.embed(clip.token_ids(words)).float().clone()
