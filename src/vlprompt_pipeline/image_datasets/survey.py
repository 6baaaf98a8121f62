"""The state of a dataset on disk, as a report: nothing that is wrong here raises an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.few_shot import published_digest, sample_from_split
from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_readable
from vlprompt_pipeline.image_datasets.image_checks import ImageCheck, inspect_images
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.index import DatasetCard, ImageIndex
from vlprompt_pipeline.image_datasets.presence import find_absent
from vlprompt_pipeline.image_datasets.schema import class_names_of
from vlprompt_pipeline.image_datasets.split import Split
from vlprompt_pipeline.image_datasets.verification import require_dataset, verify_split

ABSENT, FAULTY, READY = "absent", "faulty", "ready"


@dataclass(frozen=True)
class ClassFaults:
    """Images of one class that cannot be used, each as (path, reason)."""

    label: int
    class_name: str
    images: int
    missing: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]


@dataclass(kw_only=True)
class Survey:
    """The state of one dataset.

    Attributes:
        dataset: its name.
        folder: its folder, relative to the dataset root.
        state: `absent` (no such folder), `faulty` (something below is wrong) or `ready`.
        classes: number of classes of the split; None: the split cannot be read.
        classes_expected: number of classes of the official split.
        images: images per part of the split; None: the split cannot be read.
        images_expected: images per part of the official split.
        split_sha256: content hash of the split; None: the split cannot be read.
        split_check: how the split agrees with the official one: `hash` (same content), `counts`
            (same numbers, and no hash is known) or `differs`; None: the split cannot be read.
        few_shot_digest: digest by part of the set of (shots, seed); None: it cannot be drawn.
        few_shot_published: whether it is the published set; None: no published one is known.
        faults: classes with images that are missing or unreadable, in label order.
        bytes_on_disk: size of the images that can be decoded; None: there is no folder of images.
        problems: a sentence for each thing that is wrong, with the remedy.
        to_do: the first step to mend it; empty: there is nothing to do.
    """

    dataset: str
    folder: str
    classes_expected: int
    images_expected: dict[str, int]
    state: str = ABSENT
    classes: int | None = None
    images: dict[str, int] | None = None
    split_sha256: str | None = None
    split_check: str | None = None
    few_shot_digest: dict[str, str] | None = None
    few_shot_published: bool | None = None
    faults: list[ClassFaults] = field(default_factory=list)
    bytes_on_disk: int | None = None
    problems: list[str] = field(default_factory=list)
    to_do: str = ""

    @property
    def missing(self) -> int:
        """Images of the split that are not on disk."""
        return sum(len(fault.missing) for fault in self.faults)

    @property
    def unreadable(self) -> int:
        """Images on disk that cannot be decoded."""
        return sum(len(fault.unreadable) for fault in self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Return a mapping for JSON, with the numbers of missing and unreadable images."""
        return {**asdict(self), "missing": self.missing, "unreadable": self.unreadable}


def survey_dataset(
    dataset: ImageDataset,
    root: Path,
    shots: int,
    seed: int,
    cache: Path,
    workers: int,
    *,
    contents: bool = False,
) -> Survey:
    """Look at everything a run would depend on, without stopping at a fault.

    A dataset that would be made on this machine is not made now.

    Args:
        dataset: what is expected.
        root: the folder that holds the datasets' folders.
        shots: of the few-shot set.
        seed: of the few-shot set.
        cache: folder with a Parquet file per dataset of the images decoded before.
        workers: threads that decode.
        contents: read all images again, as those need that are known by size and times.
    """
    survey = Survey(
        dataset=dataset.name,
        folder=dataset.folder,
        classes_expected=dataset.classes,
        images_expected=dataset.counts._asdict(),
    )
    if not os.path.isdir(dataset.dataset_folder(root)):
        survey.to_do = (
            "nothing to do, the first run that uses it makes it"
            if dataset.make is not None
            else f"{dataset.download_advice}, or get it from {dataset.source}"
        )
        return survey
    with _noted(survey):
        require_dataset(dataset, root)
    with _noted(survey):
        folder = dataset.image_folder(root)
        split = dataset.split.read(dataset.dataset_folder(root), folder)
        _describe_split(survey, split, dataset)
        _describe_few_shot(survey, split, shots, seed)
        if os.path.isdir(folder):
            file = cache / f"{dataset.name}.parquet"
            inspect = partial(inspect_images, cache=file, workers=workers, contents=contents)
            _describe_images(survey, split, dataset, folder, inspect)
    survey.state = FAULTY if survey.problems else READY
    survey.to_do = survey.problems[0] if survey.problems else ""
    return survey


