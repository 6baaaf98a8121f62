"""Check that a folder holds the official dataset: its images, annotation files and split."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import list_folder
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts, Split


def require_dataset(dataset: ImageDataset, root: Path) -> None:
    """Check that the image folder and the annotation files of `dataset` are under `root`.

    Raises:
        DataError: saying which is absent and where to get it, or that the folder may not be read.
    """
    folder, images = dataset.dataset_folder(root), dataset.image_folder(root)
    if os.path.isdir(folder):
        list_folder(folder)  # what may not be read is not taken for absent
    absent = [file for file in dataset.split.files if not os.path.isfile(folder / file)]
    if os.path.isdir(images) and not absent:
        return
    if _lies_at(dataset, root):
        raise DataError(
            f"dataset_root is {root}, which looks like the folder of {dataset.name} itself; "
            f"set it to the folder that holds it, so that {dataset.folder}/ is inside"
        )
    fetching = ""
    if not os.path.isdir(folder):
        fetching = f"{dataset.download_advice}, or "
        problem = f"dataset {dataset.name} is not at {folder}"
    elif not os.path.isdir(images):
        problem = f"dataset {dataset.name} at {folder} has no folder {dataset.image_prefix}"
    else:
        problem = f"dataset {dataset.name} at {folder} has no {_join(absent)}"
    content = f"{dataset.image_prefix}/ with the images and " if dataset.image_prefix else ""
    raise DataError(
        f"{problem}; expected there are {content}the official {_join(dataset.split.files)} "
        "(nothing is made up in place of it, because results would not be comparable): "
        f"{fetching}get them from {dataset.source}, or set the parameter dataset_root to the "
        f"folder that holds {dataset.folder}/"
    )


def verify_split(split: Split, dataset: ImageDataset) -> None:
    """Check that `split` is the official one of `dataset`.

    Raises:
        DataError: its classes, its counts or its content differ.
    """
    classes = split.table["label"].nunique()
    if classes != dataset.classes:
        raise _not_official(split, dataset, f"{classes} classes", f"{dataset.classes} classes")
    if split.counts != dataset.counts:
        counts = f"{_spell(split.counts)}{_excess(split, dataset)}"
        raise _not_official(split, dataset, counts, _spell(dataset.counts))
    if dataset.split_sha256 is not None and split.sha256 != dataset.split_sha256:
        found = f"the content hash {split.sha256[:16]}"
        raise _not_official(split, dataset, found, dataset.split_sha256[:16])


def _lies_at(dataset: ImageDataset, folder: Path) -> bool:
    files = [folder / file for file in dataset.split.files]
    return os.path.isdir(folder / dataset.image_prefix) and all(map(os.path.isfile, files))


def _join(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _spell(counts: PartCounts) -> str:
    return ", ".join(f"{part} {number:,}" for part, number in counts._asdict().items())


def _excess(split: Split, dataset: ImageDataset) -> str:
    """Name the image of a part with too many that is called unlike all others, if it is one."""
    expected = dataset.counts._asdict()
    more = [part for part, number in split.counts._asdict().items() if number > expected[part]]
    paths = split.table.loc[split.table["part"].isin(more), "path"]
    forms = paths.map(lambda path: re.sub(r"\d+", "0", PurePosixPath(path).name))
    odd = paths[~forms.isin(forms.mode())].tolist()
    return f" ({odd[0]} is named unlike the others)" if len(odd) == 1 else ""


def _not_official(split: Split, dataset: ImageDataset, counts: str, expected: str) -> DataError:
    return DataError(
        f"{split.origin} is not the official one of {dataset.name}: it has {counts}, "
        f"expected is {expected}; results would not be comparable, so get the official files "
        f"from {dataset.source}"
    )
