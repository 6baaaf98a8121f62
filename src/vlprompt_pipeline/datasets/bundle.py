"""Several files as one entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kedro.io import AbstractDataset
from kedro.utils import load_obj


class BundleDataset(AbstractDataset[Any, Any]):
    """Files that belong together, such as those of a report, as one object of a dataclass.

    ```yaml
    results:
      type: vlprompt_pipeline.datasets.BundleDataset
      record: vlprompt_pipeline.results.cells.StoredResults
      parts:
        records: {type: vlprompt_pipeline.datasets.PartitionsDataset, path: data/records, …}
        predictions: {type: vlprompt_pipeline.datasets.PartitionsDataset, path: data/output, …}
    ```

    `record` is a dataclass with a field for each of the `parts`, which are entries like any other,
    with metadata of their own. A field that is None leaves its file as it is.
    """

    def __init__(
        self,
        *,
        record: str,
        parts: dict[str, dict[str, Any]],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._record, self.metadata = record, metadata
        self.parts = {
            name: AbstractDataset.from_config(name, dict(entry)) for name, entry in parts.items()
        }

    def load(self) -> Any:
        """Read every part."""
        return load_obj(self._record)(**{name: part.load() for name, part in self.parts.items()})

    def save(self, data: Any) -> None:
        """Write the parts one after the other, in the order of the catalog."""
        for name, part in self.parts.items():
            if (value := getattr(data, name)) is not None:
                part.save(value)

    def _exists(self) -> bool:
        return all(part.exists() for part in self.parts.values())

    def _describe(self) -> dict[str, Any]:
        return {"record": self._record, **{name: str(part) for name, part in self.parts.items()}}


def datasets_of(catalog: Any, names: Iterable[str]) -> Iterator[tuple[str, AbstractDataset]]:
    """Yield entries of a catalog by name; a bundle's part `page` of `report` is `report_page`."""
    for name in sorted(names):
        dataset = catalog.get(name)
        if isinstance(dataset, BundleDataset):
            yield from ((f"{name}_{part}", inner) for part, inner in dataset.parts.items())
        else:
            yield name, dataset
