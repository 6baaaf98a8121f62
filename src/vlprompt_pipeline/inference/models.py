"""Open a model by its address."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Protocol

import numpy as np

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.publishing.layout import HUB, is_published_prompt
from vlprompt_pipeline.rejection import Rejection, rejection_for_accuracy, softmax

DEFAULT_REGISTRY = "sqlite:///mlflow.db"


class ImageModel(Protocol):
    """What labels photos.

    Attributes:
        name: of the model, such as `demo_aerial.coop`.
        version: number in the registry, or the first digits of the packed prompt's SHA-256.
        class_names: the classes, in the order of its scores.
        rejection: how it says "none of these"; None where it always names a class, as it does for
            other classes than its own.
        block: how many images `scores` takes at once; fewer are filled up, so that the scores of an
            image do not depend on those beside it.
        pixel_shape: of a prepared image, `(3, height, width)`.
    """

    name: str
    version: str
    class_names: tuple[str, ...]
    rejection: Rejection | None
    block: int
    pixel_shape: tuple[int, int, int]

    def pixels(self, source: bytes) -> np.ndarray:
        """Prepare an encoded image as `pixel_shape`, float32; threads and forks do so at once.

        Raises:
            DataError: it is no image, damaged, or too large to decode.
        """

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Compute logits `[images, classes]`: their softmax are the scores, rejections use them."""

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Score `[images, 3, height, width]`, with the rejection's temperature if there is one."""
        return softmax(self.logits(pixels), self.rejection.temperature if self.rejection else 1.0)

    def with_classes(self, class_names: Sequence[str]) -> ImageModel:
        """Return the same model for other classes.

        Raises:
            ConfigError: it cannot have them.
        """


def open_model(
    address: str | None,
    class_names: Sequence[str] = (),
    registry_uri: str = DEFAULT_REGISTRY,
    project: Path | None = None,
    clip_source: str | None = None,
) -> ImageModel:
    """Open a model.

    Args:
        address: a folder that was exported or published; `hf-hub:<owner>/<name>`; or a registered
            model as `name`, `name@alias` or `name/number`, none where only one is registered.
        class_names: to tell apart instead of the model's own.
        registry_uri: of MLflow, for registered models.
        project: folder that a relative `registry_uri` starts from; the working folder if not given.
        clip_source: where the model's CLIP lies, as `clip.source`; if not given, where it was then.

    Raises:
        UserError: there is no such model, it cannot be used, or it cannot have these classes.
    """
    if address and address.startswith(HUB):
        from vlprompt_pipeline.publishing import fetch_published

        return _open_folder(fetch_published(address), class_names, clip_source)
    if address and Path(address).is_dir():
        return _open_folder(Path(address), class_names, clip_source)
    if address and (address.startswith((".", "/", "~")) or address.endswith("/")):
        raise UserError(f"no folder {address}: name one that vlprompt export or publish wrote")
    from vlprompt_pipeline.inference.registered import open_registered

    return open_registered(address, class_names, registry_uri, project or Path.cwd(), clip_source)


def _open_folder(folder: Path, class_names: Sequence[str], clip_source: str | None) -> ImageModel:
    if is_published_prompt(folder):
        from vlprompt_pipeline.inference.registered import open_published

        return open_published(folder, class_names, clip_source)
    if clip_source:
        raise ConfigError(f"{folder} holds the CLIP in its graphs: leave --clip away")
    from vlprompt_pipeline.inference.exported import ExportedModel

    return ExportedModel(folder, class_names)


def with_accuracy(model: ImageModel, wanted: float) -> ImageModel:
    """Return the same model with the threshold that has a wanted accuracy among the accepted.

    Args:
        model: with its own classes, since a threshold holds for these alone.
        wanted: share of right answers, above 0, at most 1.

    Raises:
        ConfigError: it never says "none", or no threshold of it has this accuracy.
    """
    other = copy(model)
    other.rejection = rejection_for_accuracy(model.rejection, wanted, model.name)
    return other
