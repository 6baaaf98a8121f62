"""Is what lies on disk the official dataset: its folders, annotation files and split."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts, Split


def require_dataset(benchmark: ImageDataset, root: Path) -> None:
    """Check that the image folder and the annotation files of `benchmark` are under `root`.

    Raises:
        DataError: saying which is absent and where to get it.
    """
    place, images = benchmark.dataset_folder(root), benchmark.image_folder(root)
    absent = [file for file in benchmark.split.files if not (place / file).is_file()]
    if images.is_dir() and not absent:
        return
    if _lies_at(benchmark, root):
        raise DataError(
            f"dataset_root is {root}, which looks like the folder of {benchmark.name} itself; "
            f"set it to the folder that holds it, so that {benchmark.folder}/ is inside"
        )
    fetching = ""
    if not place.is_dir():
        fetching = f"{benchmark.fetching}, or "
        found = f"dataset {benchmark.name} is not at {place}"
    elif not images.is_dir():
        found = f"dataset {benchmark.name} at {place} has no folder {benchmark.image_prefix}"
    else:
        found = f"dataset {benchmark.name} at {place} has no {_join(absent)}"
    content = f"{benchmark.image_prefix}/ with the images and " if benchmark.image_prefix else ""
    raise DataError(
        f"{found}; expected there are {content}the official {_join(benchmark.split.files)} "
        "(nothing is made up in place of it, because results would not be comparable): "
        f"{fetching}get them from {benchmark.source}, or set the parameter dataset_root to the "
        f"folder that holds {benchmark.folder}/"
    )


def verify_split(split: Split, benchmark: ImageDataset) -> None:
    """Check that `split` is the official one of `benchmark`.

    Raises:
        DataError: its classes, its counts or its content differ.
    """
    classes = split.table["label"].nunique()
    if classes != benchmark.classes:
        raise _not_official(split, benchmark, f"{classes} classes", f"{benchmark.classes} classes")
    if split.counts != benchmark.counts:
        raise _not_official(split, benchmark, _spell(split.counts), _spell(benchmark.counts))
    if benchmark.split_sha256 is not None and split.sha256 != benchmark.split_sha256:
        raise _not_official(
            split,
            benchmark,
            f"the content hash {split.sha256[:16]}",
            benchmark.split_sha256[:16],
        )


def _lies_at(benchmark: ImageDataset, folder: Path) -> bool:
    files = [folder / file for file in benchmark.split.files]
    return (folder / benchmark.image_prefix).is_dir() and all(file.is_file() for file in files)


def _join(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _spell(counts: PartCounts) -> str:
    return ", ".join(f"{part} {number:,}" for part, number in counts._asdict().items())


def _not_official(split: Split, benchmark: ImageDataset, found: str, expected: str) -> DataError:
    return DataError(
        f"{split.origin} is not the official one of {benchmark.name}: it has {found}, "
        f"expected is {expected}; results would not be comparable, so get the official files "
        f"from {benchmark.source}"
    )
