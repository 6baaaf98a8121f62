"""Check what is stored before the cell is run again, and compare the results after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.pipelines.inputs import in_two
from vlprompt_pipeline.reproducibility.comparison import (
    MethodComparison,
    Outputs,
    Verification,
    compare_method,
)
from vlprompt_pipeline.reproducibility.environment import environment
from vlprompt_pipeline.reproducibility.record import Record, result_parameters
from vlprompt_pipeline.reproducibility.stored import require_unchanged


def check_stored(
    fresh: Path,
    project: Path,
    clip: FrozenClip,
    parameters: dict[str, Any],
    *stored: Any,
    folders: int,
) -> list[Path]:
    """Refuse a cell that cannot be made again; return empty folders for its new results.

    Args:
        fresh: an empty folder, in which the others are made.
        project: the project's folder.
        clip: the frozen CLIP.
        parameters: of the run.
        stored: the records of all methods, then their prompts.
        folders: number of folders that the cell fills.

    Raises:
        UserError: nothing is stored, it was changed, or the recipe or the CLIP differs now.
    """
    if not stored:
        raise UserError(
            "nothing is finished for dataset {dataset}, {protocol}, shots {shots}, seed {seed}: "
            "run it first, or name a cell that is".format(**parameters)
        )
    records, prompts = in_two(stored)
    data = DataFolder.of(parameters["data_root"], project)
    for record, prompt in zip(records, prompts, strict=True):
        require_unchanged(Record.read(record), prompt, clip, parameters["recipes"], data)
    made = [fresh / str(number) for number in range(folders)]
    for folder in made:
        folder.mkdir()
    return made


def compare_with_stored(
    record: dict[str, Any],
    parameters: dict[str, Any],
    prompt: TrainedPrompt,
    packed: bytes,
    prompt_again: TrainedPrompt,
    packed_again: bytes,
    *scored: Any,
    targets: tuple[str, ...],
) -> MethodComparison:
    """Compare a method as stored with the method as made again.

    `scored` are the stored predictions on the dataset and each of `targets`, their metrics, and
    then the new predictions and metrics in the same order.
    """
    datasets = (parameters["dataset"], *targets)
    then, now = in_two(scored)
    return compare_method(
        Record.read(record),
        _outputs(prompt, packed, then, datasets),
        _outputs(prompt_again, packed_again, now, datasets),
        result_parameters(parameters),
        environment(),
    )


def summarise(
    parameters: dict[str, Any], *compared: MethodComparison
) -> tuple[dict[str, Any], str]:
    """Summarise the verification of all methods, as data and as text."""
    cell = {key: parameters[key] for key in ("dataset", "protocol", "shots", "seed")}
    cell["dataset"] = f"{parameters['dataset_prefix']}{parameters['dataset']}"
    verification = Verification(
        cell={**cell, "clip": parameters["clip"]["name"]},
        methods=compared,
        environment=environment(),
    )
    return verification.model_dump(mode="json"), verification.text()


def require_same(verification: dict[str, Any], text: str) -> None:
    """Let the run fail if the cell did not give the same results again.

    Raises:
        UserError: with the whole text.
    """
    if not verification["same"]:
        raise UserError(text)


def _outputs(
    prompt: TrainedPrompt, packed: bytes, scored: Sequence[Any], datasets: Sequence[str]
) -> Outputs:
    predictions, metrics = (dict(zip(datasets, half, strict=True)) for half in in_two(scored))
    return Outputs(prompt, packed, predictions, metrics)
