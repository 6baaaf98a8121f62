"""Check the images of a split: each is decoded once, and remembered by its fingerprint."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.decoded_images import (
    FACTS,
    decode_images,
    read_decoded,
    write_decoded,
)
from vlprompt_pipeline.image_datasets.findings import Findings
from vlprompt_pipeline.image_datasets.index import ImageIndex
from vlprompt_pipeline.image_datasets.presence import find_absent
from vlprompt_pipeline.image_datasets.schema import count_parts
from vlprompt_pipeline.wording import counted, some

logger = logging.getLogger(__name__)
BLOCK = 20_000
"""Images decoded between two writes of the cache: what a killed check repeats at most."""
_SHOWN = 100
_ALTERED = "other content than at the last check, under the same size and times; touch the file"


@dataclass(frozen=True)
class ImageCheck:
    """The result of a check of the images on disk.

    Attributes:
        dataset: name of the dataset.
        split_sha256: content hash of its split.
        classes: number of classes.
        expected: images per part by the split.
        found: images per part that are there and can be decoded.
        missing: paths of images that are gone since the index was made.
        unreadable: (path, reason) of images that cannot be decoded.
        duplicates: groups of images with the same bytes in more than one part, each a group of
            (part, path): a leak from training to test, reported but not refused, because official
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


def inspect_images(
    index: ImageIndex,
    cache: Path | None = None,
    workers: int | None = None,
    *,
    contents: bool = False,
) -> ImageCheck:
    """Decode every image of an index and report what was found, good or bad.

    Own photos are decoded `as_seen`, so that one whose pixels have no known range is unreadable.

    Args:
        index: the dataset.
        cache: Parquet file of the images decoded before, by fingerprint, which are not decoded
            again, not even after a kill. It has readable images only, so a mended one is decoded.
        workers: number of threads; None: Python chooses.
        contents: read every image again and compare it with the cache. Only this finds another
            image under the same size and times.
    """
    table = index.table
    checked = read_decoded(cache)
    absent = find_absent(table["path"], index.card.folder)
    unseen = table[~absent & (contents | ~table["fingerprint"].isin(checked.index))]
    unseen = unseen.drop_duplicates("fingerprint")
    decoding = "published" if index.card.findings is None else "as_seen"
    broken: dict[str, str] = {}
    for start in range(0, len(unseen), BLOCK):
        fresh = []
        block = unseen[start : start + BLOCK]
        for image in decode_images(block, index.card.folder, decoding, workers):
            if image.reason:
                broken[image.fingerprint] = image.reason
            elif image.fingerprint not in checked.index:
                fresh.append(image)
            elif checked.at[image.fingerprint, "sha256"] != image.sha256:
                broken[image.fingerprint] = _ALTERED
        if fresh:
            checked = pd.concat([checked, pd.DataFrame(fresh).set_index("fingerprint")[FACTS]])
            write_decoded(checked, cache)
    return _summarise(index, checked, absent, broken)


def check_images(
    index: ImageIndex, cache: Path | None = None, workers: int | None = None
) -> ImageCheck:
    """Inspect every image of an index, refuse broken ones and warn of what else was found.

    The arguments are those of `inspect_images`.

    Raises:
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
    listed = "; ".join(f"{path} ({reason})" for path, reason in broken[:_SHOWN])
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
        f"({some(names)}); add images, at least two different ones a class, or move these classes "
        "elsewhere"
    )


def _warn(check: ImageCheck) -> None:
    findings = check.findings.sentences() if check.findings else []
    if findings:
        logger.warning("%s: %s.", check.dataset, "; ".join(findings))
    for groups, where, form in (
        (check.duplicates, "in more than one part", "{1} in {0}"),
        (check.contradictions, "under more than one class", "{1} as {0!r}"),
    ):
        if groups:
            twins = " and ".join(form.format(*image) for image in groups[0])
            pictures = counted(len(groups), "picture")
            logger.warning("%s: %s %s; the first is %s.", check.dataset, pictures, where, twins)


def _summarise(
    index: ImageIndex, checked: pd.DataFrame, absent: np.ndarray, broken: dict[str, str]
) -> ImageCheck:
    table = index.table
    is_broken = table["fingerprint"].isin(list(broken))
    unreadable, good = table[~absent & is_broken], table[~absent & ~is_broken]
    facts = good.join(checked, on="fingerprint")
    return ImageCheck(
        dataset=index.card.name,
        split_sha256=index.card.split_sha256,
        classes=len(index.card.class_names),
        expected=count_parts(table),
        found=count_parts(good),
        missing=tuple(table.loc[absent, "path"]),
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
