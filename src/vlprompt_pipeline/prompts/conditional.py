"""Prompts of several contexts at once: one for each image, or for each sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.prompts.layout import Layout

PROMPTS_AT_ONCE = 4096  # where no gradient needs them all: bounds memory, our choice


def group_features(clip: FrozenClip, layout: Layout, contexts: Tensor) -> Tensor:
    """Normalised text features `[groups, classes, embed]` of contexts `[groups, length, width]`."""
    size = len(contexts)
    if not torch.is_grad_enabled():
        size = max(1, PROMPTS_AT_ONCE // len(layout.words))
    parts = [clip.text(layout.fill_groups(part)) for part in contexts.split(size)]
    return F.normalize(torch.cat(parts), dim=-1)
