"""Packages that import a module of theirs only once a name of it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: its `__name__`.
        modules: by each public name, the module below the package that defines it.

    Raises:
        AttributeError: by what is returned, for a name that is not in `modules`.
        ValueError: a name is that of a module too, which hides it once it is imported.
    """
    if hidden := modules.keys() & set(modules.values()):
        raise ValueError(f"{package}: {sorted(hidden)} would become a module once it is imported")

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get
