"""Fetch a dataset by its name: download, unpack, check and put it in place."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vlprompt_pipeline.errors import ArchiveError, DataError, FetchError
from vlprompt_pipeline.fetching.downloads import LocalFile, StoredFile, fetch_file
from vlprompt_pipeline.fetching.extraction import extract_archive
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets import (
    DownloadFile,
    DownloadRecipe,
    DownloadSource,
    ImageDataset,
    build_index,
    get_image_dataset,
)
from vlprompt_pipeline.progress import Progress, no_progress

logger = logging.getLogger(__name__)

DOWNLOADS = ".downloads"
"""Folder under the dataset root with unfinished downloads and the checksums seen before."""


@dataclass(frozen=True)
class Fetched:
    """The result of a fetch.

    Attributes:
        dataset: its name.
        folder: where it is.
        images: how many there are.
        source: where it was fetched from; None: it was there already or is made here.
        files: the archives, with size, SHA-256 and what that was compared with.
        sentence: all of this, for a person.
    """

    dataset: str
    folder: str
    images: int
    source: str | None
    files: tuple[StoredFile, ...]
    sentence: str


def fetch_dataset(
    dataset: str | ImageDataset, dataset_root: Path | str, *, progress: Progress = no_progress
) -> Fetched:
    """Put a dataset under `dataset_root`, unless it is there.

    It is downloaded and unpacked beside its folder, checked against the official split as in every
    run, and only then renamed into place. So a folder of that name is either a whole dataset or the
    user's own, which is never touched.

    Raises:
        ConfigError: the name is unknown.
        FetchError: it cannot be fetched; the message says why, source by source, and what to do by
            hand.
    """
    if isinstance(dataset, str):
        dataset = get_image_dataset(dataset)
    root = at_home(dataset_root).resolve()
    folder = dataset.dataset_folder(root)
    if dataset.make is not None or _holds_something(folder):
        return _already_there(dataset, root)
    if folder.is_symlink() or folder.is_file():
        raise FetchError(
            f"{folder} is a link or a file, in whose place no folder can be put: move it away, or "
            "set dataset_root to the disk that is to have the images"
        )
    recipe = dataset.download
    if recipe is None or not recipe.sources:
        raise FetchError(_manual_steps(dataset, root))
    with _locked(root / DOWNLOADS, dataset.name):
        return _from_any(dataset, root, recipe, progress)


def _holds_something(folder: Path) -> bool:
    """Tell whether a folder has content; one that may not be read counts as having some."""
    try:
        return os.path.isdir(folder) and bool(os.listdir(folder))
    except PermissionError:
        return True


def _manual_steps(dataset: ImageDataset, root: Path) -> str:
    """Say how a person can get the dataset."""
    if dataset.download is not None and dataset.download.by_hand:
        return dataset.download.by_hand.replace("<dataset_root>", str(root))
    return (
        f"by hand: get {dataset.name} from {dataset.source}, and put it under {root}/"
        f"{dataset.folder} as docs/datasets.md shows"
    )


def _already_there(dataset: ImageDataset, root: Path) -> Fetched:
    """Check a dataset that is there or is made here, and describe it."""
    folder = dataset.dataset_folder(root)
    try:
        images = len(build_index(dataset, root).table)
    except DataError as error:
        raise FetchError(
            f"{folder} is there but is not the whole dataset, and nothing in it is touched: {error}"
            "; complete it, or move it away to have all of it fetched"
        ) from error
    how = "is whole and left as it is" if dataset.make is None else "is made on this machine"
    sentence = f"{dataset.name} at {folder} {how}: {images:,} images"
    return Fetched(dataset.name, str(folder), images, None, (), sentence)


def _from_any(
    dataset: ImageDataset, root: Path, recipe: DownloadRecipe, progress: Progress
) -> Fetched:
    reasons = []
    for source in recipe.sources:
        try:
            return _from_source(dataset, root, source, progress)
        except (FetchError, OSError) as error:
            reasons.append(f"from {source.title}: {error}")
            if source is not recipe.sources[-1]:
                logger.warning("%s; trying the next source", reasons[-1])
    raise FetchError(
        f"cannot fetch {dataset.name} {'; '.join(reasons)}; {_manual_steps(dataset, root)}"
    )


def _from_source(
    dataset: ImageDataset, root: Path, source: DownloadSource, progress: Progress
) -> Fetched:
    files = [
        fetch_file(file, root / DOWNLOADS / f"{dataset.name}-{file.file_name}", progress)
        for file in source.files
    ]
    with _staging(root / DOWNLOADS / f"{dataset.name}.unpacking") as staging:
        for number, (described, file) in enumerate(zip(source.files, files, strict=True)):
            _assemble(dataset, staging, described, file, staging / f"file{number}")
        images = _verified(dataset, root, staging, files)
        folder = dataset.dataset_folder(root)
        try:
            dataset.dataset_folder(staging).rename(folder)  # refused if something has come to be
        except OSError as error:
            raise FetchError(f"cannot make {folder}: {error.strerror}; move it away") from error
    for file in files:
        file.path.unlink()
    sentence = f"{dataset.name} is at {folder}: {images:,} images, from {source.title}"
    return Fetched(
        dataset.name, str(folder), images, source.title, tuple(f.stored for f in files), sentence
    )


def _assemble(
    dataset: ImageDataset, staging: Path, described: DownloadFile, file: LocalFile, scratch: Path
) -> None:
    """Put the content of one file where it belongs in the staged dataset."""
    target = dataset.dataset_folder(staging) / described.put
    target.parent.mkdir(parents=True, exist_ok=True)
    if not described.is_archive:
        shutil.copyfile(file.path, target)
        return
    try:
        extract_archive(file.path, scratch)
        if described.inner is not None:
            archive = scratch / described.inner
            if not archive.is_file():
                raise FetchError(f"archive {file.path} does not hold {described.inner}")
            scratch = scratch.with_suffix(".inner")
            extract_archive(archive, scratch)
    except ArchiveError:
        file.discard()
        raise
    taken = _dataset_in(scratch, dataset) if described.take is None else scratch / described.take
    if taken is None or not taken.is_dir():
        expected = described.take or f"the images and {' and '.join(dataset.split.files)}"
        raise FetchError(f"archive {file.path} has no folder with {expected}")
    taken.rename(target)


def _dataset_in(unpacked: Path, dataset: ImageDataset) -> Path | None:
    """Return the dataset's own folder: the archive itself, or a folder in it, or one in that."""
    for folder in (unpacked, *sorted(unpacked.glob("*")), *sorted(unpacked.glob("*/*"))):
        annotated = any((folder / file).is_file() for file in dataset.split.files)
        if annotated or (dataset.image_prefix and (folder / dataset.image_prefix).is_dir()):
            return folder
    return None


def _verified(dataset: ImageDataset, root: Path, staging: Path, files: list[LocalFile]) -> int:
    """Check the staged dataset against its official split; return its number of images."""
    if dataset.shift_of is not None:  # the list of class names is that of its own source
        for name in dataset.split.files:
            target = dataset.dataset_folder(staging) / name
            original = get_image_dataset(dataset.shift_of).dataset_folder(root) / name
            if original.is_file() and not target.exists():
                shutil.copyfile(original, target)
    try:
        return len(build_index(dataset, staging).table)
    except DataError as error:
        kept = " and ".join(str(file.path) for file in files)
        raise FetchError(
            f"what was fetched is not the whole dataset, so it was not put in place ({error}); "
            f"kept for a look: {kept}"
        ) from error


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for the time of the block, without what a killed run left in it."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Keep a second fetch of the same dataset out; the system lifts the lock of a killed one."""
    lock = FileLock(folder / f"{name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        acquired = lock.acquire()
    except Timeout:
        raise FetchError(f"{name} is being fetched by another run; wait for it") from None
    except OSError as error:
        raise FetchError(
            f"cannot write to {folder}: {error.strerror}; make dataset_root writable or name "
            "another"
        ) from error
    with acquired:
        yield
