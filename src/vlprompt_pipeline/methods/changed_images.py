"""An image tower with a method's own tensors in it, in the place of the frozen CLIP's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from vlprompt_pipeline.arithmetic import Arithmetic
from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner


@dataclass(frozen=True)
class ChangedImages:
    """Encodes images as `FrozenClip` does.

    Attributes:
        clip: the frozen CLIP.
        settings: what besides the tensors decides about features.
        tensors: the method's.
        encode: from pixels on the CLIP's device to features; differentiable in the tensors.
    """

    clip: FrozenClip
    settings: str
    tensors: Sequence[Tensor]
    encode: Callable[[Tensor], Tensor]

    @property
    def name(self) -> str:
        """What the CLIP is called."""
        return self.clip.name

    @property
    def arithmetic(self) -> Arithmetic:
        """How it computes: as the CLIP."""
        return self.clip.arithmetic.in_single()

    @property
    def identity_sha256(self) -> str:
        """Hash of all that turns pixels into features."""
        digest = hashlib.sha256(f"{self.clip.identity_sha256} {self.settings}".encode())
        for tensor in self.tensors:
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return features of pixels `[images, 3, height, width]`, as the method wants them."""
        return self.encode(pixels.to(self.clip.device))


class PixelLearner(PromptLearner):
    """A learner that changes the image tower, so it is trained on pixels."""

    reads = "pixels"

    def image_side(self) -> ChangedImages:
        """Return the image tower as the method changes it."""
        raise NotImplementedError

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Do as the base, from pixels `[images, 3, size, size]`."""
        return super().losses(self.image_side().encode_images(images), labels)
