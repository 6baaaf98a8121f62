"""Write a trained prompt as one folder that runs without torch: ONNX graphs, labels, hashes.

Loaded by name, so that the ONNX libraries, an extra of the package, are imported by those who
export alone.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ShippedModel": "contents",
    "export_folder": "folder",
    "measure_variants": "measurements",
    "write_web_page": "web_page",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
