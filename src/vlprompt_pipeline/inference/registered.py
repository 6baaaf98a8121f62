"""A registered or published model, computed with torch."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from vlprompt_pipeline import registry
from vlprompt_pipeline.clip.encoding import block_size
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.publishing import load_published
from vlprompt_pipeline.registry.classifier import Classifier


class RegisteredModel(ImageModel):
    """A classifier of the registry; see `ImageModel`."""

    def __init__(
        self, classifier: Classifier, name: str, version: str, class_names: Sequence[str]
    ) -> None:
        """Raise ConfigError for class names that the classifier cannot have."""
        self.classifier, self.name, self.version = classifier, name, version
        self.class_names = classifier.names(class_names)
        self.rejection = classifier.rejection if classifier.rejects(self.class_names) else None
        self.block = block_size(classifier.clip.arithmetic)
        self.pixel_shape = (3, *classifier.clip.preprocessing.height_width)

    def pixels(self, source: bytes) -> np.ndarray:
        """Prepare an image as it was evaluated."""
        return self.classifier.view.of(BytesIO(source)).numpy()

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Compute with as many threads of torch as the evaluation had."""
        with self.classifier.clip.arithmetic.running():
            return self.classifier.logits_of_pixels(torch.from_numpy(pixels), self.class_names)

    def with_classes(self, class_names: Sequence[str]) -> RegisteredModel:
        """Return the same model for other classes; the last few lists keep their text features."""
        return RegisteredModel(self.classifier, self.name, self.version, class_names)


def open_registered(
    address: str | None,
    class_names: Sequence[str],
    uri: str,
    project: Path,
    clip_source: str | None,
) -> RegisteredModel:
    """Load a version by `name`, `name@alias` or `name/number`.

    Raises:
        UserError: there is none, or several where none is named.
    """
    models = registry.open_existing(uri, project)
    version = registry.find_version(models, address or _only_name(models))
    classifier = registry.load_classifier(models, version, clip_source)
    return RegisteredModel(classifier, version.name, version.number, class_names)


def open_published(
    folder: Path, class_names: Sequence[str], clip_source: str | None
) -> RegisteredModel:
    """Load a folder that `vlprompt publish` wrote.

    Raises:
        UserError: a file was changed, or the CLIP is not the one it belongs to.
    """
    classifier, manifest = load_published(folder, clip_source=clip_source)
    return RegisteredModel(classifier, manifest.name, manifest.version, class_names)


def _only_name(models: registry.ModelRegistry) -> str:
    names = sorted({row.version.name for row in registry.list_versions(models)})
    if len(names) == 1:
        return names[0]
    there = ", ".join(names[:5]) + ("…" if len(names) > 5 else "")
    if not names:
        raise UserError("no model is registered: kedro run --pipelines=register makes one")
    raise UserError(f"{len(names)} models are registered ({there}): name one with --model")
