"""The index of a dataset: a table of its images, and a card with all else there is to know.

Most stages need the card alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets.findings import Findings
from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_images
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import get_image_dataset
from vlprompt_pipeline.image_datasets.presence import require_present
from vlprompt_pipeline.image_datasets.random_datasets import split_at_random
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import COLUMNS, PARTS, class_names_of
from vlprompt_pipeline.image_datasets.split import Split
from vlprompt_pipeline.image_datasets.verification import require_dataset, verify_split


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """Describe an indexed dataset.

    Attributes:
        name: name of the dataset.
        folder: absolute; `folder / path` is the image of a row of the index.
        class_names: names in label order.
        template: text of the zero-shot prompt, with `{}` for the class name.
        split_sha256: content hash of the split, kept with every result made from it.
        random_split: how the split was drawn here, such as "own random split, seed 1"; stands in
            every result made from it. Empty for the split that the data came with.
        findings: what lies beside the images of own data; None for a dataset that has a name here.
    """

    name: str
    folder: Path
    class_names: tuple[str, ...]
    template: str
    split_sha256: str
    random_split: str = ""
    findings: Findings | None = None


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """All images of a dataset, and what is needed to read and name them.

    Attributes:
        table: one row an image, columns and order as `schema` describes.
        card: everything else.
    """

    table: pd.DataFrame
    card: DatasetCard

    @classmethod
    def join(cls, table: pd.DataFrame, card: DatasetCard) -> ImageIndex:
        """Join a stored table and its card.

        Raises:
            DataError: they are of different datasets.
        """
        sources = set(table["source"].unique())
        if sources != {card.name} or class_names_of(table) != card.class_names:
            raise DataError(
                f"the stored index and card of {card.name} do not belong together; "
                "run data_preparation again"
            )
        return cls(table, card)

    def to_split(self) -> dict[str, list[list[Any]]]:
        """Give the split in the form of the published split files, which `read_split` reads."""
        columns = ["path", "label", "class_name"]
        rows = {part: self.table.loc[self.table["part"] == part, columns] for part in PARTS}
        return {part: chosen.to_numpy(dtype=object).tolist() for part, chosen in rows.items()}


def build_index(
    dataset: str | ImageDataset, dataset_root: Path | str, random_split: RandomSplit | None = None
) -> ImageIndex:
    """Index a dataset, after checking its split and that every image is there.

    Args:
        dataset: a name of the registry, or a variant of one of its values.
        dataset_root: the folder that holds the datasets' folders. Datasets that can be made on
            this machine are made there at their first use.
        random_split: draw a split like this in place of the official one, and mark it so.

    Raises:
        ConfigError: the name is unknown, or the dataset cannot be split at random.
        DataError: the dataset, its annotations or some of its images are absent or not as expected.
    """
    if isinstance(dataset, str):
        dataset = get_image_dataset(dataset)
    root = at_home(dataset_root).resolve()
    fingerprints = None
    if random_split is None:
        if dataset.make is not None:
            dataset.make(root)
        require_dataset(dataset, root)
        folder = dataset.image_folder(root)
        split = dataset.split.read(dataset.dataset_folder(root), folder)
        verify_split(split, dataset)
    else:
        split, fingerprints = split_at_random(dataset, root, random_split)
    return index_split(
        split,
        dataset.image_folder(root),
        name=dataset.name,
        template=dataset.template,
        remedy=f"restore them from {dataset.source}",
        random_split=random_split.mark if random_split else "",
        fingerprints=fingerprints,
    )


def index_split(
    split: Split,
    folder: Path,
    *,
    name: str,
    template: str,
    remedy: str,
    random_split: str,
    findings: Findings | None = None,
    fingerprints: Mapping[str, str] | None = None,
) -> ImageIndex:
    """Index the images of a split.

    Args:
        split: which images there are.
        folder: what their paths are relative to.
        name: name of the dataset.
        template: text of the zero-shot prompt.
        remedy: what to do where images are absent, for the message.
        random_split: as of `DatasetCard`.
        findings: as of `DatasetCard`.
        fingerprints: of the images by path, if they are known already.

    Raises:
        DataError: images are absent or cannot be read.
    """
    require_present(split.table, folder, origin=f"the split of {name}", remedy=remedy)
    paths = split.table["path"].tolist()
    if fingerprints is None or not set(paths) <= set(fingerprints):
        fingerprints = dict(zip(paths, fingerprint_images(paths, folder), strict=True))
    column = [fingerprints[path] for path in paths]
    table = split.table.assign(fingerprint=column, source=name)[list(COLUMNS)]
    card = DatasetCard(
        name=name,
        folder=folder,
        class_names=class_names_of(table),
        template=template,
        split_sha256=split.sha256,
        random_split=random_split,
        findings=findings,
    )
    return ImageIndex(table, card)
