"""What every method is: a small trainable module on a frozen CLIP, for a list of class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.parametrizations.naming import shown_name


@dataclass(frozen=True)
class ClassTexts:
    """The classes to tell apart: their names in label order, and the dataset's own template."""

    names: tuple[str, ...]
    template: str


class PromptLearner(nn.Module):
    """Base of all methods; a subclass has its trainable tensors and `class_features`.

    The frozen CLIP is held but is no sub-module, so parameters, state and checkpoints are the
    method's own.

    Attributes:
        contexts: names of its tensors of token embeddings, `[…, tokens, width]`.
    """

    contexts: tuple[str, ...] = ("context",)

    def __init__(self, clip: FrozenClip, classes: ClassTexts) -> None:
        super().__init__()
        self.clip = clip
        self.classes = classes

    def class_features(self) -> Tensor:
        """Normalised text feature of each class, `[classes, embed]`."""
        raise NotImplementedError

    def logits(self, image_features: Tensor) -> Tensor:
        """`[images, classes]` from normalised image features `[images, embed]`."""
        return self.clip.logit_scale * image_features @ self.class_features().T

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Terms whose sum is minimised, by name; labels `[images]` index the classes."""
        return {"cross_entropy": F.cross_entropy(self.logits(image_features), labels)}

    def backward(self, losses: dict[str, Tensor]) -> Tensor:
        """Set the gradients of a step; returns what is minimised, here the sum of the losses."""
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        return total

    def prompt_names(self) -> tuple[str, ...]:
        """Names of the tensors that make up the prompt, parametrized or not."""
        return tuple(dict.fromkeys(shown_name(name) for name, _ in self.named_parameters()))

    def prompt_tensors(self) -> dict[str, Tensor]:
        """The prompt as the model sees it: parametrizations applied."""
        with torch.no_grad():
            return {name: attrgetter(name)(self).detach().clone() for name in self.prompt_names()}

    def load_prompt(self, tensors: Mapping[str, Tensor]) -> None:
        """Put stored tensors in the place of the initial ones.

        Raises:
            PromptFileError: the tensors are those of another method, width or length.
        """
        expected = {name: tuple(p.shape) for name, p in self.named_parameters()}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if expected != found:
            raise PromptFileError(
                f"the prompt holds {found or 'no tensors'}, but this method and CLIP need "
                f"{expected or 'none'}: load it with the recipe it was trained with"
            )
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(tensors[name])
