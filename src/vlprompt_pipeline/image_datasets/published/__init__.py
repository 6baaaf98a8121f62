"""The 11 datasets of the published protocols and the 4 shifted variants of ImageNet.

Importing the package imports all modules in it, and a dataset's module registers the dataset.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
