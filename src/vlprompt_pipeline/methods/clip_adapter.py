"""CLIP-Adapter: a small network behind the image tower (Gao et al., IJCV 2024).

f' = ratio · relu(W2 · relu(W1 · f)) + (1 - ratio) · f, then normalised. Details follow
gaopengcuhk/CLIP-Adapter, clip_adapter.py. There f is not normalised before; without biases the
network scales with its input, so the result is the same.
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.networks import network
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters

REDUCTION = 4  # of the hidden layer against the joint space


class ClipAdapterParameters(TextParameters):
    """`ratio` of the network's output in the feature (published: 0.2), and the templates."""

    ratio: float = Field(ge=0, le=1)


class ClipAdapter(FixedTexts):
    """Two bias-free linear maps `[embed / 4, embed]` and back; class features stay as they are."""

    settings: ClipAdapterParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError for an unknown template set, DataError for a name too long."""
        super().build(clip, generator)
        widths = (clip.embed_dim, clip.embed_dim // REDUCTION, clip.embed_dim)
        self.adapter = network(widths, nn.ReLU, generator, bias=False).to(clip.device)

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]` of the adapted image features."""
        ratio = self.settings.ratio
        mixed = ratio * F.relu(self.adapter(image_features)) + (1 - ratio) * image_features
        return super().logits(F.normalize(mixed, dim=-1))


register(Method("clip_adapter", ClipAdapterParameters, ClipAdapter))
