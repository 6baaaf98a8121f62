"""Imports that wait: modules of a package until a name is used, libraries that may be absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from vlprompt_pipeline.errors import UserError


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        modules: by each public name, the module below the package that defines it.

    Raises:
        AttributeError: by `__getattr__`, for a name that is not in `modules`.
        ValueError: a name is that of a module too, which hides it once it is imported.
    """
    if hidden := modules.keys() & set(modules.values()):
        raise ValueError(f"{package}: {sorted(hidden)} would become a module once it is imported")

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get, lambda: sorted(modules)


def require_extra(extra: str, what: str, *libraries: str) -> None:
    """Refuse where a library of an extra of this package is missing.

    Raises:
        UserError: with the command that installs it.
    """
    try:
        for library in libraries:
            import_module(library)
    except ImportError as error:
        raise UserError(
            f"{what} needs {error.name}: pip install 'vlprompt_pipeline[{extra}]'"
        ) from None
