"""Prompts in the image tower: what a learner needs whose image features are its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.changed_images import ChangedImages


class ImagePromptLearner(PromptLearner):
    """A learner trained on pixels; a subclass has its trainable tensors and `image_prompts`."""

    reads = "pixels"

    def image_prompts(self) -> Sequence[Tensor]:
        """Return prompts of blocks 0, 1, … of the image tower, each `[n, width]`."""
        raise NotImplementedError

    def image_side(self) -> ChangedImages:
        """Return the CLIP with these prompts."""
        prompts = self.image_prompts()

        def encode(pixels: Tensor) -> Tensor:
            return F.normalize(self.clip.image(pixels, prompts), dim=-1)

        return ChangedImages(self.clip, "prompts", prompts, encode)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Do as the base, from pixels `[images, 3, size, size]`."""
        return super().losses(self.image_side().encode_images(images), labels)
