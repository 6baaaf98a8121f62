"""A digest of the code that a result depends on: a changed line makes the result due again.

Counted is the source of the modules that a stage begins in and of all modules of this package that
they import, directly or through others, whether at the top or inside a function. Of a user's own
module those beside it count likewise, but nothing that is installed as a library. Comments,
docstrings, formatting and what stands under `TYPE_CHECKING` do not count, nor do rooms that only
word or show things, and rooms whose outcome is an input known by its content (`NOT_FOLLOWED`), but
where a stage begins in one. A package's `__init__` that hands on a name, at once or on first use,
leads to the module that defines the name, so a method counts where it is used and not where all are
listed. What is edited while a process runs has a digest that no other process gives: its results
are due again, whichever of the two made them.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
_IMPORTED = time.time()
_LIBRARIES = {"site-packages", "dist-packages"}
NOT_FOLLOWED = {
    "errors",
    "hooks",
    "image_datasets",
    "progress",
    "registry",
    "reports",
    "results",
    "wording",
}
"""Modules and rooms of the package."""

_LOADING = f"{PACKAGE.name}.clip.loading"  # no stage imports it, a connector does
_TRAINING = (f"{PACKAGE.name}.pipelines.prompt_training.nodes", _LOADING)
STAGES = {
    "features": (f"{PACKAGE.name}.clip.features", f"{PACKAGE.name}.clip.views", _LOADING),
    "training": _TRAINING,
    "results": (
        *_TRAINING,
        f"{PACKAGE.name}.pipelines.quantization_export.nodes",
        f"{PACKAGE.name}.pipelines.evaluation.nodes",
        f"{PACKAGE.name}.pipelines.evaluation.record",
        f"{PACKAGE.name}.pipelines.transfer.nodes",
    ),
}
"""Where stages begin. What a run chooses by name, such as its method, is named beside a stage."""


def code_digest(*starts: str | Callable[..., Any]) -> str:
    """Return SHA-256 of the code of modules and of what they import, but libraries.

    Args:
        starts: stages (`STAGES`), names of modules of this package, or classes and functions: one
            of a user's own module counts with that module and with what it imports.

    Example:
        >>> from vlprompt_pipeline.methods import get_method
        >>> len(code_digest("results", get_method("coop").learner))
        64
    """
    return _digest(frozenset(_modules_of(starts)))


@lru_cache(maxsize=256)
def _digest(starts: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for module in counted_modules(*starts):
        digest.update(f"{module} {_hash_of(module)}\n".encode())
    return digest.hexdigest()


def counted_modules(*starts: str) -> list[str]:
    """List the names of the modules that `code_digest` reads, sorted."""
    counted: set[str] = set()
    waiting = list(starts)
    closed = NOT_FOLLOWED - set(map(_room, starts))
    while waiting:
        module = waiting.pop()
        if module not in counted and _room(module) not in closed:
            counted.add(module)
            waiting += _imports(module)
    return sorted(counted)


def _modules_of(starts: Iterable[str | Callable[..., Any]]) -> Iterator[str]:
    for start in starts:
        if isinstance(start, str):
            yield from STAGES.get(start, (start,))
        else:
            function = getattr(start, "func", start)  # that of a partial
            yield getattr(function, "__module__", None) or "builtins"


def _room(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.split(".")[0] if package == PACKAGE.name else ""


@cache
def _hash_of(module: str) -> str:
    """Hash the module's syntax; what was edited since the import may not be what computes here."""
    file = _file_of(module)
    edited = file is not None and file.stat().st_mtime > _IMPORTED
    syntax = repr(_plain(_tree(module)))
    return hashlib.sha256(f"{syntax}{' edited since' * edited}".encode()).hexdigest()


@cache
def _tree(module: str) -> ast.Module:
    """Return the module's syntax without docstrings and what stands under `TYPE_CHECKING`."""
    if (file := _file_of(module)) is None:
        return ast.Module([], [])
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each) and not _is_for_types(each)]
    return tree


def _is_text(node: ast.AST) -> bool:
    """Tell whether it is a docstring, or the text below an attribute that describes it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _plain(node: Any) -> Any:
    """Return the syntax as nested tuples without places and what is empty, equal in all Pythons."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        return (type(node).__name__, *((name, _plain(value)) for name, value in fields))
    return tuple(map(_plain, node)) if isinstance(node, list) else node


@cache
def _imports(module: str) -> list[str]:
    """Return what a module imports and is no library, each the module that defines the name."""
    imported: list[str] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            source = _imported_from(node, module)
            if _is_followed(source, module):
                imported += [_defining(source, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names if _is_followed(alias.name, module)]
    return imported


def _imported_from(node: ast.ImportFrom, module: str) -> str:
    """Return the absolute name of the module that `from … import` names in a module."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    above = parts[: len(parts) - node.level + _is_package(module)]
    return ".".join([*above, *([node.module] if node.module else [])])


def _is_followed(name: str, module: str) -> bool:
    """Tell whether an import of a module leads on: into its own package, into this one, or beside.

    Modules of this package import libraries alone beside their own.
    """
    top = name.partition(".")[0]
    if top in (PACKAGE.name, module.partition(".")[0]):
        return True
    if _is_own(module) or not top or top in sys.stdlib_module_names:
        return False
    return any(not _LIBRARIES & set(each.parts) for each in _locations(top))


def _defining(module: str, name: str) -> str:
    """Return the module that `from module import name` leads to."""
    if _file_of(f"{module}.{name}"):
        return f"{module}.{name}"
    for node in _tree(module).body if _is_package(module) else []:
        if isinstance(node, ast.ImportFrom):
            source = _imported_from(node, module)
            for alias in node.names if _is_followed(source, module) else []:
                if (alias.asname or alias.name) == name:
                    return _defining(source, alias.name)
        elif below := _lazily(node, name):
            return _defining(f"{module}.{below}", name)
    return module


def _lazily(node: ast.stmt, name: str) -> str:
    """Find the module that a package's `__getattr__, __dir__ = lazy_names(…)` has for a name.

    Empty where the statement is another one, or does not have the name.
    """
    if not isinstance(node, ast.Assign) or "__getattr__" not in ast.unparse(node.targets[0]):
        return ""
    return ast.literal_eval(node.value.args[1]).get(name, "")


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE.name


def _is_package(module: str) -> bool:
    file = _file_of(module)
    return file is not None and file.name == "__init__.py"


@cache
def _file_of(module: str) -> Path | None:
    """Return the source of a module; none of what was typed into a shell, or is compiled."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded:
        return Path(loaded) if loaded.endswith(".py") else None
    top, *below = module.split(".")
    for location in _locations(top):
        base = location.joinpath(*below)
        for file in (base / "__init__.py", base.with_suffix(".py")):
            if file.is_file():
                return file
    return None


@cache
def _locations(top: str) -> list[Path]:
    """Return where a module or package of the highest level lies, without importing it."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # what was typed into a shell has none
        return []
    if spec is None:
        return []
    return [Path(each) for each in spec.submodule_search_locations or [spec.origin or ""]]
