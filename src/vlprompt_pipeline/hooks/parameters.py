"""Check all parameters before any node runs."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl
from omegaconf import OmegaConf
from yaml import YAMLError

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.filesystem.data_folder import on_disk
from vlprompt_pipeline.filesystem.objects import require_place
from vlprompt_pipeline.filesystem.places import bring, is_url
from vlprompt_pipeline.hooks.same_texts import Scored, methods_to_score
from vlprompt_pipeline.selection import select, selection_of

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from vlprompt_pipeline.run_parameters import RunParameters

logger = logging.getLogger(__name__)


class ParameterHook:
    """Refuse unknown keys and wrong values in one sentence, and select the methods to run.

    From here on the parameters have their recipes as they are for this protocol, dataset and shots.
    """

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: Any) -> None:
        """Check everything under conf and `--params`."""
        # imported here: `kedro --version` and its like need neither pydantic nor torch
        from vlprompt_pipeline.analysis.config import AnalysisParameters
        from vlprompt_pipeline.demo.config import PretrainingConfig
        from vlprompt_pipeline.evaluation.metrics import require_metrics
        from vlprompt_pipeline.methods import Situation, recipes_in, resolve_recipe
        from vlprompt_pipeline.parsing import parse
        from vlprompt_pipeline.registry.config import PredictionParameters, RegistryParameters
        from vlprompt_pipeline.results.config import BenchmarkReportParameters
        from vlprompt_pipeline.results.published import doubt_of_weights
        from vlprompt_pipeline.run_parameters import parse_run_parameters
        from vlprompt_pipeline.shipping.config import OnnxParameters

        try:
            values = context.config_loader["parameters"]
            parameters = parse_run_parameters(values)
            situation = Situation(parameters.protocol, parameters.dataset, parameters.shots)
            overrides = (context.config_loader.runtime_params or {}).get("recipes", {})
            recipes = recipes_in(situation, parameters.recipes, last=overrides)
            parse(PretrainingConfig, parameters.demo_pretraining, "demo_pretraining")
            parse(AnalysisParameters, parameters.analysis, "analysis")
            parse(BenchmarkReportParameters, parameters.benchmark_report, "benchmark_report")
            parse(RegistryParameters, parameters.registry, "registry")
            parse(PredictionParameters, parameters.prediction, "prediction")
            parse(OnnxParameters, parameters.onnx, "onnx")
            require_metrics(parameters.metrics)
            _require_one_place(values, context.config_loader)
            project = Path(context.project_path)
            for location in (parameters.data_root, parameters.dataset_root):
                if is_url(location):
                    require_place(location)
            selection = selection_of(parameters)
            for dataset in (parameters.dataset, *selection.targets[parameters.protocol]):
                _require_dataset(parameters, dataset, project)
            for method in selection.methods:
                resolve_recipe(method, recipes)
            scored = self._methods_to_score(parameters, recipes, selection.methods, project)
            doubt = doubt_of_weights(parameters.clip.name, parameters.clip.source)
        except (UserError, YAMLError) as error:
            raise click.ClickException(str(error)) from None
        remarks = [*scored.remarks, *filter(None, [doubt])]
        context.config_loader["parameters"] = {
            **parameters.model_dump(mode="json"),  # each as it was read, or as by default
            "recipes": recipes,
            "given": _plain(context.config_loader.runtime_params),
            "benchmark_report": _with_env(parameters.benchmark_report, context.env),
            "methods": list(scored.methods),
            "metrics": list(parameters.metrics),
            "remarks": remarks,
        }
        for remark in remarks:
            logger.warning(remark)
        selection = selection._replace(methods=scored.methods)
        self._protocol = parameters.protocol
        select(selection._replace(verified=_verified(context, selection.methods)))

    def _methods_to_score(
        self,
        parameters: RunParameters,
        recipes: Mapping[str, Any],
        methods: Sequence[str],
        project: Path,
    ) -> Scored:
        """Leave methods out; that none is left is told where a pipeline needs the CLIP."""
        self._none_to_score = ""
        try:
            return methods_to_score(parameters, recipes, methods, project)
        except ConfigError as error:
            self._none_to_score = str(error)
            return Scored(tuple(methods))

    @hook_impl(wrapper=True, tryfirst=True)  # around the locks
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> Generator[None, Any, Any]:
        """Refuse another protocol than in the paths, lost exports and a CLIP not to be had.

        The CLIP is looked at here since all images are checked before a node loads it. Worker
        processes could not use a GPU that this one has asked for, so they look for theirs.
        """
        from vlprompt_pipeline.protocol_runs import require_protocol

        try:
            require_protocol(run_params["pipeline_names"] or [], self._protocol)
            if run_params.get("only_missing_outputs"):
                raise ConfigError(
                    "--only-missing-outputs takes files of other parameters for those of this run: "
                    "leave it out; features and trained prompts that fit are not made again"
                )
            _require_entries(pipeline, catalog)
            if "clip" in pipeline.inputs():
                if self._none_to_score:
                    raise ConfigError(self._none_to_score)
                catalog.get("clip").check(device="ParallelRunner" not in str(run_params["runner"]))
        except UserError as error:
            raise click.ClickException(str(error)) from None
        return (yield)


def _require_entries(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Check that every export format has an entry: without one Kedro would keep it in memory.

    Raises:
        ConfigError: naming the format.
    """
    from vlprompt_pipeline.export import EXPORT_FORMATS

    for name in sorted(pipeline.all_outputs()):
        export_format = name.rpartition(".")[2]
        if "." in name and export_format in EXPORT_FORMATS and name not in catalog:
            raise ConfigError(
                f"export format {export_format} has no entry in the catalog: say where it goes "
                f'under "{{method}}.{export_format}" in conf/base/catalog_prompts.yml, as the '
                "formats there do"
            )


