"""Models of open_clip as the CLIP of a test."""

from __future__ import annotations

from torch import nn

from vlprompt_pipeline.clip import ClipIdentity, FrozenClip, Preprocessing
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer


def frozen_clip(model: nn.Module, name: str = "other") -> FrozenClip:
    """A CLIP with the tokenizer of OpenAI's; its weights are known by no hash."""
    size = model.visual.image_size
    pixels = size if isinstance(size, int) else size[0]
    preprocessing = Preprocessing(pixels, (0.5,) * 3, (0.25,) * 3)
    return FrozenClip(model, ClipTokenizer(), preprocessing, name, ClipIdentity("0" * 64))
