"""CLIP at the sizes of ViT-B/16 with random weights, and its towers computed the published way.

The published way is that of the official repositories: 77 tokens for every class, a pass of its own
for every image or sample that has a context, whole blocks of open_clip in both towers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from full_length import encode_reference
from torch import Tensor

from vlprompt_pipeline.clip import (
    ClipIdentity,
    FrozenClip,
    ImageTower,
    Preprocessing,
    Prompts,
    TextTower,
)
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer

MODEL = "ViT-B-16-quickgelu"
TINY = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


class PublishedTexts(TextTower):
    """A text tower that is always its own reference."""

    def forward(self, prompts: Prompts) -> Tensor:
        """Text features `[groups, classes, embed]`, not normalised."""
        return encode_reference(self, prompts.to(self.dtype)).to(self.dtype)


class PublishedImages(ImageTower):
    """An image tower that computes every token in every block."""

    def forward(self, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Image features `[images, embed]`, not normalised."""
        visual = self.visual
        x = visual.conv1(pixels.to(visual.proj.dtype)).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = x + visual.positional_embedding
        if prompts:
            x = torch.cat([x, prompts[0].to(x).expand(len(x), -1, -1)], dim=1)
        x = visual.ln_pre(x)
        for depth, block in enumerate(visual.transformer.resblocks):
            if 0 < depth < len(prompts):
                deep = prompts[depth].to(x).expand(len(x), -1, -1)
                x = torch.cat([x[:, : -deep.shape[1]], deep], dim=1)
            x = block(x)
        return visual.ln_post(x)[:, 0] @ visual.proj


def random_clip(device: str, tiny: bool = False) -> FrozenClip:
    """ViT-B/16 with random weights, or a CLIP of two narrow blocks a tower to try a script."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY) if tiny else open_clip.create_model(MODEL)
    size = TINY["vision_cfg"]["image_size"] if tiny else 224
    preprocessing = Preprocessing(size, (0.5,) * 3, (0.25,) * 3)
    identity = ClipIdentity("0" * 64)
    return FrozenClip(model.to(device), ClipTokenizer(), preprocessing, "random", identity)


def published(clip: FrozenClip) -> FrozenClip:
    """The same CLIP, computed the published way."""
    view = copy.copy(clip)
    view.text = PublishedTexts(clip.model)
    view.image = PublishedImages(clip.model.visual)
    return view
