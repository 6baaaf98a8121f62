"""Which path computes a model's text tower."""

from __future__ import annotations

from torch import nn

from vlprompt_pipeline.clip.blocks import is_plain
from vlprompt_pipeline.clip.text import TextTower
from vlprompt_pipeline.clip.tokenizers import Tokenizer
from vlprompt_pipeline.clip.whole_text import WholeTextTower, pool_type


def text_tower(model: nn.Module, tokenizer: Tokenizer) -> TextTower | WholeTextTower:
    """The causal path where it is exact, else the one over whole sequences.

    Exact it is where a token sees only what stands before it, the end token is read, and no block
    has options that the path does not compute. It reads these from the modules themselves.
    """
    text = getattr(model, "text", model)
    causal = text.attn_mask is not None and pool_type(model) in ("argmax", "eos")
    start = len(tokenizer.start)
    if causal and all(map(is_plain, text.transformer.resblocks)):
        return TextTower(model, start)
    return WholeTextTower(model, start, tokenizer.pad)
