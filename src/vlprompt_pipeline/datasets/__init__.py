"""Catalog connectors. Loaded by name from the catalog, so nothing is imported before it is used."""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CSVDataset": "atomic",
        "FigureDataset": "atomic",
        "JSONDataset": "atomic",
        "ParquetDataset": "atomic",
        "TextDataset": "atomic",
        "BundleDataset": "bundle",
        "datasets_of": "bundle",
        "ClipDataset": "clip",
        "ExportDataset": "prompt",
        "FolderDataset": "folder",
        "PartitionedDataset": "partitions",
        "PartitionsDataset": "partitions",
        "PromptDataset": "prompt",
        "RecordDataset": "record",
    },
)
