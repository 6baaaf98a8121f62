"""Zero-shot classifier weights: a prompt applied to given class names, without the text tower.

One safetensors file with `features` [classes, embed], float32 and normalised; everything else is
JSON under the key `head` of its header.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export.formats.registry import ExportContext, ExportFormat, register
from vlprompt_pipeline.methods import PromptLearner
from vlprompt_pipeline.tensor_files import TensorFileError, load_tensors, tensors_to_bytes

_FORMAT = "vlprompt_pipeline.classifier_weights.1"


@dataclass(frozen=True)
class ClassifierWeights:
    """Classify image features without a text tower: one text feature a class.

    Attributes:
        features: normalised text features, [classes, embed].
        class_names: in the order of the features.
        logit_scale: factor on cosine similarities.
        clip_identity: the CLIP whose image features it fits.
        title: the recipe its prompt was trained with.
    """

    features: Tensor
    class_names: tuple[str, ...]
    logit_scale: float
    clip_identity: ClipIdentity
    title: str

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
            learner.class_features(),
            learner.classes.names,
            clip.logit_scale,
            clip.identity,
            title,
        )

    def logits(self, image_features: Tensor) -> Tensor:
        """`[images, classes]` from normalised image features `[images, embed]`."""
        return self.logit_scale * image_features @ self.features.T

    def to_bytes(self) -> bytes:
        """The file."""
        header = {
            "format": _FORMAT,
            "class_names": self.class_names,
            "logit_scale": self.logit_scale,
            "weights_sha256": self.clip_identity.weights,
            "clip_identity": self.clip_identity.to_dict(),
            "title": self.title,
        }
        return tensors_to_bytes({"features": self.features}, "head", header)

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
        if not header or header.pop("format", None) != _FORMAT:
            raise PromptFileError(f"{path} holds no classifier weights: export the prompt again")
        return cls(
            tensors["features"],
            tuple(header["class_names"]),
            header["logit_scale"],
            ClipIdentity.read(header),
            header["title"],
        )


def _to_bytes(context: ExportContext) -> bytes | None:
    weights = ClassifierWeights.of(context.shipped, context.recipe.title)
    return weights.to_bytes() if weights else None


register(ExportFormat("classifier_weights", "classifier_file_bytes", _to_bytes))
