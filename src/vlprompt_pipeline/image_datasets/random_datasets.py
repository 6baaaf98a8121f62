"""A random split of a published dataset whose official split file is not at hand.

The path of an image must tell its class. Names and order of the classes are those of the official
split; the parts are not, so that results are marked and never compared with published ones.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_images
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.image_folders import find_images
from vlprompt_pipeline.image_datasets.lookup import list_image_datasets
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.image_datasets.split import Row, Split


def require_splittable(dataset: ImageDataset) -> None:
    """Check that a dataset can be split at random.

    Raises:
        ConfigError: it cannot; the message lists those that can.
    """
    if dataset.path_labels is None:
        splittable = [known.name for known in list_image_datasets() if known.path_labels]
        raise ConfigError(
            f"split is 'random', but the paths of {dataset.name} do not tell the classes, or its "
            "split is its own; set split to official: random splits can be drawn of "
            f"{', '.join(splittable)} and own photos"
        )


def split_at_random(
    dataset: ImageDataset, root: Path, split: RandomSplit
) -> tuple[Split, dict[str, str]]:
    """Draw a split of the images of a dataset; return it with their fingerprints by path.

    Raises:
        ConfigError: the paths of its images do not tell their classes.
        DataError: its folder is absent or has not as many classes as it should, or an image
            cannot be read.
    """
    require_splittable(dataset)
    folder, path_labels = dataset.image_folder(root), dataset.path_labels
    if not os.path.isdir(folder):
        raise DataError(
            f"dataset {dataset.name} is not at {folder}; get its images from {dataset.source}, "
            "or set the parameter dataset_root to the folder that holds "
            f"{dataset.folder}/"
        )
    classes: dict[str, list[str]] = defaultdict(list)
    for path in find_images(folder, "").paths:
        classes[path_labels.class_key(PurePosixPath(path))].append(path)
    keys = sorted(set(classes) - path_labels.ignored - {""}, key=path_labels.label_order)
    if len(keys) != dataset.classes:
        raise DataError(
            f"{folder} has images of {len(keys)} classes, {dataset.name} has "
            f"{dataset.classes}; unpack the archive whole, from {dataset.source}"
        )
    used = [path for key in keys for path in classes[key]]
    fingerprints = dict(zip(used, fingerprint_images(used, folder), strict=True))
    rows: dict[str, list[Row]] = {part: [] for part in PARTS}
    for label, key in enumerate(keys):
        name = path_labels.renamed.get(key) or path_labels.class_name(key)
        for part, paths in split.divide(classes[key], key, fingerprints).items():
            rows[part] += [(path, label, name) for path in paths]
    return Split.from_rows(f"the random split of {dataset.name}", rows), fingerprints
