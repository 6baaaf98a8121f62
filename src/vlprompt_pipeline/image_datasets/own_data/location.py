"""From a dataset's name to own data: `<root>/<name>/`, `<root>/<name>.csv` or `.parquet`."""

from __future__ import annotations

import os
from pathlib import Path

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets.lookup import (
    IMAGE_DATASETS,
    is_named_dataset,
    unknown_dataset,
)


def require_dataset_name(name: str, root: Path) -> None:
    """Check that `name` is a dataset or own data below `root`; nothing is read.

    Raises:
        ConfigError: it is neither.
    """
    if not is_named_dataset(name):
        locate_own_data(name, root)


def locate_own_data(name: str, root: Path) -> Path:
    """Return the table or folder called `name`; the table if there are both, as it says more.

    Raises:
        ConfigError: there is none or more than one table, or the folder is that of a dataset.
    """
    tables = [root / f"{name}.csv", root / f"{name}.parquet"]
    tables = [table for table in tables if os.path.isfile(table)]
    if len(tables) > 1:
        raise ConfigError(
            f"dataset {name!r} has two tables in {root}, {tables[0].name} and {tables[1].name}; "
            "keep one of them there"
        )
    if tables:
        return tables[0]
    if not os.path.isdir(root / name):
        within = "" if os.path.isdir(root) else ", which is not there itself"
        raise ConfigError(
            f"{unknown_dataset(name)}, and there is no folder or table of that name in {root}"
            f"{within}"
        )
    owners = [dataset.name for dataset in IMAGE_DATASETS.values() if dataset.folder == name]
    if owners:
        raise ConfigError(
            f"dataset {name!r} is unknown; {root / name} is the folder of the dataset "
            f"{' and '.join(owners)}: ask for it by that name"
        )
    return root / name
