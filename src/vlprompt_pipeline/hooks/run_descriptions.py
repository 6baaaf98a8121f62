"""What a run is called in MLflow, and the parameters and tags it is searched by.

MLflow's list of runs shows some 16 characters of a name, so a name begins with what tells runs of
a sweep apart: method, shots (`k16`) and seed (`s1`), then dataset and protocol.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import Any

from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.filesystem.manifests import described_as
from vlprompt_pipeline.filesystem.places import is_url
from vlprompt_pipeline.registry.place import database_of

SWEEP_RUN = "VLPROMPT_SWEEP_RUN"
"""Variable of the environment: the run in MLflow of the sweep that a cell is part of."""
_KEY_LENGTH = 32  # characters
# Parameters by which a run is found; they stand on it as tags, too.
_FOUND_BY = ("dataset", "protocol", "shots", "seed")
# Parameter sections of pipelines that are about no cell.
_SECTIONS = {"promote": "registry", "register": "registry"}
_OF_A_CELL = {"promote", "register", "verify", "analysis"}


@dataclass(frozen=True)
class Description:
    """Name, parameters and tags by which a run is shown and searched for.

    Attributes:
        name: of the run.
        parameters: nested mappings are logged with keys joined by dots.
        tags: beside those of every run.
    """

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunDescriptions:
    """Describe the runs of one command.

    Attributes:
        parameters: of the run, all of them.
        project: its folder.
        uri: of MLflow.
    """

    parameters: Mapping[str, Any]
    project: Path
    uri: str

    def cell(self) -> dict[str, Any]:
        """Return the parameters by which every run of this cell is found."""
        from vlprompt_pipeline.run_parameters import parse_run_parameters

        parameters = parse_run_parameters(self.parameters)
        found_by = {name: getattr(parameters, name) for name in _FOUND_BY}
        return {**found_by, "dataset": parameters.benchmark}

    def cell_key(self) -> str:
        """Return the key of the run of this cell with these settings.

        Several projects may record at one server: there the project's folder is part of it.
        """
        database = database_of(self.uri)
        at_home = database is not None and database.parent == self.project.resolve()
        project = "" if at_home else str(self.project.resolve())
        return sha256_json([project, self.cell(), self._settings()])[:_KEY_LENGTH]

    def of_cell(self, pipelines: list[str]) -> Description:
        """Describe the run of a cell, below which its methods have theirs."""
        cell = self.cell()
        tags = {**_as_tags(cell), **origin_tags(), "kedro.pipelines": ", ".join(pipelines)}
        if sweep := os.environ.get(SWEEP_RUN):
            tags["mlflow.parentRunId"] = sweep
        tags |= self._warning()
        return Description(self._name(), {**cell, **self._settings()}, tags)

    def of_method(self, method: str) -> Description:
        """Describe the run of a method, which has its metrics."""
        from vlprompt_pipeline.methods.recipe import resolve_recipe

        cell = {**self.cell(), "method": method}
        recipe = resolve_recipe(method, self.parameters["recipes"])
        settings = recipe.model_dump(mode="json", exclude_none=True, exclude={"title"})
        settings["recipe.method"] = settings.pop("method")  # `method` is the recipe's own name
        clip = {"clip": self.parameters["clip"]}
        tags = {**_as_tags(cell), **origin_tags(), "clip": self.parameters["clip"]["name"]}
        tags |= self._warning()
        name = f"{method} {self._name()}"
        return Description(name, {**cell, **clip, **settings}, {**tags, "title": recipe.title})

    def of_other(self, pipelines: list[str]) -> Description:
        """Describe a run that is about no cell: a check, a prediction, a report over everything."""
        sections = {_SECTIONS.get(name, name) for name in pipelines}
        logged = {name: self.parameters[name] for name in sections if name in self.parameters}
        tags = {**origin_tags(), "kedro.pipelines": ", ".join(pipelines)}
        name = ", ".join(pipelines)
        if "prediction" in pipelines:
            model = str(self.parameters["prediction"]["model"])
            name = f"{model}, prediction"
            tags |= _of_model(model)
            logged |= _of_model(model)
        elif _OF_A_CELL & {*pipelines}:
            logged |= self.cell()
            tags |= _as_tags(self.cell())
            name = f"{name} {self._name()}"
        return Description(name, logged, tags)

    def made_from(self, catalog: Any, method: str) -> str:
        """Hash all that the results of a method depend on beside the cell's parameters."""
        from vlprompt_pipeline.methods import resolve_recipe
        from vlprompt_pipeline.source_code import code_digest

        record = f"{method}.reproducibility"
        hashes = catalog.load(record)["hashes"] if catalog.exists(record) else None
        recipe = resolve_recipe(method, self.parameters["recipes"])
        images = described_as(Path(catalog.get("image_index").filepath))  # by content
        trained_by = catalog.load(f"{method}.prompt").provenance.get("code", "")
        evaluated_by = code_digest("results", *recipe.code)
        return sha256_json([method, hashes, images, trained_by, evaluated_by])[:_KEY_LENGTH]

    def inputs(self, catalog: Any, method: str) -> list[tuple[str, str, str, str]]:
        """Return the dataset and the few-shot set that a method's prompt was trained on.

        Each is its name, digest, folder and use.
        """
        if not catalog.exists(f"{method}.reproducibility"):
            return []
        hashes = catalog.load(f"{method}.reproducibility")["hashes"]
        cell = self.cell()
        dataset = cell["dataset"]
        few_shot = "{dataset}, {shots} shots, seed {seed}".format(**cell)
        root = self.parameters["dataset_root"]
        folder = f"{root.rstrip('/')}/{dataset}" if is_url(root) else str(Path(root, dataset))
        return [
            (dataset, hashes["split"], folder, "evaluation"),
            (few_shot, hashes["few_shot"], folder, "training"),
        ]

    def _warning(self) -> dict[str, str]:
        """Return what the run notes about all of its results, as a tag and on the run's page."""
        text = " ".join(self.parameters["remarks"])
        return {"warning": text, "mlflow.note.content": text} if text else {}

    def _name(self) -> str:
        return "k{shots} s{seed} {dataset} {protocol}".format(**self.cell())

    def _settings(self) -> dict[str, Any]:
        """Return the other parameters that the results depend on, without recipes."""
        from vlprompt_pipeline.reproducibility.record import deciding_parameters

        values, shown = deciding_parameters(self.parameters), {*_FOUND_BY, "dataset_prefix"}
        return {name: value for name, value in values.items() if name not in shown}


def origin_tags() -> dict[str, str]:
    """Return who ran what, under the names that MLflow gives these tags."""
    tags = {"mlflow.source.name": "kedro run"}
    with suppress(KeyError, OSError):  # a container's user may have no name
        tags["mlflow.user"] = getuser()
    from vlprompt_pipeline.reproducibility.environment import code_state  # imports torch

    if commit := code_state(Path(__file__).parents[1]).commit:
        tags["mlflow.source.git.commit"] = commit
    return tags


def _of_model(model: str) -> dict[str, str]:
    """Return dataset and method of a model `<dataset>.<method>@<alias>` or `…/<version>`."""
    dataset, _, method = model.partition("@")[0].partition("/")[0].rpartition(".")
    return {"dataset": dataset, "method": method} if dataset else {}


def _as_tags(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
