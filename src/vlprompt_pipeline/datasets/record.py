"""Typed records as JSON: what describes a dataset, a few-shot set or stored features."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from kedro.utils import load_obj
from kedro_datasets._typing import JSONPreview
from pydantic import TypeAdapter, ValidationError

from vlprompt_pipeline.datasets.atomic import JSONDataset
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.places import is_url, local, url_of
from vlprompt_pipeline.parsing import first_fault

_adapter = cache(TypeAdapter)  # a run loads hundreds of records of few classes


class RecordDataset(JSONDataset):
    """JSON that loads as an object of the class that the catalog names.

    ```yaml
    dataset_card:
      type: vlprompt_pipeline.datasets.RecordDataset
      record: vlprompt_pipeline.image_datasets.DatasetCard
      filepath: data/02_intermediate/dtd/dataset_card.json
    ```

    `record` is a dataclass, a pydantic model or a mapping of either. A class with the methods
    `to_dict` and `from_dict` is stored as these say, since it checks more than its types.

    With `path`, a `folder` of the record that lies below it is stored relative to it, so that the
    record of a project that is moved or copied leads to its own files. Kedro makes `path: .` the
    project's folder. One in a place is stored as its URL.

    Example:
        >>> import tempfile
        >>> from vlprompt_pipeline.datasets import RecordDataset
        >>> from vlprompt_pipeline.image_datasets import ClassSubset
        >>> stored = RecordDataset(
        ...     filepath=f"{tempfile.mkdtemp()}/classes.json",
        ...     record="vlprompt_pipeline.image_datasets.ClassSubsets",
        ... )
        >>> stored.save({"base": ClassSubset((0, 1), ("cat", "dog"))})
        >>> stored.load()["base"].class_names
        ('cat', 'dog')
    """

    def __init__(self, *, record: str, path: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._record, self._base = record, path and Path(path)

    def load(self) -> Any:
        """Read the record.

        Raises:
            UserError: no run has written the file yet.
            DataError: the file holds something else.
        """
        values = super().load()
        if self._base and "folder" in values:  # an absolute one stays as it is
            folder = values["folder"]
            folder = local(folder) if is_url(folder) else self._base / folder
            values = {**values, "folder": str(folder)}
        kind = load_obj(self._record)
        if hasattr(kind, "from_dict"):
            return kind.from_dict(values)
        try:
            return _adapter(kind).validate_python(values)
        except ValidationError as error:
            name = self._record.rpartition(".")[2]
            raise DataError(
                f"{self.filepath} is no {name} ({first_fault(error)}): "
                "run the pipeline that writes it again"
            ) from None

    def save(self, data: Any) -> None:
        """Write the record, atomically."""
        if hasattr(data, "to_dict"):
            values = data.to_dict()
        else:
            values = _adapter(load_obj(self._record)).dump_python(data, mode="json")
        if self._base:
            folder = Path(values["folder"])
            if url := url_of(folder):
                values["folder"] = url
            elif folder.is_relative_to(self._base):
                values["folder"] = folder.relative_to(self._base).as_posix()
        super().save(values)

    def preview(self) -> JSONPreview:
        """Give the JSON to Kedro-Viz, which shows no objects."""
        self._exists()
        return JSONPreview(self.filepath.read_text(encoding="utf-8"))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "record": self._record}
