"""Trained prompts as versions of registered MLflow models: packaged, compared, promoted.

Loaded by name, so that MLflow, which takes seconds, is imported by those who use it alone.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Evaluated": "registration",
    "ModelRegistry": "store",
    "gather": "contents",
    "find_version": "loading",
    "list_versions": "loading",
    "load_classifier": "loading",
    "open_existing": "loading",
    "promote": "promotion",
    "refusal": "promotion",
    "register": "registration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
