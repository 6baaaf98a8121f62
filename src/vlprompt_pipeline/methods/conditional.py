"""Prompts of several contexts at once: one for each image, or for each sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.layout import Layout

# Our choice: text features in memory at once where no gradient needs all of them.
FEATURES_AT_ONCE = 65_536


def group_features(clip: FrozenClip, layout: Layout, contexts: Tensor) -> Tensor:
    """Return text features `[groups, classes, embed]` of contexts `[groups, length, width]`."""
    return F.normalize(clip.text(layout.fill_groups(contexts)), dim=-1)


def own_similarities(
    clip: FrozenClip, layout: Layout, contexts: Tensor, image_features: Tensor
) -> Tensor:
    """Return cosines `[images, classes]` of each image with the classes in a context of its own.

    Contexts are `[images, length, width]`, image features `[images, embed]` and normalised.
    """
    size = len(contexts)
    if not torch.is_grad_enabled():
        size = max(1, FEATURES_AT_ONCE // len(layout.words))
    parts = zip(contexts.split(size), image_features.split(size), strict=True)
    return torch.cat(
        [
            torch.einsum("ie,ice->ic", images, group_features(clip, layout, context))
            for context, images in parts
        ]
    )
