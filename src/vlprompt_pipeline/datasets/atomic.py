"""kedro-datasets that are either whole or absent, and read only as they were written.

A file is written beside, flushed and renamed, and its manifest follows (module `manifests`).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from kedro_datasets._typing import TablePreview
from kedro_datasets.json import JSONDataset as _JSON
from kedro_datasets.matplotlib import MatplotlibDataset as _Matplotlib
from kedro_datasets.pandas import CSVDataset as _CSV
from kedro_datasets.pandas import ParquetDataset as _Parquet
from kedro_datasets.text import TextDataset as _Text
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy import ndarray

from vlprompt_pipeline.errors import UserError, reason_of
from vlprompt_pipeline.filesystem.manifests import (
    RUN_AGAIN,
    described_write,
    layer_path,
    require_described,
)
from vlprompt_pipeline.filesystem.places import is_there, local
from vlprompt_pipeline.reports.sheet import SVG_STYLE

_UTF_8 = {"encoding": "utf-8"}  # whatever the locale


class _AtomicSave:
    """Lets the dataset below it write to a temporary path that is renamed on success.

    Args:
        filepath: of the file; with `s3://` and the like it is read and written as a local copy.
        source: `{path: …}` of the file that this one is made from; once that changes, this file is
            refused.
        shared: whether several runs fill its folder, see `require_described`.
        options: as of the dataset below.
    """

    _writing: PurePosixPath | None = None

    def __init__(
        self,
        *,
        filepath: str,
        source: dict[str, str] | None = None,
        shared: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(filepath=str(local(filepath)), **options)
        self._source, self._shared = source and local(source["path"]), shared

    @property
    def filepath(self) -> Path:
        """Where the file is; kedro-datasets keep it private."""
        return Path(self._filepath)

    def load(self) -> Any:
        """Read the file.

        Raises:
            UserError: no run has written it yet, or it is not as it was written.
        """
        if not self._exists():
            raise UserError(
                f"no {self.filepath}: run the pipeline that writes it, or kedro run as a whole"
            )
        made_from = layer_path(self.filepath)
        require_described(self.filepath, made_from, RUN_AGAIN, self._source, shared=self._shared)
        try:
            return super().load()
        except Exception as error:  # parsers raise nearly anything on garbage
            raise UserError(
                f"{self.filepath} cannot be read ({reason_of(error)}); {RUN_AGAIN}"
            ) from error

    def save(self, data: Any) -> None:
        """Write the file and its manifest."""
        with described_write(self.filepath, layer_path(self.filepath), self._source) as temporary:
            self._writing = PurePosixPath(temporary)
            try:
                super().save(data)
            finally:
                self._writing = None

    def _exists(self) -> bool:
        return is_there(self.filepath)

    def _get_save_path(self) -> PurePosixPath:
        return self._writing or super()._get_save_path()


class JSONDataset(_AtomicSave, _JSON):
    """`kedro_datasets.json.JSONDataset`, written atomically."""


class CSVDataset(_AtomicSave, _CSV):
    """`kedro_datasets.pandas.CSVDataset`, written atomically."""

    DEFAULT_FS_ARGS: ClassVar = {"open_args_save": _UTF_8 | {"mode": "w"}}


class ParquetDataset(_AtomicSave, _Parquet):
    """`kedro_datasets.pandas.ParquetDataset`, written atomically."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, what is an array as a list: Kedro-Viz shows JSON."""
        table = super().preview(nrows)
        table["data"] = [
            [cell.tolist() if isinstance(cell, ndarray) else cell for cell in row]
            for row in table["data"]
        ]
        return table


class TextDataset(_AtomicSave, _Text):
    """`kedro_datasets.text.TextDataset`, written atomically."""

    DEFAULT_FS_ARGS: ClassVar = {
        "open_args_save": _UTF_8 | {"mode": "w"},
        "open_args_load": _UTF_8 | {"mode": "r"},
    }


class FigureDataset(_AtomicSave, _Matplotlib):
    """`kedro_datasets.matplotlib.MatplotlibDataset`, written atomically.

    The same figure gives the same bytes: as SVG with `metadata: {Date: null}` in `save_args`.
    """

    def _save_to_fs(self, full_key_path: str, plot: Figure) -> None:
        with rc_context(SVG_STYLE):
            super()._save_to_fs(full_key_path, plot)
