"""Which class of ours computes a tower of an open_clip model."""

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


def takes_image_prompts(visual: nn.Module) -> bool:
    """Tell whether there is an `image_tower` for an image tower of open_clip."""
    return image.takes_prompts(visual) or timm_image.takes_prompts(visual)


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
