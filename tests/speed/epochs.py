"""An epoch of each method that is trained on pixels, against MaPLe's on the embedded CLIP.

Run: python tests/speed/epochs.py [rounds]

Made-up images of the size of the embedded CLIP, 16 of each of 13 classes, the recipes of conf/base;
decoding is left out. Epochs alternate in one process on one thread; medians of processor seconds.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import torch
import yaml

from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
from vlprompt_pipeline.training import train

CONF = Path(__file__).resolve().parents[2] / "conf/base/parameters_recipes.yml"
METHODS = ("maple", "mmrl", "mmrl_plus_plus", "mma", "mma_plus_plus", "two_stage", "ivlp_low_rank")
CLASSES, SHOTS = 13, 16


class MadeUpImages:
    """Batches of noise."""

    def __init__(self, size: int, batch_size: int) -> None:
        self.size, self.batch_size = size, batch_size
        self.steps = CLASSES * SHOTS // batch_size

    def epoch(self, number: int):
        """All of them, in another order."""
        generator = torch.Generator().manual_seed(number)
        labels = torch.arange(CLASSES).repeat(SHOTS)[torch.randperm(CLASSES * SHOTS)]
        for part in labels.split(self.batch_size)[: self.steps]:
            yield torch.randn(len(part), 3, self.size, self.size, generator=generator), part


def main(rounds: int) -> None:
    """Print seconds an epoch and their ratio to MaPLe's."""
    torch.set_num_threads(1)
    recipes = yaml.safe_load(CONF.read_text(encoding="utf-8"))["recipes"]
    clip = load_clip("embedded")
    classes = ClassTexts(tuple(f"object {number}" for number in range(CLASSES)), "a photo of a {}.")
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    size = max(clip.preprocessing.height_width)
    for _ in range(rounds):
        for name in METHODS:
            recipe = resolve_recipe(name, recipes)
            learner = build_learner(recipe, clip, classes, seed=1)
            epochs = 2 if name == "two_stage" else 1  # one of each stage
            training = recipe.training.model_copy(update={"epochs": epochs, "warmup_epochs": 0})
            begun = time.process_time()
            train(learner, MadeUpImages(size, training.batch_size), training)
            seconds[name].append((time.process_time() - begun) / epochs)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    for name, median in medians.items():
        print(f"{name:16} {median:6.2f} s   {median / medians['maple']:5.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
