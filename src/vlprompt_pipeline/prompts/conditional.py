"""Prompts of several contexts at once: one for each image, or for each sample."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.prompts.layout import Layout


def group_features(clip: FrozenClip, layout: Layout, contexts: Tensor) -> Tensor:
    """Normalised text features `[groups, classes, embed]` of contexts `[groups, length, width]`."""
    return F.normalize(clip.text(layout.fill_groups(contexts)), dim=-1)
