"""What a reader must know of a single figure, short enough to stand beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vlprompt_pipeline.results.cells import ImageSet
from vlprompt_pipeline.wording import counted, seeds_text

NEAR_CHANCE = "near chance"
_CHANCE_SHARE = 0.05
_FEWEST_CLASSES, _FEWEST_IMAGES = 3, 20
"""Our choice: with fewer classes or test images a score says little."""


def near_chance(accuracy: float, classes: int) -> bool:
    """Tell whether an accuracy is near chance: within a twentieth of the way to 100 %.

    Of zero-shot CLIP that means that it does not know the classes (our choice).
    """
    chance = 100 / classes
    return accuracy < chance + _CHANCE_SHARE * (100 - chance)


def one_seed(seeds: Sequence[int]) -> tuple[str, ...]:
    """Write, for instance, "only seed 1": the spread is unknown then; empty for several seeds."""
    return (f"only {seeds_text(seeds)}",) if len(seeds) == 1 else ()


def of_images(
    images: ImageSet, total: float, unknown_to_clip: Collection[ImageSet]
) -> tuple[str, ...]:
    """Return caveats of every score on a set of test images.

    Args:
        images: the set.
        total: how many images there are.
        unknown_to_clip: sets on which zero-shot CLIP is near chance.
    """
    among_all, _, half = images.half.rpartition("_")
    caveats = (
        counted(images.classes, "class" if among_all else f"{half} class".lstrip())
        if images.classes < _FEWEST_CLASSES
        else "",
        counted(int(total), f"{half} test image".lstrip()) if total < _FEWEST_IMAGES else "",
        NEAR_CHANCE if images in unknown_to_clip else "",
    )
    return tuple(filter(None, caveats))