def _with_env(benchmark_report: Mapping[str, Any], env: str | None) -> dict[str, Any]:
    """Let the command for a missing cell name the environment of this run."""
    given = "" if env in (None, "local") else f" --env={env}"
    return {**benchmark_report, "sweep": benchmark_report["sweep"] + given}


def _plain(given: Any) -> dict[str, Any]:
    """Return the parameters of the command line as dictionaries and lists."""
    return OmegaConf.to_container(OmegaConf.create(given or {}), resolve=True)


def _verified(context: Any, methods: tuple[str, ...]) -> tuple[str, ...]:
    """List the methods of `--params`, or else all that have left a record in the cell."""
    loader = context.config_loader
    if "methods" in (loader.runtime_params or {}):
        return methods
    entry = loader["catalog_reproducibility"]["{method}.reproducibility"]
    file = on_disk(entry["filepath"], Path(context.project_path))
    cell = file.parents[1]
    bring(cell, file.name)
    return tuple(sorted(path.parent.name for path in cell.glob(f"*/{file.name}")))


def _require_dataset(parameters: RunParameters, dataset: str, project: Path) -> None:
    """Require a known dataset, or own photos below the dataset root; read no images."""
    from vlprompt_pipeline.image_datasets import (
        get_image_dataset,
        is_named_dataset,
        require_dataset_name,
        require_splittable,
    )
    from vlprompt_pipeline.image_datasets.in_place import bring_photos

    name = f"{parameters.dataset_prefix}{dataset}"
    root = on_disk(parameters.dataset_root, project)
    if not is_named_dataset(name):
        bring_photos(name, root, parameters.own_data.class_names)  # their names tell the classes
    require_dataset_name(name, root)
    if parameters.split == "random" and is_named_dataset(name):
        require_splittable(get_image_dataset(name))


def _require_one_place(values: Mapping[str, Any], loader: Any) -> None:
    """Require that nothing overrides globals.yml, which the paths of the catalog follow.

    Raises:
        ConfigError: a parameter file overrides what globals.yml says, or that has an unknown key.
    """
    from vlprompt_pipeline.parsing import unknown
    from vlprompt_pipeline.reproducibility.differences import flatten

    computed, in_globals = flatten(values), loader["globals"]
    in_paths = OmegaConf.merge(in_globals, loader.runtime_params or {})
    keys = flatten(in_globals)
    for key in keys:
        if key not in computed:
            allowed = [each for each in keys if each in computed]
            raise ConfigError(unknown("globals.yml", "key", key, allowed))
        value, in_path = computed[key], OmegaConf.select(in_paths, key)
        if value != in_path:
            raise ConfigError(
                f"parameters.{key} is {value!r}, but the paths of the catalog are made with "
                f"{in_path!r}: set {key} in globals.yml or with --params, not in a parameters file"
            )
