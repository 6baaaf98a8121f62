"""Sections of the parameters of a run, each a checked model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from vlprompt_pipeline.parsing import Once, Parameters, Several, one_place
from vlprompt_pipeline.precision import PrecisionSetting
from vlprompt_pipeline.wording import same_names

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Share = Annotated[float, Field(gt=0, le=1)]

TRIAL = "-tuning"
"""What ends the name of the CLIP in cells of `kedro tune`."""


def _ascending(scale: tuple[float, float]) -> tuple[float, float]:
    if scale[0] > scale[1]:
        raise ValueError("the smallest share of the image goes first, then the largest")
    return scale


Template = Annotated[str, AfterValidator(one_place)]
"""Text of a prompt, `{}` in the place of the class name."""

CropScale = Annotated[tuple[Share, Share], AfterValidator(_ascending)]
"""Smallest and largest share of an image's area that a random crop has."""


class ClipParameters(Parameters):
    """Choose the frozen CLIP that is adapted.

    `source` is `embedded`, `local-dir:<folder>` of open_clip or transformers,
    `open_clip:<model>:<pretrained tag>` or `hf-hub:<owner>/<name>`. `name` stands in the paths of
    everything computed with it.
    """

    name: Slug
    source: str


class FeatureParameters(Parameters):
    """Set how images become features of the frozen image tower.

    `train: cached` encodes `views` random crops of each training image once and draws from them
    every epoch; `train: online` encodes a fresh crop in every step, as published. `decoding` is
    one of `images.Decoding`; `auto` is `published` for benchmarks and `as_seen` for own photos.
    """

    train: Literal["cached", "online"]
    views: int = Field(ge=1)
    crop_scale: CropScale
    batch_size: int = Field(ge=1)
    shard_size: int = Field(ge=1)
    workers: int = Field(ge=1)
    decoding: Literal["auto", "published", "as_seen"]


class TrainingParameters(Parameters):
    """Set optimizer and schedule; defaults are those of KaiyangZhou/Dassl.pytorch.

    The learning rate is set once an epoch: `warmup_lr` for `warmup_epochs`, then a cosine from `lr`
    that starts anew after the warm-up and so never reaches zero.

    Attributes:
        epochs: passes over the images; none where `steps` is given.
        steps: the least number of steps, rounded up to whole epochs.
        drop_last: whether a last short batch is left out where there is a full one, as in Dassl.
            Tip-Adapter-F and CLIP-LoRA, whose code does not use Dassl, keep it.
        restart: share of the epochs after which optimizer and cosine start anew (2SFS), or none.
        momentum: of `sgd`.
        epsilon: of `adam` and `adamw`; TCP needs 1e-3 in half precision.
        precision: what the frozen towers compute in while training, `auto` for the precision of
            the run; what is trained stays in single precision. `fp16-amp` scales the loss, since
            half precision has no small gradients.
        memory_gb: gigabytes of activations that a step may keep for its gradient, or none for half
            of the free memory; activations beyond it are computed twice, with the same result.
    """

    epochs: int | None = Field(ge=0)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(ge=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    warmup_epochs: int = Field(ge=0)
    warmup_lr: float = Field(ge=0)
    drop_last: bool = True
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    epsilon: float = Field(default=1e-8, gt=0)
    restart: float | None = Field(default=None, gt=0, lt=1)
    precision: PrecisionSetting = "auto"
    memory_gb: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give epochs or steps, and null for the other")
        return self

    @property
    def restart_epoch(self) -> int | None:
        """The epoch that starts anew, counted from 0."""
        if self.restart is None or not self.epochs:
            return None
        return epoch_at(self.restart, self.epochs)

    def in_epochs(self, steps: int) -> TrainingParameters:
        """Return a copy whose length is given in epochs of `steps` batches each."""
        if self.steps is None:
            return self
        return self.model_copy(update={"epochs": -(-self.steps // steps), "steps": None})


def epoch_at(share: float, epochs: int) -> int:
    """Return how many epochs a share of them is; both parts have one where there are two."""
    return max(1, min(epochs - 1, round(share * epochs)))


class DataCheckParameters(Parameters):
    """`contents`: read every image again and hold it to what is known, also those of large sets."""

    contents: bool = False


class SideBySideParameters(Parameters):
    """Name the seeds and the recipes that train as one batch; none: each prompt trains alone.

    Recipes of other layouts or schedules train alone beside them (`training.side_by_side`).
    """

    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Several, Once] = ()
    methods: Annotated[tuple[str, ...], Several, Once] = ()


class TrackingParameters(Parameters):
    """Set where MLflow records runs; `MLFLOW_TRACKING_URI` of the environment goes first."""

    enabled: bool
    experiment: str
    uri: str


class RandomSplitParameters(Parameters):
    """Set shares and seed of a random split.

    It is drawn where a dataset has no test part, or where `split` is `random`.
    """

    train: float = Field(gt=0, lt=1)
    val: float = Field(ge=0, lt=1)
    test: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares train, val and test make {total:g}, not 1")
        return self


class OwnDataParameters(Parameters):
    """Set how the user's own photos are read.

    Own photos are a folder or table of `dataset_root` that is no known dataset. `template` is the
    text of the zero-shot prompt, `{}` the class name. `class_names` is a file that maps class
    folders to names, relative to `dataset_root`. Photos that cannot be read end a run, or are left
    out of the split (`broken`).
    """

    template: Template
    class_names: str | None
    broken: Literal["refuse", "leave_out"] = "refuse"
    split: RandomSplitParameters


class FeatureQuantization(Parameters):
    """Set the bits of a feature: `rate`, if given, once they are entropy-coded, as in recipes."""

    bits: int = Field(ge=1, le=8)
    rate: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _below(self) -> Self:
        if self.rate is not None and not (self.bits > 1 and self.rate < self.bits):
            raise ValueError(f"rate {self.rate:g} is not below bits {self.bits}, which are 2 to 8")
        return self


class ExportParameters(Parameters):
    """Set what is exported beside the packed prompt.

    `class_names` are those of the classifier weights, the dataset's own if none are given;
    `quantize` puts these weights in few bits; `full_precision` asks for the unquantized tensors
    too.
    """

    class_names: Annotated[tuple[str, ...], Field(min_length=1), Several] | None = None
    quantize: FeatureQuantization | None = None
    full_precision: bool = False

    @field_validator("class_names")
    @classmethod
    def _told_apart(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names and (twice := same_names(names)):
            raise ValueError(
                f"{' and '.join(map(repr, twice))} read the same in a prompt; give each class once"
            )
        return names
