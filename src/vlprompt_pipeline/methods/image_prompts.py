"""Prompts in the image tower: what a learner needs whose image features are its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.methods.changed_images import ChangedImages, PixelLearner


class ImagePromptLearner(PixelLearner):
    """A learner with prompts in the image tower: `visual`, unless `image_prompts` has others."""

    visual: nn.ParameterList

    def image_prompts(self) -> Sequence[Tensor]:
        """Return prompts of blocks 0, 1, … of the image tower, each `[n, width]`."""
        return list(self.visual)

    def image_side(self) -> ChangedImages:
        """Return the CLIP with these prompts."""
        prompts = self.image_prompts()

        def encode(pixels: Tensor) -> Tensor:
            return F.normalize(self.clip.image(pixels, prompts), dim=-1)

        return ChangedImages(self.clip, "prompts", prompts, encode)
