"""PromptSRC: IVLP held near the frozen CLIP, averaged over epochs (Khattak et al., ICCV 2023).

Loss = cross-entropy + text_weight · mean |t - t0| + image_weight · mean |v - v0| + KL(p0 || p) /
classes, with t, v the normalised features, p the probabilities, and 0 for the frozen CLIP with
hand-written templates; means run over all elements, the KL over images. The final prompt is the
mean of those after each epoch, weighted by a normal density over the epochs. Details follow
muzairkhattak/PromptSRC, trainers/promptsrc.py; there the average also rounds the frozen weights to
half precision, here it is that of the prompts alone, in single precision.
"""

from __future__ import annotations

from functools import cached_property

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import readable, templates
from vlprompt_pipeline.methods.ivlp import IVLP, IVLPParameters
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import TextParameters, mean_features
from vlprompt_pipeline.parametrizations.quantized import quantized_tensors
from vlprompt_pipeline.parsing import Parameters


class Aggregation(Parameters):
    """Normal density over epochs, counted from 1, that weights the prompt after each."""

    mean: float
    std: float = Field(gt=0)


class PromptSRCParameters(IVLPParameters, TextParameters):
    """IVLP's, the texts whose mean feature is the teacher, and what holds the prompts near it.

    Attributes:
        text_weight: of the distance between text features (published: 25).
        image_weight: of the distance between image features (published: 10).
        logit_weight: of the divergence between probabilities (published: 1).
        aggregation: weights of the epochs.
    """

    text_weight: float = Field(ge=0)
    image_weight: float = Field(ge=0)
    logit_weight: float = Field(ge=0)
    aggregation: Aggregation


class PromptSRC(IVLP):
    """IVLP with three more terms of the loss, and an average at the end."""

    settings: PromptSRCParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if the tower, texts or depths do not fit."""
        super().build(clip, generator)
        self._aggregated = torch.zeros(0)
        if self.settings.descriptions:  # longer texts are cut
            return
        chosen = templates(self.settings.templates, self.classes.template)
        longest = max(chosen, key=lambda template: len(clip.token_ids(template)))
        around = len(clip.tokenizer.start) + 1
        for name in map(readable, self.classes.names):
            text = longest.format(name)
            clip.check_length(text, around + len(clip.token_ids(text)))

    @cached_property
    def frozen_features(self) -> Tensor:
        """Normalised mean of the texts' raw features, `[classes, embed]`; encoded when needed."""
        mean = mean_features(self.clip, self.classes, self.settings, raw=True)
        return F.normalize(mean, dim=-1)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, and the weighted distances to the frozen CLIP."""
        weights, scale = self.settings, self.clip.logit_scale
        pictures, frozen_pictures = (
            side.encode_images(images) for side in (self.image_side(), self.clip)
        )
        texts = self.class_features()
        logits = scale * pictures @ texts.T
        log_frozen = F.log_softmax(scale * frozen_pictures @ self.frozen_features.T, dim=-1)
        divergence = F.kl_div(logits.log_softmax(-1), log_frozen, reduction="sum", log_target=True)
        return {
            "cross_entropy": F.cross_entropy(logits, labels),
            "text": weights.text_weight * F.l1_loss(texts, self.frozen_features),
            "image": weights.image_weight * F.l1_loss(pictures, frozen_pictures),
            "logit": weights.logit_weight * divergence / logits.numel(),
        }

    @torch.no_grad()
    def epoch_done(self, epoch: int, epochs: int) -> None:
        """Move the mean towards the prompt; after the last epoch the mean takes its place."""
        share = epoch_weights(epoch + 1, self.settings.aggregation)[-1].item()
        now = parameters_to_vector(self.parameters())
        before = self._aggregated.to(now) if epoch else now
        self._aggregated = before.lerp(now, share)
        if epoch == epochs - 1:
            parameters = list(self.parameters())
            parts = self._aggregated.split([parameter.numel() for parameter in parameters])
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_(part.view_as(parameter))
            self._aggregated = torch.zeros(0)
            for each in quantized_tensors(self):  # the mean has codebooks of its own
                each.quantizer.forget()

    def get_extra_state(self) -> Tensor:
        """Return the mean so far, which a checkpoint holds."""
        return self._aggregated

    def set_extra_state(self, state: Tensor) -> None:
        """Go on with a mean."""
        self._aggregated = state


def epoch_weights(epochs: int, aggregation: Aggregation) -> Tensor:
    """Return weight of the prompt after each of so many epochs, `[epochs]`, with the sum 1."""
    number = torch.arange(1, epochs + 1, dtype=torch.float64)
    return torch.softmax(-0.5 * ((number - aggregation.mean) / aggregation.std) ** 2, dim=0)


register(Method("promptsrc", PromptSRCParameters, PromptSRC))
