"""A calibrated rejection: apply it to logits, write it to a file, read it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlprompt_pipeline.errors import ConfigError, PromptFileError
from vlprompt_pipeline.parsing import first_fault
from vlprompt_pipeline.rejection.operating_points import OperatingPoint
from vlprompt_pipeline.rejection.scores import KINDS, KindName, softmax

NONE = "none"
"""The label of an image that is none of the classes."""


class Calibration(BaseModel):
    """What the threshold was chosen on, and what it does there; all shares between 0 and 1.

    Attributes:
        images: how many.
        wanted: accuracy among the accepted, or coverage of conformal sets.
        accepted: share of the images that are accepted.
        accuracy: among these, if there are any.
        accuracy_of_all: without rejection.
        outsiders: how many images of no class were given.
        outsiders_refused: share of them that is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: int = Field(ge=1)
    wanted: float
    accepted: float
    accuracy: float | None
    accuracy_of_all: float
    outsiders: int = 0
    outsiders_refused: float | None = None


@dataclass(frozen=True)
class Decision:
    """What a model says of some images.

    Attributes:
        best: `[images]` index of the most probable class, also of those refused.
        accepted: `[images]`; False: none of these.
        probabilities: `[images, classes]`, with the calibrated temperature.
        sets: `[images, classes]`, which labels are in the set; none where the kind has no sets. The
            set of an image that is refused is empty.
    """

    best: np.ndarray
    accepted: np.ndarray
    probabilities: np.ndarray
    sets: np.ndarray | None

    def labels(self, class_names: tuple[str, ...]) -> list[str]:
        """Name the best class of each image, or `NONE`."""
        pairs = zip(self.best.tolist(), self.accepted.tolist(), strict=True)
        return [class_names[best] if accepted else NONE for best, accepted in pairs]

    def label_sets(self, class_names: tuple[str, ...]) -> list[list[str]] | None:
        """Name the classes in the set of each image, the most probable first."""
        if self.sets is None:
            return None
        ranked = np.argsort(-self.probabilities, axis=-1, kind="stable").tolist()
        return [
            [class_names[c] for c in order if chosen[c]]
            for order, chosen in zip(ranked, self.sets, strict=True)
        ]


class Rejection(BaseModel):
    """Refuse images whose score is below a threshold, which belongs to one model and its classes.

    Attributes:
        kind: of `KINDS`.
        threshold: images that score this or more are accepted; of conformal sets the probability
            from which a label is in the set.
        temperature: that logits are divided by to make `Decision.probabilities`; it does not enter
            the score.
        calibration: what both were chosen on.
        operating_points: other thresholds that may be asked for by their accuracy, ascending; none
            of conformal sets, nor in files that were written before these were stored.

    Example:
        >>> of = Calibration(images=40, wanted=0.9, accepted=0.8, accuracy=0.9, accuracy_of_all=0.8)
        >>> rejection = Rejection(
        ...     kind="max_softmax", threshold=0.7, temperature=1.5, calibration=of
        ... )
        >>> rejection.decide(np.array([[2.0, 0.0], [0.1, 0.0]])).labels(("cat", "dog"))
        ['cat', 'none']
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["vlprompt_pipeline.rejection.1"] = "vlprompt_pipeline.rejection.1"
    kind: KindName
    threshold: float
    temperature: float = Field(gt=0)
    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...] = ()

    @property
    def sets(self) -> bool:
        """Whether it gives sets of labels."""
        return KINDS[self.kind].sets

    def decide(self, logits: np.ndarray) -> Decision:
        """Decide on images by their logits `[images, classes]`, those that calibration had."""
        logits = np.asarray(logits, np.float64)
        kind = KINDS[self.kind]
        return Decision(
            best=logits.argmax(-1),
            accepted=kind.score(logits) >= self.threshold,
            probabilities=softmax(logits, self.temperature),
            sets=softmax(logits) >= self.threshold if kind.sets else None,
        )

    def for_accuracy(self, wanted: float) -> Rejection:
        """Return the same with the lowest threshold of a wanted accuracy among the accepted.

        A file of before, which has one threshold alone, does where that was chosen for as much.

        Args:
            wanted: share of right answers, above 0, at most 1.

        Raises:
            ConfigError: no threshold has it, or none is known to.
        """
        for point in self.operating_points:
            if point.accuracy >= wanted:
                done = {"wanted": wanted, **point.model_dump(exclude={"threshold"})}
                of = self.calibration.model_copy(update=done)
                return self.model_copy(update={"threshold": point.threshold, "calibration": of})
        if self.operating_points:
            best = self.operating_points[-1]
            raise ConfigError(
                f"no threshold gives {wanted:.4g} right answers among the accepted: of the "
                f"{self.calibration.images} images of calibration at best {best.accuracy:.4g} are "
                f"right, where {best.accepted:.4g} are accepted; ask for no more than that, or "
                "train a better model"
            )
        if self.sets:
            raise ConfigError(
                f"the model says none by {self.kind} sets, chosen for the share of images whose "
                "set holds the right label: leave the accuracy out, or register it again with "
                "registry.rejection.kind=max_softmax"
            )
        if self.calibration.wanted < wanted:
            raise ConfigError(
                f"the model says none by a threshold that was chosen for "
                f"{self.calibration.wanted:g}, by {self.kind}, and has no other: register it again "
                f"with registry.rejection.accuracy={wanted:g}, or ask for that"
            )
        return self

    def sentence(self) -> str:
        """Return what the threshold did to the images of calibration."""
        of = self.calibration
        right = "" if of.accuracy is None else f", {of.accuracy:.1%} of these rightly"
        return (
            f"threshold {self.threshold:.4g} of {self.kind} before the temperature of "
            f"{self.temperature:.3g} that printed scores have: of {of.images} images of "
            f"calibration {of.accepted:.1%} had a label{right}"
        )

    def to_json(self) -> str:
        """Return the content of the file `rejection.json`."""
        return self.model_dump_json(indent=1)

    @classmethod
    def load(cls, path: Path) -> Rejection:
        """Read the file of `to_json`.

        Raises:
            PromptFileError: absent, or something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise PromptFileError(
                f"no rejection at {path} ({error.strerror}): register the model again"
            ) from None
        except ValidationError as error:
            raise PromptFileError(
                f"{path} is no rejection ({first_fault(error)}): register the model again"
            ) from None


def rejection_for_accuracy(rejection: Rejection | None, wanted: float, model: str) -> Rejection:
    """Return the rejection of a model, with the threshold of a wanted accuracy.

    Args:
        rejection: of the model, or none.
        wanted: share of right answers among the accepted, above 0, at most 1.
        model: its name.

    Raises:
        ConfigError: it has no rejection, or no such threshold.
    """
    if not 0 < wanted <= 1:
        raise ConfigError(f"accuracy is {wanted:g}: give a share above 0 and at most 1, like 0.95")
    if rejection is None:
        raise ConfigError(
            f"{model} names a class for every photo: register it again with "
            f"registry.rejection.accuracy={wanted:g} and registry.rejection.kind=max_softmax, and "
            "give no class names but its own"
        )
    try:
        return rejection.for_accuracy(wanted)
    except ConfigError as error:
        raise ConfigError(f"{model}: {error}") from None
