"""Catalog connectors. Loaded by name from the catalog, so nothing is imported before it is used."""

from importlib import import_module
from typing import Any

_HOME = {
    "CSVDataset": "atomic",
    "FigureDataset": "atomic",
    "JSONDataset": "atomic",
    "ParquetDataset": "atomic",
    "TextDataset": "atomic",
    "ClipDataset": "clip",
    "ExportDataset": "prompt",
    "FolderDataset": "folder",
    "PartitionsDataset": "partitions",
    "PromptDataset": "prompt",
    "RecordDataset": "record",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
