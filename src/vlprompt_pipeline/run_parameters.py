"""The parameters of a run: frozen, complete, and checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, create_model, field_validator, model_validator

from vlprompt_pipeline.config import (
    ClipParameters,
    DataCheckParameters,
    ExportParameters,
    FeatureParameters,
    OwnDataParameters,
    SideBySideParameters,
    TrackingParameters,
)
from vlprompt_pipeline.error_log import first_line
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.parsing import DatasetName, Parameters, Several, parse, unknown
from vlprompt_pipeline.precision import PrecisionSetting
from vlprompt_pipeline.protocols import PROTOCOLS, ProtocolParameters
from vlprompt_pipeline.wording import join

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


class RunParameters(Parameters):
    """Hold everything under conf/<env>/parameters*.yml together with `--params`.

    `data_root` is the folder of all data in the project, another one, or a place (`s3://…`).
    `extensions` are modules to import, which register what a run asks for by name;
    `wait_for_other_runs` are seconds that a run waits for one that writes to the same cell.
    With `short_classes: take_all` a class with fewer training images than `shots` takes all it has.
    `remarks` are what a run notes about all of its results, such as methods that it left out.
    `given` are those of `--params` again, which a run notes itself for the commands it prints.
    `parse_run_parameters` adds the section of every registered protocol, under its name.
    """

    extensions: Annotated[tuple[str, ...], Several] = ()
    dataset: DatasetName
    dataset_prefix: Literal["", "miniature_"] = ""
    dataset_root: str
    data_root: str = "data"
    split: Literal["official", "random"]
    own_data: OwnDataParameters
    protocol: str
    shots: int = Field(ge=1, strict=True)  # stands in paths as it was given
    short_classes: Literal["refuse", "take_all"] = "refuse"
    seed: int = Field(ge=0, strict=True)
    methods: tuple[str, ...] | str
    metrics: Annotated[tuple[str, ...], Several] = ()
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    precision: PrecisionSetting = "auto"
    clip: ClipParameters
    features: FeatureParameters
    export: ExportParameters = ExportParameters()
    data_check: DataCheckParameters = DataCheckParameters()
    tracking: TrackingParameters
    wait_for_other_runs: float = Field(default=3600, ge=0)
    side_by_side: SideBySideParameters = SideBySideParameters()
    recipes: dict[RecipeName, dict[str, Any]]
    demo_pretraining: dict[str, Any] = Field(default_factory=dict)
    analysis: dict[str, Any] = Field(default_factory=dict)
    benchmark_report: dict[str, Any] = Field(default_factory=dict)
    registry: dict[str, Any] = Field(default_factory=dict)
    prediction: dict[str, Any] = Field(default_factory=dict)
    onnx: dict[str, Any] = Field(default_factory=dict)
    given: dict[str, Any] = Field(default_factory=dict, exclude=True)
    remarks: tuple[str, ...] = Field(default=(), exclude=True)

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

    @field_validator("dataset_root", "data_root")
    @classmethod
    def _place_or_folder(cls, location: str) -> str:
        if re.match(r"(s3|gs|gcs|abfs|az):(?!//)", location):
            raise ValueError("a place has two slashes behind the colon: s3://bucket/folder")
        at_home(location)  # refuses the home of an unknown user
        return location

    @model_validator(mode="after")
    def _beside_itself(self) -> Self:
        seeds = self.side_by_side.seeds
        if seeds and self.seed not in seeds:
            raise ConfigError(
                f"side_by_side.seeds: {join(seeds)} are without the run's seed {self.seed}; add it"
            )
        for name in self.side_by_side.methods:
            if name not in self.recipes:
                raise ConfigError(unknown("side_by_side.methods", "recipe", name, [*self.recipes]))
        return self

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

    def datasets(self) -> tuple[str, ...]:
        """List the dataset of the run, then its targets, each as it is called in paths."""
        return self.benchmark, *(f"{self.dataset_prefix}{target}" for target in self.targets())

    def selected_methods(self) -> tuple[str, ...]:
        """List the recipes to run in the order given: a list, or names joined by `+`.

        One may be `all`: every recipe but those that look at test images in other views
        (`test_time`), which take as many times longer and are no rival of the others.

        Raises:
            ConfigError: a name has no recipe, or none is asked for.
        """
        given = self.methods.split("+") if isinstance(self.methods, str) else self.methods
        if not given:
            raise ConfigError("methods: none given; name recipes of parameters_recipes.yml or all")
        names: list[str] = []
        for name in given:
            if name not in (*self.recipes, "all"):
                raise ConfigError(unknown("methods", "method", name, [*self.recipes, "all"]))
            plain = (each for each in self.recipes if not self._at_test_time(each))
            names += plain if name == "all" else [name]
        return tuple(dict.fromkeys(names))

    def _at_test_time(self, name: str) -> bool:
        """Tell whether a recipe, or one that it extends, has `test_time`."""
        seen: set[str] = set()
        while name in self.recipes and name not in seen:
            seen.add(name)
            recipe = self.recipes[name]
            if "test_time" in recipe:
                return recipe["test_time"] is not None
            name = str(recipe.get("extends"))
        return False


def parse_run_parameters(values: Mapping[str, Any]) -> RunParameters:
    """Check the parameters of a run, after the modules that they name as `extensions` registered.

    Raises:
        ConfigError: naming every offending key, or an extension that cannot be imported.
    """
    if isinstance(values, Mapping):
        import_extensions(Several.func(values.get("extensions") or ()))
    return parse(_with_sections(tuple(PROTOCOLS)), values)


def import_extensions(modules: Sequence[str]) -> None:
    """Import modules that register methods, datasets, metrics, quantizers or protocols.

    Raises:
        ConfigError: one is not there, or raises an error, which the sentence has with its line.
    """
    for name in modules:
        try:
            import_module(name)
        except Exception as error:
            absent = error.name if isinstance(error, ModuleNotFoundError) else None
            if absent and f"{name}.".startswith(f"{absent}."):
                advice = "put the file into src/ of the project, or install its package"
                raise ConfigError(
                    f"extensions: cannot import {name!r} ({error}); {advice}"
                ) from error
            reason = f"{first_line(error)}{_line_of(error, name)}"
            raise ConfigError(f"extensions: {name!r} raises {reason}; mend it") from error


def _line_of(error: Exception, module: str) -> str:
    """Say in which line of a module's own file an error rose; a SyntaxError says it itself."""
    stem = module.rpartition(".")[2]
    lines = [at.lineno for at in extract_tb(error.__traceback__) if Path(at.filename).stem == stem]
    return f" in line {lines[-1]}" if lines else ""


@cache
def _with_sections(protocols: tuple[str, ...]) -> type[RunParameters]:
    """Make the model with a required field for the section of each protocol."""
    sections = {name: (PROTOCOLS[name].parameters, ...) for name in protocols}
    return create_model("RunParameters", __base__=RunParameters, **sections)
