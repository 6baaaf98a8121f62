"""What it saves to train several prompts in one batch of the text tower.

Run: python tests/speed/side_by_side.py

Both sides train the same prompts of the embedded CLIP for one epoch of six steps, 13 classes and
32 images a step, as the analysis of the default dataset does: one after the other, or together.
Seconds of wall time, medians; turns alternate, so that a busy moment meets both.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import torch
from torch.nn import functional as F

from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_learner
from vlprompt_pipeline.methods.coop import CoOpParameters
from vlprompt_pipeline.parametrizations import QuantizeConfig
from vlprompt_pipeline.training import CachedViews, train
from vlprompt_pipeline.training.side_by_side import SideBySide, Streams

REPEATS = 3
PROMPTS = (1, 4, 16, 64)
CLASSES = ClassTexts(
    tuple(
        f"{what} in a {where}"
        for what in ("runway", "river", "tree", "car", "house")
        for where in ("forest", "desert", "field")
    )[:13],
    "a photo of a {}.",
)
TRAINING = TrainingParameters(
    epochs=1,
    batch_size=32,
    lr=0.02,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=0,
    warmup_lr=1e-5,
)


def recipe(bits: int | None) -> Recipe:
    prompt = CoOpParameters(length=4, init=None, class_specific=False, class_position="end")
    quantize = QuantizeConfig(bits=bits) if bits else None
    return Recipe(method="coop", title="", prompt=prompt, training=TRAINING, quantize=quantize)


def timed(learner, batches) -> float:
    start = perf_counter()
    train(learner, batches, TRAINING)
    return perf_counter() - start


if __name__ == "__main__":
    clip = load_clip("embedded")
    images = F.normalize(torch.randn(6 * 32, 4, clip.embed_dim), dim=-1)
    labels = torch.arange(6 * 32) % len(CLASSES.names)
    data = CachedViews(images, labels, 32, seed=1)
    for bits in (None, 2):
        for count in PROMPTS:
            alone, together = [], []
            for _ in range(REPEATS + 1):  # the first turn warms up
                built = [build_learner(recipe(bits), clip, CLASSES, s) for s in range(2 * count)]
                alone.append(sum(timed(learner, data) for learner in built[:count]))
                whole = SideBySide(built[count:], [0] * count)
                together.append(timed(whole, Streams([data])))
            one, all_ = median(alone[1:]), median(together[1:])
            print(
                f"{count:3d} prompts{f', {bits} bits' if bits else '':8}: one by one {one:6.2f} s, "
                f"together {all_:6.2f} s, {one / all_:4.1f} times faster"
            )
