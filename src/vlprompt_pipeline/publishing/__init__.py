"""A trained prompt as a repository of the Hugging Face hub: written, uploaded, fetched and loaded.

Loaded by name, so that a fetched model is verified without torch and MLflow.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Licences": "licences",
    "Publication": "folder",
    "fetch_published": "hub",
    "is_published_prompt": "layout",
    "load_published": "loading",
    "require_repository": "hub",
    "upload": "hub",
    "write_publication": "folder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
