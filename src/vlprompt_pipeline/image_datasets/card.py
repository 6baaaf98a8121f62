"""What a dataset is besides its images: where they lie, how they are named and how they are split.

An `ImageIndex` is a card and a table; the card alone is what most stages need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.findings import Findings


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """Describe an indexed dataset.

    Example:
        >>> card = DatasetCard(
        ...     name="pets",
        ...     folder=Path("/data/pets"),
        ...     class_names=("cat", "dog"),
        ...     template="a photo of a {}.",
        ...     split_sha256="0" * 64,
        ... )
        >>> DatasetCard.from_dict(card.to_dict()) == card
        True

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

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON-able form, which `from_dict` reads."""
        return {**asdict(self), "folder": str(self.folder), "class_names": list(self.class_names)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            DataError: a field is absent or unknown.
        """
        try:
            findings = stored["findings"]
            typed = {
                "folder": Path(stored["folder"]),
                "class_names": tuple(stored["class_names"]),
                "findings": None if findings is None else Findings.from_dict(findings),
            }
            return cls(**{**stored, **typed})
        except (KeyError, TypeError) as error:
            raise DataError(
                f"the stored dataset card is incomplete ({error}); run data_preparation again"
            ) from error
