"""Are the images what the split says: each is decoded once, and remembered by its fingerprint."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import UnidentifiedImageError

from vlprompt_pipeline.benchmarks.index import BenchmarkIndex
from vlprompt_pipeline.benchmarks.presence import find_absent
from vlprompt_pipeline.benchmarks.schema import PARTS
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.images import open_image

_logger = logging.getLogger(__name__)
_IMAGES_PER_TASK = 64
_SHOWN = 100
_FACTS = ["sha256", "bytes"]


@dataclass(frozen=True)
class ImageCheck:
    """What was found on disk.

    Attributes:
        dataset: name of the dataset.
        split_sha256: content hash of its split.
        classes: number of classes.
        expected: images per part by the split.
        found: images per part that are there and can be decoded.
        missing: paths that are gone since the index was made.
        unreadable: (path, reason) of images that cannot be decoded.
        duplicates: groups of images with the same bytes in more than one part, each a group of
            (part, path): a leak from training to test, told but not refused, because official
            splits have some.
        bytes_on_disk: size of the images found.
    """

    dataset: str
    split_sha256: str
    classes: int
    expected: dict[str, int]
    found: dict[str, int]
    missing: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[tuple[str, str], ...], ...]
    bytes_on_disk: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


class _Decoded(NamedTuple):
    """One image: its content hash and size, or why it cannot be read."""

    fingerprint: str
    sha256: str
    bytes: int
    reason: str


def inspect_images(
    index: BenchmarkIndex, cache: Path | None = None, workers: int | None = None
) -> ImageCheck:
    """Decode every image of an index and report what was found, good or bad.

    Args:
        index: the dataset.
        cache: Parquet file of what is known by fingerprint; images in it are not decoded again.
            Only readable images are remembered, so a mended one is looked at again.
        workers: threads; None leaves the number to Python.

    Raises:
        ConfigError: `workers` is below 1.
        DataError: the cache cannot be read.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give a number of threads from 1")
    table = index.table
    known = _read_cache(cache)
    absent = find_absent(table["path"], index.folder)
    unseen = table[~absent & ~table["fingerprint"].isin(known.index)]
    decoded = _decode_all(unseen.drop_duplicates("fingerprint"), index.folder, workers)
    broken = {image.fingerprint: image.reason for image in decoded if image.reason}
    fresh = pd.DataFrame([image for image in decoded if not image.reason], columns=_Decoded._fields)
    if len(fresh):
        known = pd.concat([known, fresh.set_index("fingerprint")[_FACTS]])
        _write_cache(known, cache)
    return _summarise(index, known, absent, broken)


def check_images(
    index: BenchmarkIndex, cache: Path | None = None, workers: int | None = None
) -> ImageCheck:
    """Inspect every image of an index, refuse broken ones and warn of duplicates.

    Arguments as of `inspect_images`.

    Raises:
        ConfigError: `workers` is below 1.
        DataError: images are gone or cannot be decoded; all of them are named at once.
    """
    check = inspect_images(index, cache, workers)
    broken = [(path, "gone since the index was made") for path in check.missing]
    broken += check.unreadable
    if broken:
        listed = "; ".join(f"{path} ({reason})" for path, reason in broken[:_SHOWN])
        more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
        raise DataError(
            f"{len(broken):,} of the {len(index.table):,} images of {index.name} under "
            f"{index.folder} cannot be read: {listed}{more}; replace them by the files of the "
            "original archive and run again"
        )
    if check.duplicates:
        twins = " and ".join(f"{path} in {part}" for part, path in check.duplicates[0])
        _logger.warning(
            "%s has the same picture in more than one part, %d times; the first is %s.",
            index.name,
            len(check.duplicates),
            twins,
        )
    return check


def _decode_all(rows: pd.DataFrame, folder: Path, workers: int | None) -> list[_Decoded]:
    images = list(zip(rows["fingerprint"], rows["path"], strict=True))
    tasks = [images[i : i + _IMAGES_PER_TASK] for i in range(0, len(images), _IMAGES_PER_TASK)]
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(lambda task: [_decode(key, folder / path) for key, path in task], tasks)
        return list(chain.from_iterable(done))


def _decode(fingerprint: str, file: Path) -> _Decoded:
    try:
        content = file.read_bytes()
        with open_image(BytesIO(content)) as image:
            # A JPEG is decoded at an eighth of its size: faster, and all of its data is still read.
            image.draft(None, (1, 1))
            image.load()
    except UnidentifiedImageError:
        reason = "not an image of a known format" if content else "an empty file"
        return _Decoded(fingerprint, "", 0, reason)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on garbage: struct, zlib, Syntax...
        return _Decoded(fingerprint, "", 0, str(error) or type(error).__name__)
    return _Decoded(fingerprint, hashlib.sha256(content).hexdigest(), len(content), "")


def _read_cache(cache: Path | None) -> pd.DataFrame:
    if cache is None or not cache.exists():
        empty = pd.DataFrame({"fingerprint": [], "sha256": [], "bytes": []})
        return empty.astype({"fingerprint": str, "sha256": str, "bytes": "int64"}).set_index(
            "fingerprint"
        )
    try:
        return pd.read_parquet(cache)[_FACTS]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{cache} is not a table of checked images ({error}); delete it and run again"
        ) from error


def _write_cache(known: pd.DataFrame, cache: Path | None) -> None:
    if cache is not None:
        with atomic_write(cache) as temporary:
            known.to_parquet(temporary)


def _summarise(
    index: BenchmarkIndex, known: pd.DataFrame, absent: np.ndarray, broken: dict[str, str]
) -> ImageCheck:
    table = index.table
    gone = table.loc[absent, "path"]
    unreadable = table[~absent & table["fingerprint"].isin(list(broken))]
    good = table[~absent & ~table["fingerprint"].isin(list(broken))]
    facts = good.join(known, on="fingerprint")
    return ImageCheck(
        dataset=index.name,
        split_sha256=index.split_sha256,
        classes=len(index.class_names),
        expected=_per_part(table),
        found=_per_part(good),
        missing=tuple(gone),
        unreadable=tuple(
            (path, broken[key])
            for path, key in zip(unreadable["path"], unreadable["fingerprint"], strict=True)
        ),
        duplicates=_across_parts(facts),
        bytes_on_disk=int(facts["bytes"].sum()),
    )


def _per_part(table: pd.DataFrame) -> dict[str, int]:
    sizes = table["part"].value_counts()
    return {part: int(sizes.get(part, 0)) for part in PARTS}


def _across_parts(facts: pd.DataFrame) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Groups of (part, path) with the same content in more than one part."""
    twins = facts[facts.duplicated("sha256", keep=False)]
    return tuple(
        tuple(zip(group["part"], group["path"], strict=True))
        for _, group in twins.groupby("sha256", sort=False)
        if group["part"].nunique() > 1
    )
