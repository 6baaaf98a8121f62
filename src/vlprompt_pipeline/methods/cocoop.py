"""CoCoOp: a context that a small network shifts for each image (Zhou et al., CVPR 2022).

v_m(x) = v_m + W2 · relu(W1 · x + b1) + b2 with x the normalised image feature. Details follow
KaiyangZhou/CoOp, trainers/cocoop.py.
"""

from __future__ import annotations

from torch import Generator, Tensor, nn

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.conditional import own_similarities
from vlprompt_pipeline.methods.context import ContextParameters, initial_context
from vlprompt_pipeline.methods.layout import class_layout
from vlprompt_pipeline.methods.networks import network
from vlprompt_pipeline.methods.registry import Method, register

REDUCTION = 16  # of the network's hidden layer against the joint space, which its input is in


class CoCoOp(PromptLearner):
    """A context `[length, width]` and a network from image feature to a shift `[width]`."""

    settings: ContextParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if initial words or class names do not fit."""
        self.context = nn.Parameter(initial_context(clip, self.settings, generator).to(clip.device))
        widths = (clip.embed_dim, clip.embed_dim // REDUCTION, clip.text_width)
        self.meta_net = network(widths, nn.ReLU, generator).to(clip.device)
        self.layout = class_layout(clip, self.classes.names, len(self.context))

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`; the text tower runs once for each image."""
        contexts = self.context + self.meta_net(image_features)[:, None]
        return self.clip.logit_scale * own_similarities(
            self.clip, self.layout, contexts, image_features
        )


register(Method("cocoop", ContextParameters, CoCoOp))
