"""What every method is: a small trainable module on a frozen CLIP, for a list of class names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import Literal, Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.encoding import ImageEncoder
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.methods.inputs import ClassTexts, FewShotFeatures
from vlprompt_pipeline.methods.sampled import SampledPredictions
from vlprompt_pipeline.parametrizations.naming import shown_name
from vlprompt_pipeline.parsing import Parameters


class PromptLearner(nn.Module):
    """Base of all methods; a subclass has its trainable tensors and `class_features`.

    The frozen CLIP is held but is no sub-module, so parameters, state and checkpoints are the
    method's own. A parameter that needs no gradient is stored with the others, but not trained.

    Attributes:
        settings: its part `prompt` of a recipe.
        contexts: names of its tensors of token embeddings, `[…, tokens, width]`; none where a
            method has no prompt to parametrize.
        reads: what it is trained on: features of the frozen image tower, which are computed once,
            such features before the last linear map, or pixels, where it changes that tower.
        fitted: whether it is given all few-shot images at once, before and after training.
        trained: whether it needs training to predict.
        needs_validation: whether it cannot do without validation images.
        texts_decide: whether classes whose texts are equal are one class to it; a method that has
            images of each class tells them apart all the same.
        grows: names of tensors whose size follows the few-shot set, not the classes at hand.
        exact: names of tensors that are kept in single precision and never quantized.
        classifiers: names of matrices `[…, embed]` that image features are multiplied with.
        mean_free: those of them of whose mean over the rows no prediction depends.
        constants: methods without arguments whose results depend on no image: `freeze` has them
            computed once, and a graph that ships has the results, for its labels.
        former_names: names that its tensors had in files of earlier versions, with today's.
        views_apart: whether an epoch draws from all cached views as if each were an image; else
            it shows every image once, in one of its views.
        not_capturable: why a training step cannot be recorded once and replayed on a GPU, as part
            of a sentence; empty where it can: all steps of a phase run the same operations on
            tensors of the same shapes, and none asks the device for a value.
    """

    contexts: tuple[str, ...] = ("context",)
    reads: Literal["features", "unprojected", "pixels"] = "features"
    fitted: bool = False
    trained: bool = True
    needs_validation: bool = False
    texts_decide: bool = True
    grows: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    mean_free: tuple[str, ...] = ()
    constants: tuple[str, ...] = ("class_features",)
    former_names: Mapping[str, str] = MappingProxyType({})
    views_apart: bool = False
    not_capturable: str = ""

    def __init__(
        self,
        clip: FrozenClip,
        classes: ClassTexts,
        settings: Parameters | None = None,
        generator: Generator | None = None,
    ) -> None:
        """Keep what it is made from, and make its tensors by `build`."""
        super().__init__()
        self.clip, self.classes, self.settings = clip, classes, settings
        self.build(clip, generator)

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Make tensors and what else prompts consist of, random values from the generator.

        Raises:
            ConfigError, DataError: settings or class names do not fit the CLIP.
        """

    def class_features(self) -> Tensor:
        """Return the normalised text feature of each class, `[classes, embed]`.

        It does not depend on which other classes there are.
        """
        raise NotImplementedError(f"{type(self).__name__} has no class_features")

    @property
    def phase(self) -> str:
        """What else decides which operations a step runs; it may change between two epochs."""
        return ""

    @property
    def image_width(self) -> int:
        """Width of the image features that `logits` takes."""
        return self.clip.embed_dim

    def image_side(self) -> ImageEncoder:
        """Say what makes the image features that `logits` takes; the same for all classes."""
        return self.clip

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]` from normalised image features `[images, embed]`.

        The scores of some classes only are these columns: each depends on its own class name.
        """
        return self.clip.logit_scale * image_features @ self.class_features().T

    def sampled(self, image_features: Tensor) -> SampledPredictions | None:
        """Return predictions of the samples, where the prompt is a distribution."""
        return None

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return terms whose sum is minimised, by name.

        Args:
            images: what the learner reads: normalised features `[images, embed]`, or pixels
                `[images, 3, size, size]`.
            labels: `[images]` indices of classes.
        """
        return {"cross_entropy": F.cross_entropy(self.logits(images), labels)}

    def backward(self, losses: dict[str, Tensor]) -> Tensor:
        """Set the gradients of a step; returns what is minimised, here the sum of the losses."""
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        return total

    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Take from all images at once what training starts from; returns rows of the history."""
        raise NotImplementedError(f"{type(self).__name__} has no fit")

    def epoch_done(self, epoch: int, epochs: int) -> None:
        """Take note of a finished epoch of training, counted from 0; may change the prompt."""

    def settle(self, few_shot: FewShotFeatures) -> None:
        """Choose on validation images, after training, strengths and the like."""

    def make_room(self, stored: Mapping[str, Tensor]) -> None:
        """Give tensors that grow with the few-shot set the size of those that will be loaded."""
        for name in self.grows:
            if name in stored:
                self.put(name, torch.zeros_like(stored[name]))

    def put(self, name: str, tensor: Tensor) -> None:
        """Replace a tensor by one of any size, which is trained if the old one was."""
        before = getattr(self, name)
        trained = before is not None and before.requires_grad
        setattr(self, name, nn.Parameter(tensor.to(self.clip.device), requires_grad=trained))

    def renamed(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return stored tensors under today's names, whichever version wrote them."""
        return {self.former_names.get(name, name): tensor for name, tensor in stored.items()}

    def freeze(self) -> Self:
        """End training and loading: results of `constants` are kept from their first call on.

        Otherwise each batch of images computes them again, the features of all texts among them.
        """
        for name in self.constants:
            setattr(self, name, cache(getattr(self, name)))
        return self.requires_grad_(False)

    def prompt_names(self) -> tuple[str, ...]:
        """Return names of the tensors that make up the prompt, parametrized or not."""
        return tuple(dict.fromkeys(shown_name(name) for name, _ in self.named_parameters()))

    def prompt_tensors(self) -> dict[str, Tensor]:
        """Return the prompt as the model sees it: parametrizations applied."""
        with torch.no_grad():
            return {name: attrgetter(name)(self).detach().clone() for name in self.prompt_names()}

    def load_prompt(self, tensors: Mapping[str, Tensor]) -> None:
        """Put stored tensors in the place of the initial ones.

        Raises:
            PromptFileError: the tensors are those of another method, width or length.
        """
        tensors = self.renamed(tensors)
        self.make_room(tensors)
        expected = {name: tuple(p.shape) for name, p in self.named_parameters()}
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if expected != shapes:
            raise PromptFileError(
                f"the prompt holds {shapes or 'no tensors'}, but this method and CLIP need "
                f"{expected or 'none'}: load it with the recipe it was trained with"
            )
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(tensors[name])
