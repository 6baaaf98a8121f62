"""What is measured: the same step the published way and ours, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from published import published
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, get_method

Result = tuple[Tensor, Tensor]
Side = Callable[[], Result]

COOP = {"init": None, "class_specific": False, "class_position": "end"}
WORDS = {"length": 4, "init": "a photo of a"}
SAMPLED = WORDS | {
    "samples": 10,
    "kl_weight": 0.001,
    "prediction": "sampled",
    "initial_log_variance": -8.0,
}
BATCH = 32  # images of a CoOp step
IMAGES = 10_000  # of the evaluation
ENCODED = 16  # of them: the published side is timed on these


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        target: times that ours should be faster.
        reference: the published way; returns loss and gradients, all as one vector.
        part: share of the published work that `reference` does; its time is divided by it.
        same: ours on what `reference` does, where that is a part.
    """

    title: str
    target: float
    reference: Side
    ours: Side
    part: float = 1.0
    same: Side | None = None


def class_names(count: int) -> tuple[str, ...]:
    """Names spread evenly over the 1,000 of ImageNet, the longest among all of them."""
    names = open_clip.IMAGENET_CLASSNAMES
    return tuple(names[:: len(names) // count][:count])


def learner(clip: FrozenClip, method: str, classes: int, prompt: dict) -> PromptLearner:
    """A learner with random tensors and draws, the same for the same arguments."""
    registered = get_method(method)
    texts = ClassTexts(class_names(classes), "a photo of a {}.")
    generator = torch.Generator().manual_seed(0)
    return registered.learner(clip, texts, registered.parameters(**prompt), generator).eval()


def step(of: PromptLearner, images: Tensor) -> Result:
    """Forward and backward of a training step."""
    of.zero_grad()
    labels = torch.arange(len(images), device=images.device) % len(of.classes.names)
    loss = of.backward(of.losses(images, labels))
    gradients = [p.grad.flatten() for p in of.parameters() if p.grad is not None]
    return loss.detach(), torch.cat(gradients)


def features(clip: FrozenClip, count: int) -> Tensor:
    """Random image features, normalised."""
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(count, clip.embed_dim, generator=generator)
    return F.normalize(drawn, dim=-1).to(clip.device)


def pixels(clip: FrozenClip, count: int) -> Tensor:
    """Random images."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 3, 224, 224, generator=generator).to(clip.device)


def cases(clip: FrozenClip) -> dict[str, Callable[[], Case]]:
    """All rows that compare with the published way, made when they are asked for."""
    rows: dict[str, Callable[[], Case]] = {}
    for classes in (50, 100):
        for length in (16, 4):
            title = f"CoOp text step, {classes} classes, M={length}"
            prompt = {"length": length, **COOP}
            rows[f"coop-{classes}-{length}"] = partial(
                _cached, clip, title, 8, "coop", classes, prompt, BATCH
            )
    rows["cocoop-1"] = partial(
        _cached, clip, "CoCoOp step, 1 × 50 classes", 8, "cocoop", 50, WORDS, 1
    )
    rows["cocoop-4"] = partial(_cocoop, clip)
    rows["variational"] = partial(_variational, clip)
    rows["maple"] = partial(_maple, clip)
    rows["coop-whole"] = partial(_whole_step, clip)
    rows["evaluation"] = partial(_evaluation, clip)
    return rows


def _cached(
    clip: FrozenClip, title: str, target: float, method: str, classes: int, prompt: dict, count: int
) -> Case:
    """A step from features that are there on both sides."""
    images = features(clip, count)
    sides = (learner(one, method, classes, prompt) for one in (published(clip), clip))
    return Case(title, target, *(_step_of(side, images) for side in sides))


def _cocoop(clip: FrozenClip) -> Case:
    """The published way takes an image after the other, and 2 GB for each."""
    sides = [learner(one, "cocoop", 50, WORDS) for one in (published(clip), clip)]
    images = features(clip, 4)
    reference, same = (_step_of(side, images[:1]) for side in sides)
    title = "CoCoOp step, 4 × 50 classes (published: 1 image timed)"
    return Case(title, 8, reference, _step_of(sides[1], images), 1 / 4, same)


def _variational(clip: FrozenClip) -> Case:
    """Ten samples would take 17 GB the published way."""
    some = SAMPLED | {"samples": 2}
    sides = [learner(one, "variational", 50, some) for one in (published(clip), clip)]
    images = features(clip, 1)
    reference, same = (_step_of(side, images) for side in sides)
    ours = _step_of(learner(clip, "variational", 50, SAMPLED), images)
    title = "variational step, 10 samples × 50 classes (published: 2 samples timed)"
    return Case(title, 8, reference, ours, 2 / 10, same)


def _maple(clip: FrozenClip) -> Case:
    images, prompt = pixels(clip, 4), {"length": 2, "init": "a photo of a", "depth": 9}
    sides = (learner(one, "maple", 100, prompt) for one in (published(clip), clip))
    title = "MaPLe step, 4 images × 100 classes, depth 9"
    return Case(title, 3.5, *(_step_of(side, images) for side in sides))


def _step_of(of: PromptLearner, images: Tensor) -> Side:
    return lambda: step(of, images)


def _whole_step(clip: FrozenClip) -> Case:
    """Encoding the batch in every step, against features that are there."""
    prompt = {"length": 16, **COOP}
    theirs, ours = (learner(one, "coop", 100, prompt) for one in (published(clip), clip))
    images = pixels(clip, BATCH)
    cached = clip.encode_images(images)
    return Case(
        "whole CoOp step, 32 images of 224 pixels, 100 classes, M=16, against cached features",
        20,
        lambda: step(theirs, clip.encode_images(images)),
        lambda: step(ours, cached),
    )


def _evaluation(clip: FrozenClip) -> Case:
    """10,000 images: features that are there, against encoding them."""
    prompt = {"length": 16, **COOP}
    sides = (published(clip), clip)
    theirs, ours = (learner(one, "coop", 100, prompt) for one in sides)
    images = pixels(clip, ENCODED)
    cached = clip.encode_images(images)
    all_cached = torch.cat([cached, features(clip, IMAGES - ENCODED)])

    @torch.no_grad()
    def reference() -> Result:
        return theirs.logits(clip.encode_images(images)).mean(), torch.zeros(1)

    @torch.no_grad()
    def fast() -> Result:
        return ours.logits(all_cached)[:ENCODED].mean(), torch.zeros(1)

    title = f"evaluation of 10,000 images, 100 classes (published: {ENCODED} images timed)"
    return Case(title, 200, reference, fast, part=ENCODED / IMAGES)
