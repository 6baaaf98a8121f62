"""A user's own photos as a dataset: a folder or a table below the dataset root, and no code.

| module | what it does |
| --- | --- |
| `location` | from a name to the folder or table |
| `folders`, `tables` | the layouts that are read, all into `gathered.Gathered` |
| `kept_split` | which photos are for testing, from the first draw on |
| `class_names` | what classes are called |
| `build` | the index |
"""

from vlprompt_pipeline.image_datasets.own_data.build import (
    OwnData,
    build_own_index,
    gather_own_data,
    own_class_names,
)
from vlprompt_pipeline.image_datasets.own_data.location import require_dataset_name

__all__ = [
    "OwnData",
    "build_own_index",
    "gather_own_data",
    "own_class_names",
    "require_dataset_name",
]
