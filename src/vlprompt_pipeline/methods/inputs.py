"""What a method is given: the classes to tell apart, and features of their few-shot images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import one_place


@dataclass(frozen=True)
class ClassTexts:
    """The classes to tell apart: their names in label order, and the dataset's own template.

    Example:
        >>> from vlprompt_pipeline.clip import load_clip
        >>> from vlprompt_pipeline.methods import build_learner, resolve_recipe
        >>> classes = ClassTexts(("cat", "dog"), "a photo of a {}.")
        >>> prompt = {"templates": "benchmark"}
        >>> values = {"method": "zero_shot", "title": "Zero-shot CLIP", "prompt": prompt}
        >>> recipe = resolve_recipe("zero_shot", {"zero_shot": values})
        >>> learner = build_learner(recipe, load_clip("embedded"), classes, seed=1)
        >>> learner.class_features().shape == (2, learner.clip.embed_dim)
        True
    """

    names: tuple[str, ...]
    template: str

    def __post_init__(self) -> None:
        """Raise ConfigError if the template has no place, or several, for the name."""
        try:
            one_place(self.template)
        except ValueError as error:
            raise ConfigError(f"template {self.template!r}: {error}") from None


@dataclass(frozen=True)
class FewShotFeatures:
    """All images of a few-shot set, seen by the frozen image tower and normalised.

    Attributes:
        images: `[images, embed]`, each the renormalised mean of its views.
        labels: `[images]`, indices into the classes.
        validation: `[images, embed]`; none where the dataset has no validation part.
        validation_labels: `[images]`.
        views: `[images, views, embed]`, each normalised; none where there is one view of each.
    """

    images: Tensor
    labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    views: Tensor | None = None

    @property
    def every_view(self) -> Tensor:
        """All views of each image, `[images, views, embed]`."""
        return self.images[:, None] if self.views is None else self.views

    def right_answers(self, logits: Tensor) -> int:
        """Count the validation images whose largest logit `[images, classes]` is their class's."""
        predicted = logits.argmax(-1).to(self.validation_labels.device)
        return int((predicted == self.validation_labels).sum())
