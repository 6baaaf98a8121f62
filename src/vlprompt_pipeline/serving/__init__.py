"""A model behind HTTP: images in, labels out, with limits on what a request may ask for.

Loaded by name, so that FastAPI, an extra of the package, is imported by those who serve alone.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ServingSettings": "settings",
    "create_app": "app",
    "require_serving": "server",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
