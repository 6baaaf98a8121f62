"""Auxiliary heads: plain classifiers of what is in the picture, dropped after pre-training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.image_datasets.rendered.aerial import FEATURES, LANDS
from vlprompt_pipeline.image_datasets.rendered.flags import LAYOUTS
from vlprompt_pipeline.image_datasets.rendered.glyphs import GLYPHS
from vlprompt_pipeline.image_datasets.rendered.palette import COLOURS
from vlprompt_pipeline.image_datasets.rendered.patterns import PATTERNS, SCALES
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    COLOURLESS,
    COUNTS,
    KINDS,
    STYLES,
    FlagScene,
    Scene,
)
from vlprompt_pipeline.image_datasets.rendered.shapes import SHAPES

_ABSENT = -100  # ignored by the cross entropy
_TYPICAL_HEADS = 3.0  # attributes a scene has, about; keeps the loss per picture near one head's

_HEADS: dict[str, tuple[str, ...]] = {
    "kind": tuple(kind.__name__ for kind in KINDS),
    "style": STYLES,
    "colour": COLOURS,
    "second": COLOURS,
    "noun": SHAPES + GLYPHS + FEATURES,
    "pattern": PATTERNS,
    "scale": tuple(SCALES),
    "count": COUNTS,
    "layout": LAYOUTS,
    "land": LANDS,
}


def _values(scene: Scene) -> dict[str, str]:
    values = {name: getattr(scene, name, "") for name in _HEADS}
    noun = next((getattr(scene, n) for n in ("shape", "glyph", "feature") if hasattr(scene, n)), "")
    values |= {"kind": type(scene).__name__, "noun": noun}
    if isinstance(scene, FlagScene):
        values |= {"colour": scene.colours[0], "second": scene.colours[1]}
    if scene.style in COLOURLESS:
        values |= {"colour": "", "second": ""}
    return values


def attribute_labels(scenes: Sequence[Scene]) -> Tensor:
    """Return the index of each attribute's value, int64 `[scenes, heads]`; -100 for none."""
    rows = []
    for scene in scenes:
        values = _values(scene)
        rows.append(
            [
                options.index(values[name]) if values[name] else _ABSENT
                for name, options in _HEADS.items()
            ]
        )
    return torch.tensor(rows)


class AttributeHeads(nn.Module):
    """A linear classifier of the image feature for each attribute."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = [len(options) for options in _HEADS.values()]
        self.weight = nn.Parameter(
            torch.randn(sum(self.sizes), width, generator=generator) * width**-0.5
        )
        self.bias = nn.Parameter(torch.zeros(sum(self.sizes)))

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Sum the cross entropies of features `[n, width]` over present attributes, per picture."""
        scores = F.linear(features, self.weight, self.bias).split(self.sizes, dim=1)
        losses = [
            F.cross_entropy(score, labels[:, i], ignore_index=_ABSENT, reduction="sum")
            for i, score in enumerate(scores)
        ]
        return torch.stack(losses).sum() / (_TYPICAL_HEADS * len(labels))
