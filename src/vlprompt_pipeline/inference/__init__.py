"""Label photos with a model, whatever it is stored as: registered, exported, or on the hub.

Loaded by name: an exported folder is used without torch and MLflow, which take seconds to import.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ImageModel": "models",
    "LabelFile": "label_file",
    "Photo": "photos",
    "Prediction": "predictions",
    "find_photos": "photos",
    "label_to_file": "labelling",
    "open_model": "models",
    "predict_photos": "predictions",
    "read_paths": "photos",
    "table_columns": "predictions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
