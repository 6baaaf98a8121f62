"""CLIP's symmetric contrastive loss, with identical captions sharing the target."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def shared_targets(rows: Tensor) -> Tensor:
    """Return targets `[n, n]`: pictures with the same caption are equally right, rows sum to 1.

    `rows` `[n, length]` are the captions' tokens. With all captions different it is the identity,
    and the loss CLIP's own (Radford et al. 2021, figure 3).
    """
    _, caption = torch.unique(rows, dim=0, return_inverse=True)
    same = (caption[:, None] == caption[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def contrastive_loss(images: Tensor, texts: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Return the mean of both directions' cross entropy, of unit features `[n, e]`."""
    logits = scale * images @ texts.T
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
