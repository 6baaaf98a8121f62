"""TCP: a context that knows its class, put in between two blocks of the text tower (CVPR 2024).

A network turns each class's hand-written text feature k_c into `length` tokens,
W2 · quickgelu(W1 · k_c + b1) + b2, which replace the context at the input of block `layer`. The
loss is KgCoOp's: cross-entropy + weight · (1 - mean over classes of cos(learned, k)). Details
follow htyao89/Textual-based_Class-aware_prompt_tuning, trainers/tcp.py. There, a second table of
templates says what follows the class name; here it is what follows it in the dataset's own
template, which is the same but for Stanford Cars (", a type of car") and UCF101 ("person doing"
before the name).
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods.context import ContextParameters, initial_context
from vlprompt_pipeline.methods.kgcoop import HeldByTexts
from vlprompt_pipeline.methods.layout import class_layout
from vlprompt_pipeline.methods.networks import QuickGELU, network
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import TextParameters

REDUCTION = 4  # of the network's hidden layer against the joint space


class TCPParameters(ContextParameters, TextParameters):
    """Context, and what replaces it.

    Attributes:
        layer: block, counted from 0, before which class tokens replace the context (published: 8).
        weight: of the distance to the hand-written prompts (published: 8).
        templates: the set of the hand-written prompts.
    """

    layer: int = Field(ge=1)
    weight: float = Field(ge=0)


class TCP(HeldByTexts):
    """A context `[length, width]` and a network from a class's text feature to its tokens."""

    settings: TCPParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if words, layer, templates or class names do not fit."""
        super().build(clip, generator)
        layer, blocks = self.settings.layer, len(clip.text.blocks)
        if layer >= blocks:
            raise ConfigError(
                f"prompt.layer is {layer}, but {clip.name} has {blocks} blocks, counted from 0: "
                f"give {blocks - 1} or less"
            )
        self.context = nn.Parameter(initial_context(clip, self.settings, generator).to(clip.device))
        widths = (clip.embed_dim, clip.embed_dim // REDUCTION, self.context.numel())
        self.class_net = network(widths, QuickGELU, generator).to(clip.device)
        ending = self.classes.template.partition("{}")[2]
        self.layout = class_layout(clip, self.classes.names, len(self.context), ending=ending)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        tokens = self.class_net(self.texts).unflatten(-1, self.context.shape)
        prompts = self.layout.fill(self.context)
        features = self.clip.text.with_class_tokens(prompts, self.settings.layer, tokens)
        return F.normalize(features, dim=-1)


register(Method("tcp", TCPParameters, TCP))
