"""Which class of ours computes a tower of an open_clip model, and what can be changed in it."""

from __future__ import annotations

from torch import nn

from vlprompt_pipeline.clip import image, timm_image
from vlprompt_pipeline.clip.blocks import is_plain
from vlprompt_pipeline.clip.image import ImageTower
from vlprompt_pipeline.clip.text import TextTower
from vlprompt_pipeline.clip.timm_image import TimmImageTower
from vlprompt_pipeline.clip.tokenizers import Tokenizer
from vlprompt_pipeline.clip.whole_text import WholeTextTower, pool_type
from vlprompt_pipeline.errors import ConfigError

IMAGE_PROMPTS = "image_prompts"
"""Prompts can stand in the blocks of the image tower: `clip.image(pixels, prompts)`."""
IMAGE_ATTENTION = "image_attention"
"""The weights of its attention can be replaced: `clip.image.with_attention(weights)`."""
TEXT_ATTENTION = "text_attention"
"""Those of the text tower can: `clip.text.with_attention(weights)`."""


def text_tower(model: nn.Module, tokenizer: Tokenizer) -> TextTower | WholeTextTower:
    """Return the causal tower where it is exact, else the one over whole sequences.

    It is exact where a token sees only what stands before it, the end token is read, and no block
    has options that it does not compute; the modules themselves tell that.
    """
    text = getattr(model, "text", model)
    causal = text.attn_mask is not None and pool_type(model) in ("argmax", "eos")
    start = len(tokenizer.start)
    if causal and all(map(is_plain, text.transformer.resblocks)):
        return TextTower(model, start)
    return WholeTextTower(model, start, tokenizer.pad)


def image_tower(visual: nn.Module, name: str) -> ImageTower | TimmImageTower:
    """Return the image tower with room for prompts.

    Raises:
        ConfigError: the CLIP `name` has an image tower of another kind.
    """
    if image.takes_prompts(visual):
        return ImageTower(visual)
    if timm_image.takes_prompts(visual):
        return TimmImageTower(visual)
    raise ConfigError(
        "method: it changes the image tower, which must be a ViT of open_clip, or an EVA, EVA-02, "
        f"PE or SigLIP ViT of timm, but {name} has another ({describe_image_tower(visual)}); give "
        "such a ViT as clip.source, or a method that leaves the image tower alone: zero_shot, "
        "coop, cocoop, kgcoop, prograd, tcp, variational, tip_adapter, lp_plus_plus, clip_adapter"
    )


def describe_image_tower(visual: nn.Module) -> str:
    """Return the kind of an image tower: its class, and its name in timm."""
    trunk = getattr(visual, "trunk", None)
    if trunk is None:
        return type(visual).__name__
    return f"{type(trunk).__name__} {trunk.default_cfg.get('architecture', '')}".strip()


def capabilities(model: nn.Module) -> frozenset[str]:
    """Say what methods may change in a model; see the constants of this module.

    Text prompts, deep ones too, and features of both towers are there for every model.
    """
    text = getattr(model, "text", model)
    abilities = set()
    if all(map(is_plain, text.transformer.resblocks)):
        abilities.add(TEXT_ATTENTION)
    visual = model.visual
    if image.takes_prompts(visual):
        abilities.add(IMAGE_PROMPTS)
        if all(map(is_plain, visual.transformer.resblocks)):
            abilities.add(IMAGE_ATTENTION)
    elif timm_image.takes_prompts(visual):
        abilities |= {IMAGE_PROMPTS, IMAGE_ATTENTION}
    return frozenset(abilities)
