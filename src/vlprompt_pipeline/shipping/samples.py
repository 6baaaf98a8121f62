"""Which images calibrate 8 bits, and which measure the graphs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.shipping.contents import ShippedModel
from vlprompt_pipeline.wording import counted, readable, some

logger = logging.getLogger(__name__)

CALIBRATION = 32
"""Images whose activations set the ranges of 8 bits (our choice)."""
MEASURED = 500
"""Images that the graphs are measured on, at most (our choice)."""


@dataclass(frozen=True)
class ImageSamples:
    """Images of the task, as pixels `[images, 3, height, width]`.

    Attributes:
        calibration: to take the ranges of 8-bit activations from; none: no 8-bit graph.
        test: to measure the graphs on; none: nothing is measured.
        labels: of `test`, indices into the model's labels; none where they are not known.
        described: what the test images are, for people.
    """

    calibration: np.ndarray | None = None
    test: np.ndarray | None = None
    labels: np.ndarray | None = None
    described: str = "images"

    @classmethod
    def of_parts(
        cls,
        model: ShippedModel,
        calibration: Sequence[Path],
        test: Sequence[Path],
        labels: Sequence[int] | None,
        described: str,
    ) -> ImageSamples:
        """Read images of two parts, each spread evenly over its files where these are more.

        Files that cannot be read are left out, with a warning that names them.

        Args:
            model: whose images they are.
            calibration: files of `calibration`, such as the few-shot images.
            test: files of `test`, which nothing was chosen on.
            labels: of the test files.
            described: see above.

        Raises:
            DataError: no image of a part can be read.
        """
        chosen = _spread(len(test), MEASURED)
        calibrating, _ = _pixels(model, [calibration[i] for i in _spread(len(calibration))])
        measuring, is_read = _pixels(model, [test[i] for i in chosen])
        return cls(
            calibration=calibrating,
            test=measuring,
            labels=None if labels is None else np.asarray(labels)[chosen[is_read]],
            described=described,
        )

    @classmethod
    def of_folder(cls, model: ShippedModel, files: Sequence[Path], described: str) -> ImageSamples:
        """Split images of one folder in two; those of a few serve both.

        What an image shows is read off the name of its folder, where all of them are labels.
        """
        calibration = _spread(len(files))
        rest = np.setdiff1d(np.arange(len(files)), calibration)
        test = [files[i] for i in (rest if len(rest) else calibration)]
        numbers = {readable(name): label for label, name in enumerate(model.card.class_names)}
        shown = [numbers.get(readable(path.parent.name), -1) for path in test]
        labels = None if -1 in shown else shown
        return cls.of_parts(model, [files[i] for i in calibration], test, labels, described)


def _spread(count: int, most: int = CALIBRATION) -> np.ndarray:
    """Choose at most so many of `count` items, evenly; return their indices."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(int)


def _pixels(model: ShippedModel, files: Sequence[Path]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the pixels of the files that can be read, None without files, and which these are."""
    is_read = np.ones(len(files), bool)
    pixels, problems = [], []
    for number, path in enumerate(files):
        try:
            pixels.append(model.view.of(path))
        except DataError as error:
            is_read[number] = False
            problems.append(str(error))
    if files and not pixels:
        raise DataError(f"no image can be read: {problems[0]}")
    if problems:
        logger.warning("%s left out: %s", counted(len(problems), "image"), some(problems))
    return torch.stack(pixels).numpy() if pixels else None, is_read
