"""From the name of a dataset to its folder, checked and in place."""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlprompt_pipeline.errors import ArchiveError, DataError, FetchError
from vlprompt_pipeline.fetching.archive_store import ArchiveStore, LocalFile, StoredFile
from vlprompt_pipeline.fetching.recipe import Part, Recipe, Source
from vlprompt_pipeline.fetching.recipes import RECIPES
from vlprompt_pipeline.fetching.transfer import Patience
from vlprompt_pipeline.fetching.unpacking import unpack
from vlprompt_pipeline.image_datasets import ImageDataset, build_index, get_image_dataset
from vlprompt_pipeline.progress import Progress, no_progress

logger = logging.getLogger(__name__)

DOWNLOADS = ".downloads"
"""Folder under the dataset root that holds archives under way, and what was seen of them."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes:
        dataset: its name.
        folder: where it is.
        images: how many there are.
        source: what it was fetched from; None: it was there already or needs no fetching.
        files: the archives, with size, SHA-256 and what that was compared with.
        sentence: all of it for a person.
    """

    dataset: str
    folder: str
    images: int
    source: str | None
    files: tuple[StoredFile, ...]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def fetch_dataset(
    benchmark: str | ImageDataset,
    dataset_root: Path | str,
    *,
    progress: Progress = no_progress,
    patience: Patience | None = None,
    recipes: dict[str, Recipe] = RECIPES,
) -> Fetched:
    """Put a dataset under `dataset_root`, unless it is there.

    It is downloaded and unpacked beside its place, held to the official split and counts as every
    run does, and only then renamed into place: a folder of that name is a whole dataset or the
    user's own, which is never touched.

    Raises:
        ConfigError: the name is unknown.
        FetchError: it cannot be fetched; the message says why, source by source, and what to do by
            hand.
    """
    if isinstance(benchmark, str):
        benchmark = get_image_dataset(benchmark)
    root = Path(dataset_root).expanduser().resolve()
    folder = benchmark.dataset_folder(root)
    if benchmark.make is not None or (folder.is_dir() and any(folder.iterdir())):
        return _at_hand(benchmark, root)
    recipe = recipes[benchmark.name]
    if not recipe.sources:
        raise FetchError(recipe.by_hand.replace("<dataset_root>", str(root)))
    with _alone(root / DOWNLOADS, benchmark.name):
        return _from_any(benchmark, root, recipe, progress, patience)


def _at_hand(benchmark: ImageDataset, root: Path) -> Fetched:
    """A dataset that is there, or is made here."""
    folder = benchmark.dataset_folder(root)
    try:
        images = len(build_index(benchmark, root).table)
    except DataError as error:
        raise FetchError(
            f"{folder} is there but is not the whole dataset, and nothing in it is touched: {error}"
            "; complete it, or move it away to have all of it fetched"
        ) from error
    how = "is whole and left as it is" if benchmark.make is None else "is made on this machine"
    sentence = f"{benchmark.name} at {folder} {how}: {images:,} images"
    return Fetched(benchmark.name, str(folder), images, None, (), sentence)


def _from_any(
    benchmark: ImageDataset,
    root: Path,
    recipe: Recipe,
    progress: Progress,
    patience: Patience | None,
) -> Fetched:
    reasons = []
    for source in recipe.sources:
        store = ArchiveStore(root / DOWNLOADS, benchmark.name, progress, patience or Patience())
        try:
            return _from_source(benchmark, root, source, store)
        except FetchError as error:
            reasons.append(f"from {source.title}: {error}")
            if source is not recipe.sources[-1]:
                logger.warning("%s; trying the next source", reasons[-1])
    by_hand = recipe.by_hand.replace("<dataset_root>", str(root))
    raise FetchError(f"cannot fetch {benchmark.name} {'; '.join(reasons)}; {by_hand}")


def _from_source(
    benchmark: ImageDataset, root: Path, source: Source, store: ArchiveStore
) -> Fetched:
    files = [store.get(part) for part in source.parts]
    with _staging(root / DOWNLOADS / f"{benchmark.name}.unpacking") as staging:
        for number, (part, file) in enumerate(zip(source.parts, files, strict=True)):
            _assemble(benchmark, staging, part, file, staging / f"part{number}")
        images = _verified(benchmark, root, staging, files)
        folder = benchmark.dataset_folder(root)
        _put_in_place(benchmark.dataset_folder(staging), folder)
    for file in files:
        file.path.unlink()
    sentence = f"{benchmark.name} is at {folder}: {images:,} images, from {source.title}"
    return Fetched(
        benchmark.name, str(folder), images, source.title, tuple(f.stored for f in files), sentence
    )


def _assemble(
    benchmark: ImageDataset, staging: Path, part: Part, file: LocalFile, scratch: Path
) -> None:
    """Bring the content of one file to its place in the staged dataset."""
    place = benchmark.dataset_folder(staging) / part.put
    place.parent.mkdir(parents=True, exist_ok=True)
    if not part.packed:
        shutil.copyfile(file.path, place)
        return
    try:
        unpack(file.path, scratch)
        if part.inner is not None:
            unpack(_inside(scratch, part.inner, file.path), scratch.with_suffix(".inner"))
            scratch = scratch.with_suffix(".inner")
    except ArchiveError:
        file.path.unlink()  # not worth keeping: a new copy may be whole
        raise
    taken = _find(benchmark, scratch) if part.take is None else scratch / part.take
    if taken is None or not taken.is_dir():
        expected = part.take or f"the images and {' and '.join(benchmark.split.files)}"
        raise FetchError(f"archive {file.path} has no folder with {expected}")
    taken.rename(place)


def _put_in_place(staged: Path, folder: Path) -> None:
    try:
        staged.rename(folder)  # the system refuses if something has come to be there
    except OSError as error:
        raise FetchError(f"cannot make {folder}: {error.strerror}; move it away") from error


def _inside(scratch: Path, name: str, archive: Path) -> Path:
    if not (scratch / name).is_file():
        raise FetchError(f"archive {archive} does not hold {name}")
    return scratch / name


def _find(benchmark: ImageDataset, unpacked: Path) -> Path | None:
    """The dataset's own folder: the archive itself, or a folder in it, or one in that."""
    for folder in (unpacked, *sorted(unpacked.glob("*")), *sorted(unpacked.glob("*/*"))):
        annotated = any((folder / file).is_file() for file in benchmark.split.files)
        if annotated or (benchmark.image_prefix and (folder / benchmark.image_prefix).is_dir()):
            return folder
    return None


def _verified(benchmark: ImageDataset, root: Path, staging: Path, files: list[LocalFile]) -> int:
    """Hold the staged dataset to its official split and counts; its number of images."""
    if benchmark.shift_of is not None:  # the list of class names is that of its own source
        for name in benchmark.split.files:
            target = benchmark.dataset_folder(staging) / name
            known = get_image_dataset(benchmark.shift_of).dataset_folder(root) / name
            if known.is_file() and not target.exists():
                shutil.copyfile(known, target)
    try:
        return len(build_index(benchmark, staging).table)
    except DataError as error:
        kept = " and ".join(str(file.path) for file in files)
        raise FetchError(
            f"what was fetched is not the whole dataset, so it was not put in place ({error}); "
            f"kept for a look: {kept}"
        ) from error


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """An empty folder for the time of the block; what a killed run left in it goes first."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep a second fetch of the same dataset out; the system lifts the lock of a killed one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("w")
    except OSError as error:
        raise FetchError(
            f"cannot write to {folder}: {error.strerror}; make dataset_root writable or name "
            "another"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(f"{name} is being fetched by another run; wait for it") from None
        yield
