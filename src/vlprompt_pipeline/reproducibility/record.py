"""The reproducibility record of a method in a cell: which run made which file, where, at what cost.

It stands beside the results and not in them: the same seed gives the same results byte for byte,
never the same seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parsing import Frozen, parse
from vlprompt_pipeline.protocols import get_protocol
from vlprompt_pipeline.reproducibility.environment import Environment, environment
from vlprompt_pipeline.run_parameters import parse_run_parameters

HOW_IMAGES_ARE_READ = ("batch_size", "shard_size", "workers")
"""Settings of `features` that change no result."""
SCHEMA_VERSION = 1
# Parameters of a run that its results may depend on; the recipe is in the prompt itself.
_RESULT_PARAMETERS = (
    "dataset",
    "dataset_prefix",
    "dataset_root",
    "split",
    "own_data",
    "protocol",
    "shots",
    "short_classes",
    "seed",
    "device",
    "threads",
    "precision",
    "clip",
    "features",
    "export",
    "side_by_side",
)


class Hashes(Frozen):
    """SHA-256 of what a trained prompt was made from.

    `few_shot` is that of the training part; `recipe` that of the resolved recipe as JSON with
    sorted keys; `clip` that of weights, configuration, preprocessing and tokenizer, empty in
    records that know the weights alone.
    """

    weights: str
    split: str
    few_shot: str
    recipe: str
    clip: str = ""

    @classmethod
    def of(cls, prompt: TrainedPrompt) -> Hashes:
        """Return the hashes that the prompt carries."""
        return cls(
            weights=prompt.weights_sha256,
            split=prompt.provenance["split_sha256"],
            few_shot=prompt.provenance["few_shot_sha256"],
            recipe=sha256_json(prompt.recipe),
            clip=prompt.clip_identity.digest,
        )


class Run(Frozen):
    """A `kedro run` that made a file of the cell.

    Attributes:
        started, ended: in UTC.
        seconds: on the clock on the wall, from before the first node to after the last.
        nodes: seconds of each node of the method or of all methods, none if not measured.
        cpu_seconds, peak_memory_bytes: see `Clock.stop`.
        not_measured: what is missing here and why, a sentence each.
        parameters: those of the run, without recipes.
    """

    started: datetime
    ended: datetime
    pipelines: tuple[str, ...]
    runner: str
    seconds: NonNegativeFloat
    nodes: dict[str, NonNegativeFloat] | None
    cpu_seconds: NonNegativeFloat
    peak_memory_bytes: NonNegativeInt
    not_measured: tuple[str, ...] = ()
    parameters: dict[str, Any]
    environment: Environment

    @classmethod
    def of(
        cls,
        cost: Mapping[str, Any],
        *,
        pipelines: Sequence[str],
        runner: str,
        nodes: Mapping[str, float],
        found_trained: bool,
        parameters: Mapping[str, Any],
    ) -> Run:
        """Describe a run in this process.

        Args:
            cost: what `Clock.stop` gave.
            pipelines: their names.
            runner: name of Kedro's runner.
            nodes: seconds of nodes; none where they were not measured.
            found_trained: the method was trained before the run.
            parameters: all of the run's.
        """
        return cls(
            **cost,
            pipelines=tuple(pipelines),
            runner=runner,
            nodes=dict(nodes) or None,
            not_measured=_not_measured(nodes, found_trained),
            parameters=result_parameters(parameters),
            environment=environment(),
        )


class MadeFile(Frozen):
    """A file by its path in the project, its hash, and which of the runs made it."""

    path: str
    sha256: str
    run: NonNegativeInt = 0


class Record(Frozen):
    """How the files of a method in a cell were made; `files` are named as in the catalog."""

    schema_version: Literal[1] = SCHEMA_VERSION
    method: str
    seed: int
    hashes: Hashes
    files: dict[str, MadeFile] = Field(min_length=1)
    runs: tuple[Run, ...] = Field(min_length=1)

    @classmethod
    def of(
        cls, method: str, prompt: TrainedPrompt, files: Mapping[str, MadeFile], run: Run
    ) -> Record:
        """Make the record of files that one run left."""
        seed = prompt.provenance["seed"]
        return cls(method=method, seed=seed, hashes=Hashes.of(prompt), files=files, runs=(run,))

    @classmethod
    def read(cls, values: Any) -> Record:
        """Read the record from plain values.

        Raises:
            ConfigError: they are none.
        """
        return parse(cls, values, "reproducibility record")


def result_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that results may depend on, the section of the protocol included."""
    checked = parse_run_parameters(parameters)
    return checked.model_dump(mode="json", include={*_RESULT_PARAMETERS, checked.protocol})


def deciding_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same but for what changes no result: where photos lie, how they are read."""
    values = as_run(result_parameters(parameters))
    del values["dataset_root"]
    features = values["features"].items()
    return {**values, "features": {k: v for k, v in features if k not in HOW_IMAGES_ARE_READ}}


def as_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the protocol's default dataset and shots; those of the run stand beside them."""
    protocol = values["protocol"]
    unless_said = get_protocol(protocol).parameters.unless_said
    section = {k: v for k, v in values[protocol].items() if k not in unless_said}
    return {**values, protocol: section}


def updated(earlier: Record | None, latest: Record) -> Record:
    """Return the record after a run that left the files of `latest`.

    An unchanged file keeps the run that made it first, so that a prompt is not attributed to a run
    that only read it. Runs none of whose files are left are removed.
    """
    if earlier is None:
        return latest
    unchanged = {
        name: file
        for name, file in earlier.files.items()
        if name not in latest.files or file.sha256 == latest.files[name].sha256
    }
    shifted = {
        name: file.model_copy(update={"run": file.run + len(earlier.runs)})
        for name, file in latest.files.items()
        if name not in unchanged
    }
    return _without_unused(latest, {**unchanged, **shifted}, (*earlier.runs, *latest.runs))


def _without_unused(latest: Record, files: dict[str, MadeFile], runs: tuple[Run, ...]) -> Record:
    used = sorted({file.run for file in files.values()})
    renumbered = {
        name: file.model_copy(update={"run": used.index(file.run)}) for name, file in files.items()
    }
    kept = {"files": dict(sorted(renumbered.items())), "runs": tuple(runs[n] for n in used)}
    return latest.model_copy(update=kept)


def _not_measured(nodes: Mapping[str, float], found_trained: bool) -> tuple[str, ...]:
    lacking = ["energy: torch tells the power of a GPU at a moment, and nothing of the processor"]
    if not nodes:
        lacking.append("seconds of nodes: worker processes report none")
    if found_trained:
        lacking.append("training: an earlier run did it, cut short or of a prompt side by side")
    return tuple(lacking)
