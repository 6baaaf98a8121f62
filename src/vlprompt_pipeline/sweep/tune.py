"""Tune settings of a recipe on the validation images of a cell, never on its test images.

A trial is a Kedro session that ends with the packed prompt. Its `clip.name` differs, so that it
leaves the cell's own results alone. The packed prompt is scored on the validation part of the
few-shot set. The study has a database of its own, because MLflow and Optuna in one would break each
other: both keep the version of their tables in `alembic_version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import click
from kedro.framework.session import KedroSession
from pydantic import Discriminator, Field, RootModel, Tag, model_validator

from vlprompt_pipeline.config import TRIAL, FeatureParameters
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.parsing import Parameters, overlay, parse
from vlprompt_pipeline.pipelines.evaluation.nodes import evaluate_prompt
from vlprompt_pipeline.reproducibility.completion import completion_key
from vlprompt_pipeline.sweep.grid import nested, read_yaml
from vlprompt_pipeline.sweep.plan import PlannedCell, plan
from vlprompt_pipeline.wording import join

if TYPE_CHECKING:
    import optuna

OPTUNA_NEEDED = "kedro tune needs Optuna: pip install 'vlprompt_pipeline[tune]'"
DATABASE = Path("data/08_reporting/tuning/optuna.db")
_STAGES = ["few_shot_sampling", "feature_extraction", "prompt_training", "quantization_export"]


class Range(Parameters):
    """Numbers from `low` to `high`: whole if both are whole, log-uniform with `log`."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.log and self.low <= 0:
            raise ValueError("with log, low is above 0")
        return self


_Values = Annotated[
    Annotated[Range, Tag("range")] | Annotated[tuple[Any, ...], Field(min_length=1), Tag("list")],
    Discriminator(lambda values: "range" if isinstance(values, Mapping | Range) else "list"),
]


class Space(RootModel[Annotated[dict[str, _Values], Field(min_length=1)]]):
    """The values to try: for settings of the recipe, such as `training.lr`, a range or a list."""


@dataclass(frozen=True)
class Tuning:
    """The tuning of a recipe in a cell.

    Attributes:
        project, env, params: as of a run; `params` say which cell.
        method: name of the recipe.
        space: the values to try.
    """

    project: Path
    env: str | None
    params: Mapping[str, Any]
    method: str
    space: Space

    @cached_property
    def cell(self) -> PlannedCell:
        """The cell as it is configured."""
        return plan([{}], self.project, self.env, self.params)[0]

    @property
    def name(self) -> str:
        """Name of its study, another one for other images, weights, settings, code or space.

        The images must have been indexed before (`_prepare_data`).
        """
        cell, run = self.cell, self.cell.parameters
        key = completion_key(cell.values, cell.recipes, self.method, self.project)
        digest = sha256_json([*key, self.space.model_dump(mode="json")])[:8]
        where = f"k{run.shots} s{run.seed} {run.benchmark} {run.protocol} {run.clip.name}"
        return f"{self.method} {where} {digest}"

    def run(self, trials: int, name: str = "") -> optuna.Study:
        """Run the trials that the study called `name`, by default `self.name`, still lacks.

        Raises:
            ClickException: Optuna is not installed.
            ConfigError: the space has settings of training, and the recipe trains nothing.
            DataError: there are no validation images.
        """
        try:
            import optuna
        except ImportError:
            raise click.ClickException(OPTUNA_NEEDED) from None
        self._require_training()
        self._prepare_data()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails is told once
        database = self.project / DATABASE
        database.parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            study_name=name or self.name,
            storage=f"sqlite:///{database}",
            direction="maximize",
            load_if_exists=True,
        )
        # with the same seed, a continued study would draw its first trials again
        seed = self.cell.parameters.seed + len(study.trials)
        study.sampler = optuna.samplers.TPESampler(seed=seed)
        finished = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        study.optimize(self._score, n_trials=max(0, trials - len(finished)))
        return study

    def _require_training(self) -> None:
        of_training = [key for key in self.space.root if key.partition(".")[0] == "training"]
        if of_training and resolve_recipe(self.method, self.cell.recipes).training is None:
            raise ConfigError(
                f"--space: {join(of_training)}: {self.method} trains nothing; tune a method that "
                "does, or settings of its prompt"
            )

    def _prepare_data(self) -> None:
        """Look at the images as they are now, as all trials will have them."""
        params = self._trial_params({})
        with KedroSession.create(self.project, env=self.env, runtime_params=params) as session:
            catalog = session.load_context().catalog
            session.run(pipeline_names=["data_preparation", "few_shot_sampling"])
        few_shot_set = catalog.load("few_shot_set")
        if not few_shot_set.val:
            raise DataError(
                f"{few_shot_set.dataset} has no validation images: there is nothing to tune on, "
                "and test images are not used for it"
            )

    def _score(self, trial: optuna.Trial) -> float:
        """Train with the values of a trial; return the percentage of right validation images."""
        settings = {key: _suggest(trial, key, each) for key, each in self.space.root.items()}
        params = self._trial_params(settings)
        made = [f"{self.method}.packed_prompt", f"{self.method}.prompt"]
        with KedroSession.create(self.project, env=self.env, runtime_params=params) as session:
            catalog = session.load_context().catalog
            parameters = catalog.load("parameters")
            session.run(pipeline_names=_STAGES, to_outputs=made)
        few_shot_set = catalog.load("few_shot_set")
        table = catalog.load("image_index").set_index("path", drop=False)
        table = table.loc[[path for path, _ in few_shot_set.val]].reset_index(drop=True)
        _, scores, _, _ = evaluate_prompt(
            packed=catalog.load(made[0]),
            prompt=catalog.load(made[1]),
            clip=catalog.load("clip"),
            table=table.assign(part="test"),  # the part that is scored
            card=catalog.load("dataset_card"),
            class_subsets={"base": catalog.load("class_subsets")["base"]},
            test_features=catalog.load("few_shot_features").training,
            store=catalog.load("params:feature_store"),
            features=parse(FeatureParameters, parameters["features"], "features"),
            metrics=(),
            recipes=parameters["recipes"],
            few_shot_set=replace(few_shot_set, val=()),  # they are scored in place of test images
            method=self.method,
        )
        accuracy = scores["base"]["accuracy"]
        tried = ", ".join(f"{key}={value}" for key, value in settings.items())
        click.echo(f"trial {trial.number + 1}: {accuracy:.2f} % with {tried}", err=True)
        return accuracy

    def _trial_params(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        clip = self.cell.parameters.clip
        trial = {
            "methods": self.method,
            "recipes": {self.method: nested(settings)},
            "clip": {"name": f"{clip.name}{TRIAL}", "source": clip.source},
            "tracking": {"enabled": False},
        }
        return overlay(self.params, trial)


def read_space(file: Path) -> Space:
    """Read the values to try.

    Raises:
        ConfigError: the file holds something else.
    """
    return parse(Space, read_yaml(file, "--space"), f"--space {file.name}")


def _suggest(trial: optuna.Trial, key: str, values: _Values) -> Any:
    try:
        if not isinstance(values, Range):
            return trial.suggest_categorical(key, list(values))
        whole = isinstance(values.low, int) and isinstance(values.high, int)
        suggest = trial.suggest_int if whole else trial.suggest_float
        return suggest(key, values.low, values.high, log=values.log)
    except ValueError:  # of Optuna: the study has another distribution
        raise ConfigError(
            f"--study: {trial.study.study_name!r} has tried {key} among other values: give the "
            "study another name, or none, which names it by what is tried"
        ) from None
