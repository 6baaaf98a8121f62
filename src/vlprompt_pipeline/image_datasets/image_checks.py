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

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets.findings import Findings, some
from vlprompt_pipeline.image_datasets.index import ImageIndex
from vlprompt_pipeline.image_datasets.presence import find_absent, printable
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.images import open_image
from vlprompt_pipeline.manifests import described_write, find_fault
from vlprompt_pipeline.places import is_there
from vlprompt_pipeline.source_code import code_digest
from vlprompt_pipeline.wording import counted

_logger = logging.getLogger(__name__)
_IMAGES_PER_TASK = 64
BLOCK = 20_000
"""Images decoded between two writes of the cache: what a killed check repeats at most."""
_SHOWN = 100
MAX_BYTES = 1 << 30
"""Our choice: a larger file is not read to memory, it is no picture of these datasets."""
_FACTS = ["sha256", "bytes"]
_ALTERED = "other content than at the last check, under the same size and times; touch the file"


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
        random_split: how the split was drawn, if it is not the one the data came with.
        findings: what lies beside the images of own data; None for a dataset.
        contradictions: groups of images with the same bytes under more than one class, each a group
            of (class, path).
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
    random_split: str = ""
    findings: Findings | None = None
    contradictions: tuple[tuple[tuple[str, str], ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a mapping for JSON."""
        return asdict(self)


class _Decoded(NamedTuple):
    """One image: its content hash and size, or why it cannot be read."""

    fingerprint: str
    sha256: str
    bytes: int
    reason: str


def inspect_images(
    index: ImageIndex,
    cache: Path | None = None,
    workers: int | None = None,
    *,
    contents: bool = False,
) -> ImageCheck:
    """Decode every image of an index and report what was found, good or bad.

    Args:
        index: the dataset.
        cache: Parquet file of what is known by fingerprint; images in it are not decoded again,
            also after a kill.
            Only readable images are remembered, so a mended one is looked at again.
        workers: threads; None leaves the number to Python.
        contents: read every image again and hold it to what is known of it, as those need that are
            known by size and times.

    Raises:
        ConfigError: `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give a number of threads from 1")
    table = index.table
    checked = _read_cache(cache)
    absent = find_absent(table["path"], index.card.folder)
    unseen = table[~absent & (contents | ~table["fingerprint"].isin(checked.index))]
    unseen = unseen.drop_duplicates("fingerprint")
    broken: dict[str, str] = {}
    for start in range(0, len(unseen), BLOCK):
        decoded = _decode_all(unseen.iloc[start : start + BLOCK], index.card.folder, workers)
        broken |= {image.fingerprint: image.reason for image in decoded if image.reason}
        good = [image for image in decoded if not image.reason]
        broken |= {image.fingerprint: _ALTERED for image in good if _is_altered(image, checked)}
        good = [image for image in good if image.fingerprint not in checked.index]
        if good:
            fresh = pd.DataFrame(good).set_index("fingerprint")[_FACTS]
            checked = pd.concat([checked, fresh])
            _write_cache(checked, cache)
    return _summarise(index, checked, absent, broken)


def check_images(
    index: ImageIndex, cache: Path | None = None, workers: int | None = None
) -> ImageCheck:
    """Inspect every image of an index, refuse broken ones and warn of what else was found.

    Arguments as of `inspect_images`.

    Raises:
        ConfigError: `workers` is below 1.
        DataError: images are gone or cannot be decoded, or own classes have no test image; all of
            them are named at once.
    """
    check = inspect_images(index, cache, workers)
    _warn(check)
    refused = list(filter(None, [_broken(index, check), _untested(check)]))
    if refused:
        raise DataError("; ".join(refused))
    return check


def _broken(index: ImageIndex, check: ImageCheck) -> str:
    broken = [(path, "gone since the index was made") for path in check.missing]
    broken += check.unreadable
    if not broken:
        return ""
    listed = "; ".join(f"{printable(path)} ({reason})" for path, reason in broken[:_SHOWN])
    more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
    of_archive = "replace them by the files of the original archive"
    of_own = "replace or delete them, or leave them out with own_data.broken=leave_out,"
    return (
        f"{len(broken):,} of the {len(index.table):,} images of {index.card.name} under "
        f"{index.card.folder} cannot be read: {listed}{more}; "
        f"{of_archive if check.findings is None else of_own} and run again"
    )


def _untested(check: ImageCheck) -> str:
    names = check.findings.untested_classes if check.findings else ()
    if not names:
        return ""
    return (
        f"{len(names):,} of the {check.classes:,} classes of {check.dataset} have no test image "
        f"({some(names)}); add images, at least two a class, or move these classes elsewhere"
    )


def _warn(check: ImageCheck) -> None:
    findings = check.findings.sentences() if check.findings else []
    if findings:
        _logger.warning("%s: %s.", check.dataset, "; ".join(findings))
    if check.duplicates:
        twins = " and ".join(f"{path} in {part}" for part, path in check.duplicates[0])
        _logger.warning(
            "%s: %s in more than one part; the first is %s.",
            check.dataset,
            counted(len(check.duplicates), "picture"),
            twins,
        )
    if check.contradictions:
        twins = " and ".join(f"{path} as {name!r}" for name, path in check.contradictions[0])
        _logger.warning(
            "%s: %s under more than one class; the first is %s.",
            check.dataset,
            counted(len(check.contradictions), "picture"),
            twins,
        )


def _is_altered(image: _Decoded, checked: pd.DataFrame) -> bool:
    return (
        image.fingerprint in checked.index
        and checked.loc[image.fingerprint, "sha256"] != image.sha256
    )


def _decode_all(rows: pd.DataFrame, folder: Path, workers: int | None) -> list[_Decoded]:
    images = list(zip(rows["fingerprint"], rows["path"], strict=True))
    tasks = [images[i : i + _IMAGES_PER_TASK] for i in range(0, len(images), _IMAGES_PER_TASK)]
    with ThreadPoolExecutor(workers) as pool:
        decoded = pool.map(
            lambda task: [decode_image(key, folder / path) for key, path in task], tasks
        )
        return list(chain.from_iterable(decoded))


def decode_image(fingerprint: str, file: Path) -> _Decoded:
    """Read all data of an image file, and say what is wrong with it."""
    content = b""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            return _Decoded(fingerprint, "", 0, f"{size:,} bytes, more than any picture here has")
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


def _made_from() -> str:
    """Say what the cache depends on beside the images, which it is known by."""
    return code_digest(__name__)


def _read_cache(cache: Path | None) -> pd.DataFrame:
    is_current = cache is not None and is_there(cache)
    if is_current and (fault := find_fault(cache, _made_from())):
        _logger.warning("%s %s: the images are decoded again", cache, fault)
        is_current = False
    if not is_current:
        empty = pd.DataFrame({"fingerprint": [], "sha256": [], "bytes": []})
        return empty.astype({"fingerprint": str, "sha256": str, "bytes": "int64"}).set_index(
            "fingerprint"
        )
    return pd.read_parquet(cache)[_FACTS]


def _write_cache(checked: pd.DataFrame, cache: Path | None) -> None:
    if cache is not None:
        with described_write(cache, _made_from()) as temporary:
            checked.to_parquet(temporary)


def _summarise(
    index: ImageIndex, checked: pd.DataFrame, absent: np.ndarray, broken: dict[str, str]
) -> ImageCheck:
    table = index.table
    gone = table.loc[absent, "path"]
    unreadable = table[~absent & table["fingerprint"].isin(list(broken))]
    good = table[~absent & ~table["fingerprint"].isin(list(broken))]
    facts = good.join(checked, on="fingerprint")
    return ImageCheck(
        dataset=index.card.name,
        split_sha256=index.card.split_sha256,
        classes=len(index.card.class_names),
        expected=_per_part(table),
        found=_per_part(good),
        missing=tuple(gone),
        unreadable=tuple(
            (path, broken[key])
            for path, key in zip(unreadable["path"], unreadable["fingerprint"], strict=True)
        ),
        duplicates=_same_pictures(facts, "part", "part"),
        contradictions=_same_pictures(facts, "label", "class_name"),
        bytes_on_disk=int(facts["bytes"].sum()),
        random_split=index.card.random_split,
        findings=index.card.findings,
    )


def _per_part(table: pd.DataFrame) -> dict[str, int]:
    sizes = table["part"].value_counts()
    return {part: int(sizes.get(part, 0)) for part in PARTS}


def _same_pictures(
    facts: pd.DataFrame, differs: str, shown: str
) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Find groups of (`shown`, path) with one content but several values of `differs`."""
    twins = facts[facts.duplicated("sha256", keep=False)]
    return tuple(
        tuple(zip(group[shown], group["path"], strict=True))
        for _, group in twins.groupby("sha256", sort=False)
        if group[differs].nunique() > 1
    )
