"""Zero-shot classifier weights: a prompt applied to given class names, without the text tower.

One safetensors file with `features` [classes, embed], float32 and normalised, or with their codes
(module `feature_codes`); everything else is JSON under the key `head` of its header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.config import FeatureQuantization
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.feature_codes import FeatureCodes
from vlprompt_pipeline.export.formats.registry import ExportContext, ExportFormat, register
from vlprompt_pipeline.filesystem.tensor_files import (
    TensorFileError,
    load_tensors,
    tensors_to_bytes,
)
from vlprompt_pipeline.methods import PromptLearner

_FORMAT = "vlprompt_pipeline.classifier_weights.1"
_QUANTIZED = "vlprompt_pipeline.classifier_weights.2"  # unknown to versions that read no codes


@dataclass(frozen=True)
class ClassifierWeights:
    """Classify image features without a text tower: one text feature a class.

    Attributes:
        features: normalised text features, [classes, embed], on the host; nearly so where they are
            quantized.
        class_names: in the order of the features.
        logit_scale: factor on cosine similarities.
        clip_identity: the CLIP whose image features it fits.
        title: the recipe its prompt was trained with.
        codes: what a file holds instead of the features, where they are quantized.
    """

    features: Tensor
    class_names: tuple[str, ...]
    logit_scale: float
    clip_identity: ClipIdentity
    title: str
    codes: FeatureCodes | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, learner: PromptLearner, title: str) -> ClassifierWeights | None:
        """Compute the weights of a learner for its classes.

        Args:
            learner: a trained prompt with class names.
            title: of its recipe.

        Returns:
            None where logits are not a product of image and text features: a text feature depends
            on the image, predictions are averaged over samples, or something besides the frozen
            image tower reads an image.
        """
        # The base class multiplies image features with text features. A method that does something
        # else overrides `logits`, or reads pixels with its own image tower.
        overridden = type(learner).logits is not PromptLearner.logits
        if overridden or learner.reads == "pixels":
            return None
        clip = learner.clip
        return cls(
            learner.class_features().cpu(),
            learner.classes.names,
            clip.logit_scale,
            clip.identity,
            title,
        )

    def quantized(self, quantization: FeatureQuantization) -> ClassifierWeights:
        """Return the same weights in few bits.

        The features are those that a file of it gives back.
        """
        codes = FeatureCodes.of(self.features, quantization)
        return replace(self, features=codes.features(), codes=codes)

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]` from normalised image features `[images, embed]`."""
        return self.logit_scale * image_features @ self.features.T

    def to_bytes(self) -> bytes:
        """Return the file."""
        header = {
            "format": _QUANTIZED if self.codes else _FORMAT,
            "class_names": self.class_names,
            "logit_scale": self.logit_scale,
            "weights_sha256": self.clip_identity.weights,
            "clip_identity": self.clip_identity.to_dict(),
            "title": self.title,
        }
        tensors = self.codes.stored() if self.codes else {"features": self.features}
        return tensors_to_bytes(tensors, "head", header)

    @classmethod
    def load(cls, path: Path) -> ClassifierWeights:
        """Read the file of `to_bytes`.

        Raises:
            PromptFileError: absent, truncated or something else.
        """
        try:
            tensors, header = load_tensors(path, "head")
        except FileNotFoundError:
            raise PromptFileError(f"no classifier weights at {path}: export the prompt") from None
        except TensorFileError as error:
            raise PromptFileError(f"{error}: export the prompt again") from None
        written = header.get("format") if isinstance(header, dict) else None
        if written not in (_FORMAT, _QUANTIZED):
            raise PromptFileError(f"{path} holds no classifier weights: export the prompt again")
        codes = FeatureCodes.read(tensors) if written == _QUANTIZED else None
        try:
            features = codes.features() if codes else tensors["features"]
            names, scale = tuple(header["class_names"]), float(header["logit_scale"])
            identity, title = ClipIdentity.read(header), header["title"]
            fits = features.shape == (len(names), features.shape[-1])
        except (KeyError, TypeError, ValueError, IndexError):
            fits = False
        if not fits or features.dtype != torch.float32 or not features.isfinite().all():
            raise PromptFileError(f"{path} holds no feature of each class: export the prompt again")
        return cls(features, names, scale, identity, title, codes)


def _to_bytes(context: ExportContext) -> bytes | None:
    weights = ClassifierWeights.of(context.shipped, context.recipe.title)
    if weights is None:
        return None
    quantization = context.parameters.quantize
    return (weights.quantized(quantization) if quantization else weights).to_bytes()


register(ExportFormat("classifier_weights", "classifier_file_bytes", _to_bytes))
