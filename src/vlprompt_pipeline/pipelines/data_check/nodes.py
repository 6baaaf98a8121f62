"""Compare every registered dataset with what is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlprompt_pipeline.config import DataCheckParameters
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets import is_named_dataset, list_image_datasets, survey_dataset
from vlprompt_pipeline.image_datasets.in_place import require_folder
from vlprompt_pipeline.pipelines.data_check.terminal import render_surveys
from vlprompt_pipeline.progress import bar


def check_all_datasets(
    dataset: str,
    prefix: str,
    dataset_root: Path,
    cache: Path,
    shots: int,
    seed: int,
    workers: int,
    data_check: DataCheckParameters,
) -> tuple[dict[str, Any], str]:
    """Compare each dataset under `dataset_root` with what it should be; say what to do.

    Only images that are not in the cache are decoded; runs fill the cache, too. With
    `data_check.contents`, all are read again and compared with it.

    Returns:
        The report, and its table for a terminal.
    """
    require_folder(dataset_root, "data_check")
    root = at_home(dataset_root).resolve()
    datasets, contents = list_image_datasets(prefix), data_check.contents
    surveys = []
    with bar("datasets", len(datasets)) as advance:
        for checked in datasets:
            survey = survey_dataset(checked, root, shots, seed, cache, workers, contents=contents)
            surveys.append(survey)
            advance(1)
    report = {
        "dataset_root": str(root),
        "shots": shots,
        "seed": seed,
        "datasets": [survey.to_dict() for survey in surveys],
    }
    text = render_surveys(surveys, root, shots, seed)
    if not is_named_dataset(f"{prefix}{dataset}"):
        text += (
            f"{dataset}: photos of your own have no official split to be held against; "
            "--pipelines=data_preparation with the same --params checks the files\n"
        )
    return report, text
