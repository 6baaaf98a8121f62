"""The cell record: what one `kedro run` leaves for the reports.

A cell is one (protocol, CLIP, dataset, shots, seed) with several methods.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.parsing import Frozen

SCHEMA_VERSION = 1
ZERO_SHOT = "zero_shot"
"""Name of the method every other is compared with."""


class Score(Frozen):
    """Correct predictions among the test images of one set of classes, and further metrics.

    The metrics stand beside the counts by their names (`evaluation.metrics.METRICS`); records of
    earlier versions lack some, and None is as good as none.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FiniteFloat | None]

    correct: NonNegativeInt
    total: PositiveInt

    @model_validator(mode="after")
    def _within_total(self) -> Self:
        if self.correct > self.total:
            raise ValueError(f"{self.correct} correct predictions of only {self.total} images")
        return self

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric beside accuracy that was recorded, by name."""
        return {name: value for name, value in self.model_extra.items() if value is not None}

    @property
    def accuracy(self) -> float:
        """Percent."""
        return metrics.accuracy(self.correct, self.total)


class Generalised(Frozen):
    """Test images of base and of new classes, classified among all classes together.

    This is beyond the literature, whose base-to-new scores are among the classes of each half.
    """

    base: Score
    new: Score


class MadeWith(Frozen):
    """What a result depends on beside its cell: only equal ones are averaged over seeds.

    Attributes:
        settings: those of the recipe and of the features, keys joined by dots, and the template.
        images: digest of the contents of all images of the dataset.
        clip: identity of the CLIP: weights, configuration, preprocessing, tokenizer.
        code: digest of the code that trained and evaluated; empty where it is not known.
    """

    settings: dict[str, Any]
    images: str
    clip: str
    code: str = ""


class MethodResult(Frozen):
    """One method in one cell.

    `base` are the classes trained on; in a protocol on all classes all of them, without `new`.
    `generalised` goes with `new`; records of earlier versions lack it.
    `targets` are the scores on the cell's target datasets, in their order. A method that is bound
    to the classes of training has no `new` and no `targets` in any protocol.
    `payload_bytes` are the stored prompt values alone, `file_bytes` the file that ships with all
    its metadata, `fp16_bytes` what the same parameters take unpacked in half precision.
    `inference_cost` is that of one image as a multiple of zero-shot CLIP's. `tuned_per_dataset`
    tells that the recipe holds settings chosen for the dataset, as some official ones do.
    `metric_code` has the digest of the code of every metric beside accuracy. Records of earlier
    versions lack it, and `made_with`.
    """

    method: str = Field(min_length=1)
    title: str = Field(min_length=1)
    base: Score
    new: Score | None = None
    generalised: Generalised | None = None
    targets: tuple[Score, ...] = ()
    trainable_parameters: NonNegativeInt
    payload_bytes: NonNegativeInt
    file_bytes: PositiveInt
    fp16_bytes: NonNegativeInt
    inference_cost: FiniteFloat | None = Field(default=None, gt=0)
    tuned_per_dataset: bool = False
    metric_code: dict[str, str] = Field(default_factory=dict)
    made_with: MadeWith | None = None


class Target(Frozen):
    """Another dataset that prompts are scored on, among its own classes."""

    dataset: str = Field(min_length=1)
    classes: PositiveInt
    split_sha256: str = Field(min_length=1)
    random_split: str = ""


class Cell(Frozen):
    """What was run, and the fingerprints of everything the figures depend on.

    `random_split` tells of a split that is not the one the data came with, such as "own random
    split, seed 1"; it stands wherever the result is shown.
    """

    protocol: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    shots: PositiveInt
    seed: int
    clip: str = Field(min_length=1)
    weights_sha256: str = Field(min_length=1)
    split_sha256: str = Field(min_length=1)
    random_split: str = ""
    few_shot_sha256: str = Field(min_length=1)
    targets: tuple[Target, ...] = ()
    template_set: str = Field(min_length=1)
    code_version: str = Field(min_length=1)


class Classes(Frozen):
    """Class names in label order; `new` is empty in a protocol on all classes."""

    base: tuple[str, ...] = Field(min_length=1)
    new: tuple[str, ...] = ()


class CellRecord(Frozen):
    """The results of all methods of one cell."""

    schema_version: Literal[1] = SCHEMA_VERSION
    cell: Cell
    classes: Classes
    notes: tuple[str, ...] = ()
    methods: tuple[MethodResult, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [result.method for result in self.methods]
        if len(set(names)) < len(names):
            raise ValueError(f"a method is listed twice among {', '.join(names)}")
        for result in self.methods:
            if result.new is not None and not self.classes.new:
                raise ValueError(f"{result.method} has a score on new classes, but there are none")
            if result.generalised is not None and result.new is None:
                raise ValueError(f"{result.method} has generalised scores, but none on new classes")
            if result.targets and len(result.targets) != len(self.cell.targets):
                raise ValueError(f"{result.method} and the list of targets contradict each other")
        return self
