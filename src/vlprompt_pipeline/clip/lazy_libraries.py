"""open_clip and torchvision, imported when a name of theirs is first used.

The other modules take both from here. Both take seconds to import, and what only plans or reports
needs neither.

A CUDA-linked torchvision beside a CPU build of torch fails at import: it registers fakes for two
operators its library never defined. Nothing in CLIP calls them, so giving the dispatcher their
schemas is enough; torchvision is then imported again. Where the plain import works this is inert.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

_MISSING_OPS = ("nms", "qnms")


class _OnFirstUse:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(_imported(self._name), name)


open_clip, torchvision = _OnFirstUse("open_clip"), _OnFirstUse("torchvision")

__all__ = ["open_clip", "torchvision"]


@cache
def _imported(name: str) -> ModuleType:
    _import_torchvision()  # open_clip imports it, too
    return import_module(name)


@cache  # keeps the library alive: dropping it removes the schemas
def _import_torchvision() -> torch.library.Library | None:
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for op in _MISSING_OPS:
            library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_module("torchvision")
        return library
    return None
