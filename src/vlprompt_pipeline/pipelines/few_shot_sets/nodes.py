"""All few-shot sets of the protocols, from the splits alone: images need not be there."""

from __future__ import annotations

import logging
from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets import (
    FewShotSet,
    Split,
    list_image_datasets,
    sample_from_split,
    verify_split,
)
from vlprompt_pipeline.image_datasets.in_place import require_folder

SHOTS, SEEDS = (1, 2, 4, 8, 16), (1, 2, 3)
"""Of the published protocols."""

logger = logging.getLogger(__name__)


def draw_all_few_shot_sets(prefix: str, dataset_root: Path) -> dict[str, FewShotSet]:
    """Draw the sets of every dataset whose official split can be read under `dataset_root`.

    Other datasets are logged and left out, and so are numbers of shots that a class does not have.

    Returns:
        Sets by `<dataset>/shots<K>/seed<S>/few_shot_set`, with paths relative to the folder of the
        dataset's images and the split's hash.

    Raises:
        DataError: there is no split at all.
    """
    require_folder(dataset_root, "few_shot_sets")
    root = at_home(dataset_root).resolve()
    sets: dict[str, FewShotSet] = {}
    for dataset in list_image_datasets(prefix):
        if not dataset.dataset_folder(root).is_dir():
            continue
        try:
            split = dataset.split.read(dataset.dataset_folder(root), dataset.image_folder(root))
            verify_split(split, dataset)
            sets |= _draw_sets(dataset.name, split)
        except DataError as error:
            logger.warning("%s is left out: %s", dataset.name, error)
    if not sets:
        raise DataError(
            f"no few-shot set can be drawn from what is under {root}; put the datasets' folders "
            "with their split files there, or set the parameter dataset_root to where they are"
        )
    return sets


def _draw_sets(dataset: str, split: Split) -> dict[str, FewShotSet]:
    sets: dict[str, FewShotSet] = {}
    if not split.counts.train:
        return sets  # for testing only
    for shots in SHOTS:
        try:
            for seed in SEEDS:
                name = f"{dataset}/shots{shots}/seed{seed}/few_shot_set"
                sets[name] = sample_from_split(dataset, split, shots, seed)
        except DataError as error:
            logger.warning("%s with %d shots is left out: %s", dataset, shots, error)
    logger.info("%s: %d few-shot sets", dataset, len(sets))
    return sets
