"""From cells to jobs: what each cell is made from, whether it is finished, what cells share."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.methods import Situation, recipes_in, resolve_recipe
from vlprompt_pipeline.protocol_runs import configured_values
from vlprompt_pipeline.registry.place import recording_place
from vlprompt_pipeline.reproducibility.completion import (
    Completion,
    cell_folder,
    completion_file,
    completion_key,
)
from vlprompt_pipeline.run_parameters import RunParameters, parse_run_parameters
from vlprompt_pipeline.sweep.grid import GridCell
from vlprompt_pipeline.sweep.job import Job
from vlprompt_pipeline.wording import command_parameters, program, shots_text


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its parameters.

    Attributes:
        coordinates: as given by the grid.
        values: all parameters of its run.
        parameters: the same, checked.
        recipes: all recipes, as they are in its situation.
        project: folder of the project.
        given: parameters of the command line for all cells.
        env: Kedro's environment of the command line.
    """

    coordinates: GridCell
    values: Mapping[str, Any]
    parameters: RunParameters
    recipes: Mapping[str, Any]
    project: Path
    given: Mapping[str, Any] = field(repr=False)
    env: str | None = None

    @classmethod
    def of_run(cls, values: Mapping[str, Any], project: Path) -> PlannedCell:
        """Return the cell of a run, from its parameters in the catalog."""
        parameters = parse_run_parameters(values)
        return cls({}, values, parameters, values["recipes"], project, values["given"])

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Names of its recipes."""
        return self.parameters.selected_methods()

    @cached_property
    def folder(self) -> str:
        """The cell's part of the paths in the catalog."""
        return cell_folder(self.parameters)

    @cached_property
    def data(self) -> DataFolder:
        """Where its files are."""
        return DataFolder.of(self.parameters.data_root, self.project)

    @property
    def params(self) -> dict[str, Any]:
        """Runtime parameters of a session that runs it."""
        return {**self.given, **self.coordinates}

    @property
    def shared_features(self) -> str:
        """Name of the shared job that it waits for."""
        return f"features of {', '.join(self.parameters.datasets())}"

    @property
    def name(self) -> str:
        """The cell in words."""
        run = self.parameters
        where = f"{run.benchmark}, {shots_text(run.shots)}, seed {run.seed}, {run.protocol}"
        return f"{' + '.join(self.methods)}, {where}"

    def beside(self, side_by_side: SideBySideParameters) -> PlannedCell:
        """Return the same cell, trained side by side with others."""
        together = {"side_by_side": side_by_side.model_dump(mode="json")}
        parameters = self.parameters.model_copy(update={"side_by_side": side_by_side})
        coordinates, values = {**self.coordinates, **together}, {**self.values, **together}
        return replace(self, coordinates=coordinates, values=values, parameters=parameters)

    @property
    def command(self) -> str:
        """The command that runs this cell alone."""
        run = self.parameters
        parts = [program(self.project, "kedro"), "sweep", f"--protocols={run.protocol}"]
        parts += [f"--datasets={run.dataset}", f"--shots={run.shots}", f"--seeds={run.seed}"]
        if "methods" in self.coordinates:
            parts.append(f"--methods={self.coordinates['methods']}")
        given = {k: v for k, v in self.given.items() if k not in {"protocol", *self.coordinates}}
        given |= {k: v for k, v in self.coordinates.items() if k == "side_by_side"}
        if given:
            parts.append(f"--params={command_parameters(given)}")
        return shlex.join([*parts, *([f"--env={self.env}"] if self.env else [])])

    def why_due(self) -> str:
        """Say why the cell is not finished; empty if it is."""
        for method in self.methods:
            completion = self._completion(method)
            if completion is None:
                return "not run yet"
            key = completion_key(self.values, self.recipes, method, self.project)
            if why := completion.why_due(key, self.data):
                return f"{method}: {why}"
        return ""

    def is_recorded(self) -> bool:
        """Say whether the MLflow of this command has every method of a finished cell."""
        tracking = self.parameters.tracking
        if not tracking.enabled:
            return True
        place = recording_place(tracking.uri, tracking.experiment, self.project)
        completions = [self._completion(method) for method in self.methods]
        return all(done is not None and done.recorded == place for done in completions)

    def finished_beside(self) -> SideBySideParameters | None:
        """Return the group that a finished cell was trained in; None if alone, or if it is due."""
        completion = self._completion(self.methods[0])
        if completion is None or completion.side_by_side == SideBySideParameters():
            return None
        return None if self.beside(completion.side_by_side).why_due() else completion.side_by_side

    def job(self, **options: Any) -> Job:
        """Return the job that runs the cell."""
        run = self.parameters
        shared = [run.clip.name, run.benchmark, run.shots]
        if not run.side_by_side.seeds:
            shared.append(run.seed)
        training = {name: resolve_recipe(name, self.recipes).training for name in self.methods}
        return Job(
            self.name,
            str(self.project),
            self.params,
            group=" ".join(map(str, shared)),
            trained={name: settings.memory_gb for name, settings in training.items() if settings},
            env=self.env,
            **options,
        )

    def _completion(self, method: str) -> Completion | None:
        return Completion.read(completion_file(self.data, self.folder, method))


def plan(
    cells: Sequence[GridCell], project: Path, env: str | None, given: Mapping[str, Any]
) -> list[PlannedCell]:
    """Plan cells; without `env` in that of KEDRO_ENV, which workers elsewhere need not have.

    Raises:
        ConfigError: wrong parameters.
    """
    env = env or os.environ.get("KEDRO_ENV")
    base = configured_values(project, None, env, given)
    planned = []
    for cell in cells:
        values = {**base, **cell}
        parameters = parse_run_parameters(values)
        situation = Situation(parameters.protocol, parameters.dataset, parameters.shots)
        recipes = recipes_in(situation, parameters.recipes, last=given.get("recipes", {}))
        planned.append(PlannedCell(cell, values, parameters, recipes, project, given, env))
    return planned


def shared_jobs(planned: Sequence[PlannedCell]) -> list[Job]:
    """Return the jobs that make what several cells need: two for a dataset and its targets.

    The first indexes the images, which decide whether cells are finished. The second computes the
    test features that methods, shots and seeds share; it needs the CLIP. Features of a few-shot set
    are made by the first cell that needs them, and the others wait for it. If such a job fails, its
    cells report their own reasons, since not all of them need fail.
    """
    fewest: dict[str, PlannedCell] = {}
    for cell in planned:
        other = fewest.setdefault(cell.shared_features, cell)
        if cell.parameters.shots < other.parameters.shots:
            fewest[cell.shared_features] = cell
    users = Counter(dataset for cell in fewest.values() for dataset in cell.parameters.datasets())
    jobs = []
    for features, cell in fewest.items():
        datasets = cell.parameters.datasets()
        # one after the other where a dataset is in several: two would write its files
        alone = all(users[dataset] == 1 for dataset in datasets)
        group = ", ".join(datasets) if alone else "what cells share"
        images = f"images of {', '.join(datasets)}"
        jobs.append(_shared_job(cell, images, "index", group))
        jobs.append(_shared_job(cell, features, "features", group, after=images))
    return jobs


def _shared_job(cell: PlannedCell, name: str, made: str, group: str, after: str = "") -> Job:
    of_dataset = {"index": "image_index", "features": "test_features"}[made]
    return Job(
        name,
        str(cell.project),
        cell.params,
        group=f"{made}: {group}",
        kind="shared",
        after=after,
        outputs=(of_dataset, *(f"{target}.target_{made}" for target in cell.parameters.targets())),
        env=cell.env,
    )
