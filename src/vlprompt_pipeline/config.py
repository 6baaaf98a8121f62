"""The parameters of a run: frozen, complete, and checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, create_model, field_validator, model_validator

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import DatasetName, Parameters, Several, parse, unknown
from vlprompt_pipeline.protocols import PROTOCOLS, ProtocolParameters
from vlprompt_pipeline.wording import same_names

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


RESERVED = ("all", "checkpoints", "targets")
"""Names that no recipe can have: folders beside those of recipes, and `all` in `methods`."""


def _recipe_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(
            "a recipe's name stands in the names of nodes and folders; use lower-case letters, "
            "digits, '_' and '-', with a letter or digit first"
        )
    if name in RESERVED:
        raise ValueError(f"{name} is no name for a recipe, it means something else; take another")
    return name


RecipeName = Annotated[str, AfterValidator(_recipe_name)]


class ClipParameters(Parameters):
    """Choose the frozen CLIP that is adapted.

    `source` is `embedded`, `local-dir:<folder>` (open_clip_config.json beside
    open_clip_model.safetensors) or `open_clip:<model>:<pretrained tag>`. `name` stands in the
    paths of everything computed with it.
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
    crop_scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]
    batch_size: int = Field(ge=1)
    shard_size: int = Field(ge=1)
    workers: int = Field(ge=1)
    decoding: Literal["auto", "published", "as_seen"]

    @field_validator("crop_scale")
    @classmethod
    def _ascending(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("the smallest share of the image goes first, then the largest")
        return scale


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
        precision: what the frozen towers compute in; what is trained stays in single precision.
            `fp16-amp` scales the loss, since half precision has no small gradients.
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
    precision: Literal["fp32", "bf16", "fp16-amp"] = "fp32"
    memory_gb: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give epochs or steps, and null for the other")
        return self

    @property
    def restart_epoch(self) -> int | None:
        """The epoch that starts anew, counted from 0; both parts have one where there are two."""
        if self.restart is None or not self.epochs:
            return None
        return max(1, min(self.epochs - 1, round(self.restart * self.epochs)))

    def in_epochs(self, steps: int) -> TrainingParameters:
        """Return a copy whose length is given in epochs of `steps` batches each."""
        if self.steps is None:
            return self
        return self.model_copy(update={"epochs": -(-self.steps // steps), "steps": None})


class DataCheckParameters(Parameters):
    """`contents`: read every image again and hold it to what is known, also those of large sets."""

    contents: bool = False


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
    folders to names, relative to `dataset_root`.
    """

    template: str
    class_names: str | None
    split: RandomSplitParameters

    @field_validator("template")
    @classmethod
    def _one_place(cls, template: str) -> str:
        if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
            raise ValueError(
                "a template has {} once, where the class name goes, as 'a photo of a {}.'"
            )
        return template


class ExportParameters(Parameters):
    """Set what is exported beside the packed prompt.

    `class_names` are those of the classifier weights, the dataset's own if none are given;
    `full_precision` asks for the unquantized tensors too.
    """

    class_names: Annotated[tuple[str, ...], Field(min_length=1), Several] | None = None

    @field_validator("class_names")
    @classmethod
    def _told_apart(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names and (twice := same_names(names)):
            raise ValueError(
                f"{' and '.join(map(repr, twice))} read the same in a prompt; give each class once"
            )
        return names

    full_precision: bool = False


class RunParameters(Parameters):
    """Hold everything under conf/<env>/parameters*.yml together with `--params`.

    `extensions` are modules to import, which register what a run asks for by name;
    `wait_for_other_runs` are seconds that a run waits for one that writes to the same cell.
    `given` are those of `--params` again, which a run notes itself for the commands it prints.
    `parse_run_parameters` adds the section of every registered protocol, under its name.
    """

    extensions: tuple[str, ...] = ()
    dataset: DatasetName
    dataset_prefix: Literal["", "miniature_"] = ""
    dataset_root: str
    split: Literal["official", "random"]
    own_data: OwnDataParameters
    protocol: str
    shots: int = Field(ge=1)
    seed: int = Field(ge=0)
    methods: tuple[str, ...] | str
    metrics: Annotated[tuple[str, ...], Several] = ()
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    clip: ClipParameters
    features: FeatureParameters
    export: ExportParameters = ExportParameters()
    data_check: DataCheckParameters = DataCheckParameters()
    tracking: TrackingParameters
    wait_for_other_runs: float = Field(default=3600, ge=0)
    recipes: dict[RecipeName, dict[str, Any]]
    demo_pretraining: dict[str, Any] = Field(default_factory=dict)
    analysis: dict[str, Any] = Field(default_factory=dict)
    benchmark_report: dict[str, Any] = Field(default_factory=dict)
    registry: dict[str, Any] = Field(default_factory=dict)
    prediction: dict[str, Any] = Field(default_factory=dict)
    given: dict[str, Any] = Field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """Return the name of the dataset in the registry, in paths and in results."""
        return f"{self.dataset_prefix}{self.dataset}"

    @field_validator("protocol")
    @classmethod
    def _registered(cls, name: str) -> str:
        if name not in PROTOCOLS:
            raise ValueError(f"protocols are {', '.join(PROTOCOLS)}")
        return name

    def section(self, protocol: str) -> ProtocolParameters:
        """Return the section of a protocol."""
        return getattr(self, protocol)

    def in_protocol(self, protocol: str) -> RunParameters:
        """Return the same, or the parameters of another protocol, run on its own dataset."""
        if protocol == self.protocol:
            return self
        section = self.section(protocol)
        changed = {"protocol": protocol, "dataset": section.dataset, "shots": section.shots}
        return self.model_copy(update=changed)

    def targets(self) -> tuple[str, ...]:
        """List the other datasets, without prefix, that the prompts of the run are scored on.

        Raises:
            ConfigError: the protocol refuses the dataset or its targets.
        """
        section = self.section(self.protocol)
        return PROTOCOLS[self.protocol].targets(section, self.dataset, self.dataset_prefix)

    def selected_methods(self) -> tuple[str, ...]:
        """List the recipes to run in the order given: a list, `all`, or names joined by `+`.

        `all` leaves out those that look at test images in other views (`test_time`), which take as
        many times longer and are no rival of the others.

        Raises:
            ConfigError: a name has no recipe, or none is asked for.
        """
        names = self.methods
        if isinstance(names, str):
            plain = (name for name in self.recipes if not self._at_test_time(name))
            names = tuple(plain) if names == "all" else tuple(names.split("+"))
        if not names:
            raise ConfigError("methods: none given; name recipes of parameters_recipes.yml or all")
        for name in names:
            if name not in self.recipes:
                raise ConfigError(unknown("methods", "method", name, [*self.recipes, "all"]))
        return tuple(dict.fromkeys(names))

    def _at_test_time(self, name: str) -> bool:
        """Whether a recipe, or one that it extends, has `test_time`."""
        seen: set[str] = set()
        while name in self.recipes and name not in seen:
            seen.add(name)
            own = self.recipes[name]
            if "test_time" in own:
                return own["test_time"] is not None
            name = str(own.get("extends"))
        return False


def parse_run_parameters(values: Mapping[str, Any]) -> RunParameters:
    """Check the parameters of a run, after the modules that they name as `extensions` registered.

    Raises:
        ConfigError: naming every offending key, or an extension that cannot be imported.
    """
    if isinstance(values, Mapping):
        import_extensions(values.get("extensions") or ())
    return parse(_with_sections(tuple(PROTOCOLS)), values)


def import_extensions(modules: Sequence[str]) -> None:
    """Import modules that register methods, datasets, metrics, quantizers or protocols.

    Raises:
        ConfigError: one cannot be imported.
    """
    for name in modules:
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"extensions: cannot import {name!r} ({error}); put the file into src/ of the "
                "project, or install its package"
            ) from error


@cache
def _with_sections(protocols: tuple[str, ...]) -> type[RunParameters]:
    """Make the model with a required field for the section of each protocol."""
    sections = {name: (PROTOCOLS[name].parameters, ...) for name in protocols}
    return create_model("RunParameters", __base__=RunParameters, **sections)
