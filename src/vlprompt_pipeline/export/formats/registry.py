"""The export formats by name. A format is one module that ends in `register(…)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.config import ExportParameters
from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.packed import PackedPrompt, pack
from vlprompt_pipeline.image_datasets import DatasetCard
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt


@dataclass(frozen=True)
class ExportContext:
    """A trained prompt and what it ships as; what several formats need is made once.

    Attributes:
        prompt: as it was trained.
        clip: the frozen CLIP it was trained on.
        card: of the dataset of training.
        parameters: the section `export`.
    """

    prompt: TrainedPrompt
    clip: FrozenClip
    card: DatasetCard
    parameters: ExportParameters

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe it was trained with."""
        return self.prompt.resolved_recipe()

    @cached_property
    def learner(self) -> PromptLearner:
        """The learner at the end of training, with the classes of training."""
        return self.prompt.learner(self.clip)

    @cached_property
    def packed(self) -> PackedPrompt:
        """The tensors as they ship."""
        return pack_learner(self.learner, self.recipe)

    @cached_property
    def packed_bytes(self) -> bytes:
        """The packed prompt."""
        return pack(self.packed)

    @cached_property
    def classes(self) -> ClassTexts:
        """The class names of `export`, or of the dataset; of training where bound to them."""
        if self.recipe.bound_to_classes:
            return self.prompt.classes
        names = self.parameters.class_names or self.card.class_names
        return ClassTexts(tuple(names), self.card.template)

    @cached_property
    def shipped(self) -> PromptLearner:
        """What the packed prompt gives, with `classes`."""
        return load_learner(self.packed_bytes, self.recipe, self.clip, self.classes)


@dataclass(frozen=True)
class ExportFormat:
    """One file that a trained prompt is exported as.

    Attributes:
        name: the second part of its catalog entry, `{method}.<name>`, which says where it goes.
        size_key: key of its number of bytes in the sizes and in MLflow.
        to_bytes: makes the file; None where a method has no such file, or it is not asked for.

    Example:
        >>> from vlprompt_pipeline.export import ExportFormat
        >>> def class_list(context):
        ...     return ",".join(context.classes.names).encode()
        >>> ExportFormat("class_list", "class_list_bytes", class_list).name
        'class_list'
    """

    name: str
    size_key: str
    to_bytes: Callable[[ExportContext], bytes | None]


EXPORT_FORMATS: dict[str, ExportFormat] = {}
"""Every registered format by its name."""


def register(export_format: ExportFormat) -> None:
    """Make a format known by its name, which must be new, as must be the key of its size."""
    for other in EXPORT_FORMATS.values():
        if export_format.name == other.name or export_format.size_key == other.size_key:
            raise ValueError(f"the export formats {export_format} and {other} are named alike")
    EXPORT_FORMATS[export_format.name] = export_format
