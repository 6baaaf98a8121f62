"""`kedro sweep` as a user gives it: in a process of its own, in a project of a few pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.killed_sweeps import PARAMS
from pipelines.project import QUICK, Project, merged

TESTS = Path(__file__).resolve().parents[1]
_EXTENSION = f"""
import sys

sys.path.append({str(TESTS)!r})
from pipelines.project import DATASET, miniature
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

IMAGE_DATASETS[DATASET] = miniature()
"""
_CELL = re.compile(r"^cell [\d,]+ of [\d,]+: (?P<name>.+): [\d.]+ s", re.MULTILINE)


def small_project(root: Path, epochs: int = 3, params: Mapping[str, str] | None = None) -> Project:
    """A project of a few pictures, with a grid file whose parameters make cells quick."""
    project = Project.create(root)
    training = {"recipes": {"coop": {"training": {"epochs": epochs}}}}
    values = {
        **merged(merged(QUICK, PARAMS), training),
        "extensions": ["small_dataset"],
        **(params or {}),
    }
    (root / "src/small_dataset.py").write_text(_EXTENSION)
    (root / "grid.yml").write_text(yaml.safe_dump({"params": values}))
    return project


def variables() -> dict[str, str]:
    """The environment, without the Ray and the MLflow of others."""
    left_out = {"RAY_ADDRESS", "MLFLOW_TRACKING_URI"}
    own = {key: text for key, text in os.environ.items() if key not in left_out}
    return own | {"OMP_NUM_THREADS": "1"}


@dataclass
class Command:
    """A command that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def sweep(
        cls,
        project: Project,
        seeds: Sequence[int],
        *options: str,
        name: str,
        within: Sequence[str] = (),
        given: Mapping[str, str] | None = None,
    ) -> Command:
        """Start `kedro sweep` over seeds, as a terminal would.

        Args:
            project: in which.
            seeds: of the cells.
            options: of the command.
            name: of the file with what it says.
            within: a command that runs this one.
            given: variables of its environment.
        """
        log = project.root / f"{name}.txt"
        command = [*within, sys.executable, "-m", "kedro", "sweep", "--grid=grid.yml", *options]
        command.append(f"--seeds={','.join(map(str, seeds))}")
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=project.root,
                env=variables() | (given or {}),
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return cls(process, log)

    @property
    def words(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace")

    @property
    def cells(self) -> list[str]:
        """Names of the cells that it has run."""
        return [found["name"] for found in _CELL.finditer(self.words)]

    def wait_for(self, text: str, seconds: float = 240) -> None:
        """Return when it has said so."""
        end = time.monotonic() + seconds
        while text not in self.words:
            assert self.process.poll() is None, f"it ended before:\n{self.words}"
            assert time.monotonic() < end, f"not said in {seconds} s: {text}\n{self.words}"
            time.sleep(0.05)

    def require_well_ended(self, seconds: float = 240) -> None:
        """It ends, and well."""
        code = self.process.wait(seconds)
        assert code == 0, f"a sweep ended with {code}:\n{self.words}"
