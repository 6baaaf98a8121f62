"""GDA-CLIP: Gaussian discriminant analysis on image features (Wang et al., ICLR 2024).

logits_c = scale · f · t_c + strength · (f · w_c + b_c), with w_c = P μ_c and b_c = -½ μ_cᵀ P μ_c:
the classifier of Gaussians with means μ_c and one covariance, whose inverse is P. Nothing is
trained step by step. Details follow mrflogs/ICLR24, main_few_shots.py and main_base2new.py, every
view of an image being a sample. What differs here: w and b are stored times the strength and less
their mean over classes, which changes no probability and leaves numbers that half precision holds;
the strength is chosen on few-shot validation images, there on the whole validation split, of
ImageNet on the test set. In float64 throughout, for P may be badly conditioned.
"""

from __future__ import annotations

import logging
import math
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from vlprompt_pipeline.arithmetic import in_double
from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.known_names import hashed_names, rows_of
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters

logger = logging.getLogger(__name__)

STRENGTHS = tuple(10.0**exponent for exponent in range(-4, 3))
DEFAULT_STRENGTH = 0.1
NEIGHBOURS, TEXT_COPIES = 64, 16
Covariance = Literal["pooled", "by_class"]


class GDAParameters(TextParameters):
    """What is estimated.

    Attributes:
        covariance: `pooled`: of all features around their class means, shrunk (published for
            few-shot); `by_class`: mean of the classes' own covariances, not shrunk (published for
            base-to-new).
        new_classes: whether the features are stored, from which a classifier of new classes is made
            up; without them it serves the classes of training only and is far smaller.
    """

    covariance: Covariance
    new_classes: bool


