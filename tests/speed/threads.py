"""Training of the embedded CLIP's recipes with 1, 2 and the default number of threads; block sizes.

Run: python tests/speed/threads.py [recipe … | --all] [--epochs 10] [--repeats 5]

Recipes are those of conf/base, coop unless others are named, at the sizes of the default run: 13
base classes, 16 images of each, 4 views, random images. Seconds of wall time, medians; the settings
take turns in one process, so that a busy moment meets all. The last table is the image tower in
blocks of other sizes than `clip.encoding.BLOCK`, one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from kedro.config import OmegaConfigLoader
from torch.nn import functional as F

from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.clip.encoding import BLOCK, encode_in_blocks
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    Recipe,
    Situation,
    build_learner,
    fit_learner,
    recipes_in,
    resolve_recipe,
)
from vlprompt_pipeline.settings import CONFIG_LOADER_ARGS
from vlprompt_pipeline.training import CachedViews, train

CONF = Path(__file__).resolve().parents[2] / "conf"
CLASSES, SHOTS, VIEWS = 13, 16, 4
NAMES = tuple(f"{what} {number}" for number, what in enumerate(["red circle"] * CLASSES))
THREADS = (2, 1, "auto")
BLOCKS = (8, 16, BLOCK, 64, 256)
IMAGES = 512


def training(recipe: Recipe, clip: FrozenClip, epochs: int) -> Callable[[], object]:
    """All of what is timed of a recipe, from a new learner to a trained one."""
    labels = torch.arange(CLASSES).repeat(SHOTS)
    generator = torch.Generator().manual_seed(1)
    size = clip.preprocessing.size
    features = torch.randn(len(labels), VIEWS, clip.embed_dim, generator=generator)
    features = F.normalize(features, dim=-1)
    at_once = FewShotFeatures(features, labels, features[:52, 0], labels[:52])

    def call() -> None:
        learner = build_learner(recipe, clip, ClassTexts(NAMES, "a photo of a {}."), seed=1)
        if learner.fitted:
            with clip.arithmetic.running():
                fit_learner(learner, recipe, at_once, 1)
        if recipe.training:
            settings = recipe.training.model_copy(update={"epochs": epochs})
            pixels = learner.reads == "pixels"
            views = torch.randn(len(labels), 1, 3, size, size) if pixels else features
            apart = learner.views_apart
            train(learner, CachedViews(views, labels, settings.batch_size, 1, apart), settings)

    return call


def encoding(clip: FrozenClip, block: int) -> Callable[[], object]:
    """The image tower over random images in blocks."""
    size = clip.preprocessing.size
    images = torch.randn(IMAGES, 1, 3, size, size, generator=torch.Generator().manual_seed(2))

    def call() -> None:
        with clip.arithmetic.running():
            encode_in_blocks(clip.encode_images, images, block)

    return call


def medians(sides: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each side; the sides take turns, and the first turn warms up."""
    taken: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats + 1):
        for side, seconds in zip(sides, taken, strict=True):
            started = perf_counter()
            side()
            seconds.append(perf_counter() - started)
    return [median(seconds[1:]) for seconds in taken]


def main() -> None:
    """Print a row for each recipe and for each block size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=["coop"])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    parameters = OmegaConfigLoader(str(CONF), **CONFIG_LOADER_ARGS)["parameters"]
    recipes = recipes_in(Situation("base_to_new", "demo_aerial", SHOTS), parameters["recipes"])
    clips = [load_clip("embedded", "demo", "cpu", threads) for threads in THREADS]
    print(f"seconds with 2 threads, 1 and the default ({clips[-1].arithmetic.threads})")
    for name in recipes if given.all else given.recipes:
        recipe = resolve_recipe(name, recipes)
        sides = [training(recipe, clip, given.epochs) for clip in clips]
        two, one, default = medians(sides, given.repeats)
        print(
            f"{name:24} {two:7.3f} {one:7.3f} {default:7.3f}   default {two / default:5.2f} times "
            "faster than 2",
            flush=True,
        )
    seconds = medians([encoding(clips[1], block) for block in BLOCKS], given.repeats)
    print(f"\nimage tower, {IMAGES} images, one thread")
    for block, each in zip(BLOCKS, seconds, strict=True):
        ratio = each / seconds[BLOCKS.index(BLOCK)]
        print(f"blocks of {block:4} {each:7.3f} s, {ratio:5.2f} times that of {BLOCK}")


if __name__ == "__main__":
    main()
