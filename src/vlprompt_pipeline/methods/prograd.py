"""ProGrad: CoOp whose gradient never works against hand-written prompts (Zhu et al., ICCV 2023).

With a the gradient of the cross-entropy and b that of the distillation from zero-shot CLIP,
a · b < 0 makes the step follow a - strength · (a·b / |b|²) b, else a. Details follow
BeierZhu/Prompt-align, trainers/prograd.py.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.methods.coop import CoOp, CoOpParameters, bound_to_classes
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import HandWrittenTexts, TextParameters


class ProGradParameters(CoOpParameters, TextParameters):
    """CoOp's, and the distillation's.

    Attributes:
        strength: share of the opposing part that is taken away (published λ: 1; 0.8 for 8 and 16
            shots on Flowers102, DTD and EuroSAT).
        temperature: of both distributions (published: 1).
        templates: the set that zero-shot CLIP classifies with.
    """

    strength: float = Field(ge=0)
    temperature: float = Field(gt=0)


class ProGrad(HandWrittenTexts, CoOp):
    """CoOp with a projected gradient."""

    settings: ProGradParameters

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy with the labels, and with zero-shot CLIP's probabilities."""
        logits, temperature = self.logits(image_features), self.settings.temperature
        teacher = self.clip.logit_scale * image_features @ self.texts.T
        soft = F.softmax(teacher / temperature, dim=-1)
        return {
            "cross_entropy": F.cross_entropy(logits, labels),
            "distillation": temperature**2 * F.cross_entropy(logits / temperature, soft),
        }

    def backward(self, losses: dict[str, Tensor]) -> Tensor:
        """Set the projected gradient; what is minimised is the cross-entropy alone."""
        parameters = list(self.parameters())
        wanted = torch.autograd.grad(losses["cross_entropy"], parameters, retain_graph=True)
        distilled = torch.autograd.grad(losses["distillation"], parameters)
        product = sum((a * b).sum() for a, b in zip(wanted, distilled, strict=True))
        length = sum(b.square().sum() for b in distilled)
        share = self.settings.strength * product.clamp(max=0) / length.clamp(min=torch.finfo().tiny)
        for parameter, a, b in zip(parameters, wanted, distilled, strict=True):
            parameter.grad = a - share * b
        return losses["cross_entropy"]


register(Method("prograd", ProGradParameters, ProGrad, bound_to_classes))
