"""Zero-shot accuracy of a freshly trained model on the rendered datasets, as its file will be."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vlprompt_pipeline.demo.model import encode_text, normalise
from vlprompt_pipeline.demo.tokens import CompactTokens
from vlprompt_pipeline.demo.trainer import Trained
from vlprompt_pipeline.image_datasets.rendered import RENDERED, RenderedDataset, draw_class

_BATCH = 512
_SEED = 0  # the test pictures that `render_dataset` writes by default


@dataclass(frozen=True)
class ZeroShot:
    """Top-1 accuracy in percent, over all classes and within either half of them.

    The base half is the first ceil(n / 2) labels, as in base-to-new generalisation; a half is
    scored among its own classes only.
    """

    everything: float
    base: float
    new: float
    classes: int
    pictures: int


def zero_shot(trained: Trained, names: Sequence[str] = tuple(RENDERED)) -> dict[str, ZeroShot]:
    """Measure the accuracy on test pictures of each dataset, with weights rounded to fp16."""
    model = copy.deepcopy(trained.model).half().float().eval()
    return {name: _score(model, trained.tokens, RENDERED[name]) for name in names}


@torch.no_grad()
def _score(model: nn.Module, tokens: CompactTokens, dataset: RenderedDataset) -> ZeroShot:
    per_class = dataset.images["test"]
    labels = torch.arange(len(dataset.classes)).repeat_interleave(per_class)
    pictures = [
        picture
        for label in range(len(dataset.classes))
        for picture in draw_class(dataset, "test", label, per_class, _SEED)
    ]
    prompts = [dataset.template.format(name) for name in dataset.classes]
    texts = encode_text(model, tokens.encode(prompts))
    images = torch.cat(
        [
            model.encode_image(normalise(np.stack(pictures[i : i + _BATCH])), normalize=True)
            for i in range(0, len(pictures), _BATCH)
        ]
    )
    scores, middle = images @ texts.T, (len(dataset.classes) + 1) // 2
    base = labels < middle
    return ZeroShot(
        everything=_accuracy(scores, labels),
        base=_accuracy(scores[base, :middle], labels[base]),
        new=_accuracy(scores[~base, middle:], labels[~base] - middle),
        classes=len(dataset.classes),
        pictures=len(pictures),
    )


def _accuracy(scores: Tensor, labels: Tensor) -> float:
    """Return the percentage of rows whose largest score is their label's, rounded to 0.1."""
    return round(100 * (scores.argmax(dim=1) == labels).float().mean().item(), 1)
