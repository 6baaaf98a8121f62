"""The files that a trained prompt is exported as.

Importing the package imports all modules in it, and a format's module registers the format.
"""

from importlib import import_module
from pkgutil import iter_modules

from vlprompt_pipeline.export.formats.registry import (
    EXPORT_FORMATS,
    ExportContext,
    ExportFormat,
    register,
)

__all__ = ["EXPORT_FORMATS", "ExportContext", "ExportFormat", "register"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
