"""Prompts in the image tower: what a learner needs whose image features are its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.arithmetic import Arithmetic
from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner


@dataclass(frozen=True)
class PromptedImages:
    """The images of a CLIP read with prompts: encodes them as `FrozenClip` does.

    Attributes:
        clip: the frozen CLIP.
        prompts: of blocks 0, 1, … of its image tower, each `[n, width]`.
    """

    clip: FrozenClip
    prompts: Sequence[Tensor]

    @property
    def name(self) -> str:
        """What the CLIP is called."""
        return self.clip.name

    @property
    def arithmetic(self) -> Arithmetic:
        """How it computes: as the CLIP."""
        return self.clip.arithmetic

    @property
    def identity_sha256(self) -> str:
        """Hash of all that turns pixels into features: the CLIP, and the prompts."""
        digest = hashlib.sha256(self.clip.identity_sha256.encode())
        for prompt in self.prompts:
            digest.update(str(tuple(prompt.shape)).encode())
            digest.update(prompt.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Normalised features `[images, embed]` of pixels `[images, 3, size, size]`.

        Differentiable with respect to the prompts.
        """
        return F.normalize(self.clip.image(pixels, self.prompts), dim=-1)


class ImagePromptLearner(PromptLearner):
    """A learner trained on pixels; a subclass has its trainable tensors and `image_prompts`."""

    reads = "pixels"

    def image_prompts(self) -> Sequence[Tensor]:
        """Prompts of blocks 0, 1, … of the image tower, each `[n, width]`."""
        raise NotImplementedError

    def image_side(self) -> PromptedImages:
        """The CLIP with these prompts."""
        return PromptedImages(self.clip, self.image_prompts())

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """As the base, from pixels `[images, 3, size, size]`."""
        return super().losses(self.image_side().encode_images(images), labels)
