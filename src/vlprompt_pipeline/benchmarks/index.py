"""From a dataset's name and the folder of all datasets to its index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline.benchmarks.benchmark import Benchmark
from vlprompt_pipeline.benchmarks.fingerprints import fingerprint_images
from vlprompt_pipeline.benchmarks.presence import require_present
from vlprompt_pipeline.benchmarks.registry import get_benchmark
from vlprompt_pipeline.benchmarks.schema import COLUMNS, class_names_of, validate_index
from vlprompt_pipeline.benchmarks.verification import require_dataset, verify_split
from vlprompt_pipeline.errors import DataError


@dataclass(frozen=True, eq=False)
class BenchmarkIndex:
    """All images of a dataset, and what is needed to read and name them.

    Attributes:
        name: name of the dataset.
        table: one row an image, columns and order as `schema` describes.
        folder: absolute; `folder / path` is the image of a row.
        class_names: names in label order.
        template: text of the zero-shot prompt, with `{}` for the class name.
        split_sha256: content hash of the split, kept with every result made from it.
        is_random_split: False for the official split; results of another are not comparable.
    """

    name: str
    table: pd.DataFrame
    folder: Path
    class_names: tuple[str, ...]
    template: str
    split_sha256: str
    is_random_split: bool = False

    def to_card(self) -> dict[str, Any]:
        """Everything but the table, JSON-able; `from_card` joins the two again."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "class_names": list(self.class_names),
            "template": self.template,
            "split_sha256": self.split_sha256,
            "is_random_split": self.is_random_split,
        }

    @classmethod
    def from_card(cls, table: pd.DataFrame, card: Mapping[str, Any]) -> BenchmarkIndex:
        """Join a stored table and its card.

        Raises:
            DataError: the table is no index, or card and table are of different datasets.
        """
        validate_index(table, f"stored index of {card['name']}")
        names = tuple(card["class_names"])
        if set(table["source"].unique()) != {card["name"]} or class_names_of(table) != names:
            raise DataError(
                f"the stored index and card of {card['name']} do not belong together; "
                "run data_preparation again"
            )
        return cls(**{**card, "table": table, "folder": Path(card["folder"]), "class_names": names})


def build_index(benchmark: str | Benchmark, dataset_root: Path | str) -> BenchmarkIndex:
    """Index a dataset, after checking its split and that every image is there.

    Args:
        benchmark: a name of the registry, or a variant of one of its values.
        dataset_root: the folder that holds the datasets' folders. Datasets that can be made on
            this machine are made there at their first use.

    Raises:
        ConfigError: the name is unknown.
        DataError: the dataset, its annotations or some of its images are absent or not as expected.
    """
    if isinstance(benchmark, str):
        benchmark = get_benchmark(benchmark)
    root = Path(dataset_root).expanduser().resolve()
    if benchmark.make is not None:
        benchmark.make(root)
    require_dataset(benchmark, root)
    folder = benchmark.image_folder(root)
    split = benchmark.split.read(benchmark.dataset_folder(root), folder)
    verify_split(split, benchmark)
    require_present(
        split.table,
        folder,
        origin=f"the split of {benchmark.name}",
        remedy=f"restore them from {benchmark.source}",
    )
    fingerprints = fingerprint_images(split.table["path"].tolist(), folder)
    table = split.table.assign(fingerprint=fingerprints, source=benchmark.name)[list(COLUMNS)]
    validate_index(table, f"index of {benchmark.name}")
    return BenchmarkIndex(
        name=benchmark.name,
        table=table,
        folder=folder,
        class_names=class_names_of(table),
        template=benchmark.template,
        split_sha256=split.sha256,
    )
