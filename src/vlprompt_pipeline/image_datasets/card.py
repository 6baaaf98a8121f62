"""What a dataset is besides its images: where they lie, how they are named and how they are split.

An `ImageIndex` is a card and a table; the card alone is what most stages need.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.image_datasets.findings import Findings


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
