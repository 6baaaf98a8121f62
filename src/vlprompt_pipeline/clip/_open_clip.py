"""Import open_clip and torchvision, also where torchvision's compiled operators cannot load.

The other modules import both from here.

A CUDA-linked torchvision beside a CPU build of torch fails at import: it registers fakes for two
operators its library never defined. Nothing in CLIP calls them, so giving the dispatcher their
schemas is enough; torchvision is then imported again. Where the plain import works this is inert.
"""

from __future__ import annotations

import torch

_MISSING_OPS = ("nms", "qnms")
_library: torch.library.Library | None = None  # kept alive: dropping it removes the schemas

try:
    import torchvision
except RuntimeError as error:
    if "operator torchvision::" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "DEF")
    for op in _MISSING_OPS:
        _library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

import open_clip

__all__ = ["open_clip", "torchvision"]