class GDA(FixedTexts):
    """Rows `weight` `[classes, embed]` and `bias` `[classes]` of the classes of training.

    With `new_classes` also their `names`, the chosen `strength` and the `features`
    `[images · views, embed]`. The classifier of a new class depends on which others are new, too:
    all share the mean of their precisions, as published.
    """

    fitted = True
    trained = False
    exact = ("bias",)
    classifiers = mean_free = ("weight",)
    constants = ("class_features", "classifier")
    settings: GDAParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if templates, descriptions or names do not fit."""
        super().build(clip, generator)
        rows = 0 if self.settings.new_classes else len(self.classes.names)
        self.weight = nn.Parameter(self.texts.new_zeros(rows, clip.embed_dim))
        self.bias = nn.Parameter(self.texts.new_zeros(rows))
        if self.settings.new_classes:
            self.exact = ("bias", "names", "strength")
            self.grows = ("weight", "bias", "names", "features")
            empty = self.texts.new_zeros(0, clip.embed_dim)
            stored = {"names": hashed_names(()), "strength": torch.zeros(1), "features": empty}
            for name, tensor in stored.items():
                setattr(self, name, nn.Parameter(tensor.to(clip.device), requires_grad=False))

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`: zero-shot CLIP's and those of the Gaussians."""
        weight, bias = self.classifier()
        return super().logits(image_features) + image_features @ weight.T + bias

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return weight `[classes, embed]` and bias `[classes]` of these names' Gaussians."""
        if not self.settings.new_classes:
            return self.weight, self.bias
        rows = rows_of(self.classes.names, self.names)
        new = [number for number, row in enumerate(rows) if row is None]
        weight, bias = torch.zeros_like(self.texts), self.texts.new_zeros(len(rows))
        in_training = [number for number, row in enumerate(rows) if row is not None]
        chosen = [row for row in rows if row is not None]
        weight[in_training], bias[in_training] = self.weight[chosen], self.bias[chosen]
        if new and len(self.features):
            estimates = new_class_gaussians(in_double(self.features), in_double(self.texts[new]))
            strength = in_double(self.strength)
            scaled = (strength * part for part in centred(*discriminant(*estimates)))
            weight[new], bias[new] = (part.to(weight) for part in scaled)
        return weight, bias

    @torch.no_grad()
    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Estimate the Gaussians and choose their strength; no rows, for nothing is iterated."""
        views = few_shot.every_view
        features = in_double(views.flatten(0, 1))
        labels = few_shot.labels.repeat_interleave(views.shape[1]).to(features.device)
        means, precision = gaussians(features, labels, self.settings.covariance)
        if not precision.any():
            logger.warning(
                "GDA sees one view of one image of each class, which has no covariance: what it "
                "predicts is zero-shot CLIP's; raise features.views"
            )
        weight, bias = centred(*discriminant(means, precision))
        strength = self._strength(few_shot, weight, bias)
        self.put("weight", (strength * weight).to(self.texts))
        self.put("bias", (strength * bias).to(self.texts))
        if self.settings.new_classes:
            self.put("names", hashed_names(self.classes.names))
            self.put("strength", torch.tensor([strength]))
            self.put("features", features.to(self.texts))
        return []

    def _strength(self, few_shot: FewShotFeatures, weight: Tensor, bias: Tensor) -> float:
        """Choose the smallest of the strengths with the most right answers in validation."""
        images = in_double(few_shot.validation)
        if not len(few_shot.validation_labels):
            logger.warning(
                "no validation images: the strength of GDA is %s, unchosen", DEFAULT_STRENGTH
            )
            return DEFAULT_STRENGTH
        zero_shot = self.clip.logit_scale * images @ in_double(self.texts).T
        gaussian = images @ weight.T + bias
        right = [few_shot.right_answers(zero_shot + each * gaussian) for each in STRENGTHS]
        best = max(right)
        return STRENGTHS[right.index(best)] if best else DEFAULT_STRENGTH


def gaussians(features: Tensor, labels: Tensor, covariance: Covariance) -> tuple[Tensor, Tensor]:
    """Return class means `[classes, embed]` and the common precision `[embed, embed]`.

    Args:
        features: `[samples, embed]` in float64, normalised.
        labels: `[samples]`; every class from 0 to the largest has a sample.
        covariance: which estimate is inverted.
    """
    counts = labels.bincount().to(features)
    means = torch.zeros(len(counts), features.shape[1]).to(features)
    means = means.index_add(0, labels, features) / counts[:, None]
    deviations = features - means[labels]
    if covariance == "by_class":
        weighted = deviations / ((counts - 1).clamp(min=1) * len(counts)).sqrt()[labels, None]
        return means, torch.linalg.pinv(weighted.T @ weighted, hermitian=True)
    degrees, width = len(features) - 1, features.shape[1]
    scatter = deviations.T @ deviations
    shrunk = scatter + scatter.trace() / max(1, degrees) * torch.eye(width).to(features)
    return means, width * torch.linalg.pinv(shrunk, hermitian=True)


def new_class_gaussians(features: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
    """Return made-up means `[new classes, embed]` and their precision, from text features alone.

    The features nearest to a class's text stand for its images: their mean, together with 16 copies
    of the text, and their shrunk covariance around the text. With fewer than 64 features all of
    them are taken (our choice; there it fails).
    """
    width, count = features.shape[1], min(NEIGHBOURS, len(features))
    nearest = (texts @ features.T).topk(count).indices
    means = (features[nearest].sum(1) + TEXT_COPIES * texts) / (count + TEXT_COPIES)
    precision = torch.zeros(width, width).to(features)
    unit = torch.eye(count).to(features)
    for text, rows in zip(texts, nearest, strict=True):
        deviations = features[rows] - text
        trace = deviations.square().sum() / max(1, count - 1)
        # (τ + XᵀX)⁻¹ = (1 - Xᵀ (τ + XXᵀ)⁻¹ X) / τ: what is inverted has 64 rows, not the width
        inner = torch.linalg.solve(trace * unit + deviations @ deviations.T, deviations)
        precision += width / trace * (torch.eye(width).to(features) - deviations.T @ inner)
    return means, precision / len(texts)


def discriminant(means: Tensor, precision: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight `[classes, embed]` and bias `[classes]`, all classes equally likely."""
    weight = means @ precision
    return weight, -math.log(len(means)) - 0.5 * (weight * means).sum(-1)


def centred(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Take off the means over classes, which no probability depends on."""
    return weight - weight.mean(0), bias - bias.mean()


register(
    Method(
        "gda", GDAParameters, GDA, bound_to_classes=lambda parameters: not parameters.new_classes
    )
)
