"""ZERO: at test time, the confident ones of many views of an image vote (Farina et al., 2024).

Of each test image the plain view and random crops are classified; the most confident views, those
of least entropy, vote for their first class each. It trains nothing and remembers nothing between
images, and goes with any prompt. Details follow FarinaMatteo/zero, ttas/zero.py and ttas/base.py
(NeurIPS 2024, arXiv 2405.18330).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.config import CropScale
from vlprompt_pipeline.parsing import Parameters


class ZeroConfig(Parameters):
    """How a test image is looked at.

    Attributes:
        views: of each image, the plain one and `views` - 1 random crops.
        keep: share of the views that vote, rounded down; one at least.
        crop_scale: of the area of an image that a crop has.
    """

    views: int = Field(default=64, ge=2)
    keep: float = Field(default=0.3, gt=0, le=1)
    crop_scale: CropScale = (0.08, 1.0)

    @property
    def voters(self) -> int:
        """How many views vote."""
        return max(1, int(self.views * self.keep))


def votes(logits: Tensor, voters: int) -> Tensor:
    """Count the votes of the most confident views, `[images, classes]` in the type of `logits`.

    Where classes tie for the most votes, the most confident view among those that do not vote and
    whose first class is one of them gives that one a vote more. Without such a view they stay tied.

    Args:
        logits: `[images, views, classes]`, with CLIP's scale.
        voters: how many views of an image vote.
    """
    classes = logits.shape[-1]
    entropy = torch.special.entr(logits.softmax(-1)).sum(-1)
    order = entropy.argsort(dim=-1, stable=True)
    first = logits.argmax(-1).gather(1, order)  # of each view, the most confident view first
    ballots = F.one_hot(first, classes).to(logits.dtype)
    counts = ballots[:, :voters].sum(1)
    tied = counts == counts.amax(-1, keepdim=True)
    fitting = tied.gather(1, first[:, voters:])  # whose first class is one of those that tie
    decides = fitting & (fitting.cumsum(-1) == 1) & (tied.sum(-1, keepdim=True) > 1)
    return counts + (ballots[:, voters:] * decides[..., None]).sum(1)