@contextmanager
def _noted(survey: Survey) -> Iterator[None]:
    """Note an error of the block as a problem of the dataset, and go on after it."""
    try:
        yield
    except DataError as error:
        survey.problems.append(str(error))


def _describe_split(survey: Survey, split: Split, dataset: ImageDataset) -> None:
    survey.classes = len(class_names_of(split.table))
    survey.images = split.counts._asdict()
    survey.split_sha256, survey.split_check = split.sha256, "differs"
    with _noted(survey):
        verify_split(split, dataset)
        survey.split_check = "counts" if dataset.split_sha256 is None else "hash"


def _describe_few_shot(survey: Survey, split: Split, shots: int, seed: int) -> None:
    if not survey.images["train"]:
        return  # for testing only
    with _noted(survey):
        few_shot = sample_from_split(survey.dataset, split, shots, seed)
        survey.few_shot_digest = few_shot.digest
        if published := published_digest(survey.dataset, shots, seed):
            survey.few_shot_published = few_shot.digest == published
        if survey.few_shot_published is False:
            raise DataError(
                f"the few-shot set of {survey.dataset}, {shots} shots, seed {seed} has the digests "
                f"{few_shot.digest}, published is {published}; results would not be comparable, so "
                "get the official split file again"
            )


def _describe_images(
    survey: Survey,
    split: Split,
    dataset: ImageDataset,
    folder: Path,
    inspect: Callable[[ImageIndex], ImageCheck],
) -> None:
    table = split.table
    absent = find_absent(table["path"], folder)
    there = table[~absent]
    fingerprints, unreadable = fingerprint_readable(there["path"].tolist(), folder)
    readable = there[there["path"].isin(list(fingerprints))].assign(source=dataset.name)
    readable["fingerprint"] = readable["path"].map(fingerprints).astype(str)
    card = DatasetCard(
        name=dataset.name,
        folder=folder,
        class_names=class_names_of(table),
        template=dataset.template,
        split_sha256=split.sha256,
    )
    check = inspect(ImageIndex(readable, card))
    survey.bytes_on_disk = check.bytes_on_disk
    missing = {
        path: "a link that leads to no file" if os.path.islink(folder / path) else "no such file"
        for path in table.loc[absent, "path"].tolist()
    }
    missing |= dict.fromkeys(check.missing, "gone while it was looked at")
    survey.faults = _by_class(table, missing, unreadable | dict(check.unreadable))
    if survey.faults:
        survey.problems.append(
            f"{survey.missing:,} images are missing and {survey.unreadable:,} unreadable, in "
            f"{len(survey.faults):,} classes; restore them from {dataset.source}"
        )


def _by_class(
    table: pd.DataFrame, missing: dict[str, str], unreadable: dict[str, str]
) -> list[ClassFaults]:
    faulty = table[table["path"].isin([*missing, *unreadable])]
    sizes = table["label"].value_counts()
    return [
        ClassFaults(
            label=int(label),
            class_name=rows["class_name"].iloc[0],
            images=int(sizes[label]),
            missing=_with_reasons(rows["path"], missing),
            unreadable=_with_reasons(rows["path"], unreadable),
        )
        for label, rows in faulty.groupby("label")
    ]


def _with_reasons(paths: pd.Series, reasons: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((path, reasons[path]) for path in paths if path in reasons)
