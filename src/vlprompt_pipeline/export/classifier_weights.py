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
from vlprompt_pipeline.methods import PromptLearner
from vlprompt_pipeline.tensor_files import TensorFileError, load_tensors, tensors_to_bytes

_FORMAT = "vlprompt_pipeline.classifier_weights.1"


@dataclass(frozen=True)
class ClassifierWeights:
    """What tells classes apart, once the image tower has spoken.

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


def classifier_weights(learner: PromptLearner, title: str) -> ClassifierWeights | None:
    """The head of a learner for its classes; none if its logits are no product with features.

    That is so where a text feature depends on the image, predictions are averaged over samples, or
    the frozen image tower is not all that reads an image.
    """
    kind = type(learner)
    if kind.logits is not PromptLearner.logits or learner.reads == "pixels":
        return None
    with torch.no_grad():
        features = learner.class_features()
    clip = learner.clip
    return ClassifierWeights(
        features, learner.classes.names, clip.logit_scale, clip.identity, title
    )
