"""The downstream datasets: their classes, and how a picture of a class comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise, permutations, product

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.aerial import FEATURES, LANDS
from vlprompt_pipeline.image_datasets.rendered.captions import flag_name, plural, with_article
from vlprompt_pipeline.image_datasets.rendered.flags import LAYOUTS, STRIPES
from vlprompt_pipeline.image_datasets.rendered.glyphs import GLYPHS
from vlprompt_pipeline.image_datasets.rendered.heldout import AERIAL, FLAGS, held_out
from vlprompt_pipeline.image_datasets.rendered.palette import COLOURS, contrasting, contrasts, pick
from vlprompt_pipeline.image_datasets.rendered.patterns import PATTERNS, SCALES
from vlprompt_pipeline.image_datasets.rendered.sampling import FLAG_GROUNDS
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    COUNTS,
    AerialScene,
    CountScene,
    FlagScene,
    GlyphScene,
    Scene,
    ShapeScene,
    TextureScene,
)
from vlprompt_pipeline.image_datasets.rendered.shapes import SHAPES

Draw = Callable[[np.random.Generator], Scene]

_STYLE = "photo"
_TRAIN, _VAL, _MIN_TEST = 32, 8, 1_000  # images: per class, per class, in all
_ORDER_SEED = 7  # of the class order and of the choice among held-out compositions
_LOOKALIKES = ("letter o", "digit zero", "letter i", "digit one")  # the same sign in some fonts
_FLAG_COLOURS = ("red", "orange", "pink", "purple", "brown", "navy")  # close to one another


@dataclass(frozen=True)
class RenderedDataset:
    """A dataset that is drawn, not downloaded: a classification task over rendered scenes.

    Attributes:
        name: its key, `demo_…`.
        title: for people.
        template: prompt with one `{}` for the class name.
        draw: for each class name, in label order, a sampler of its scenes.
        gap: domain gap of its pictures in 0..1.
        held_out: whether its classes are compositions that pre-training never shows.
        shift: the look (of `shifts.SHIFTS`) of all pictures of a variant; empty for no variant.
    """

    name: str
    title: str
    template: str
    draw: dict[str, Draw]
    gap: float
    held_out: bool = False
    shift: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in label order, a seeded random permutation."""
        return tuple(self.draw)

    @property
    def shift_of(self) -> str | None:
        """The dataset whose classes a variant shows in another look, with test pictures only."""
        return self.name.removesuffix(f"_{self.shift}") if self.shift else None

    @property
    def images(self) -> dict[str, int]:
        """Pictures per class of each part."""
        train, val = (0, 0) if self.shift else (_TRAIN, _VAL)
        return {"train": train, "val": val, "test": -(-_MIN_TEST // len(self.draw))}


def _shuffled(classes: Iterable[tuple[str, Draw]], most: int | None = None) -> dict[str, Draw]:
    """Return classes in a seeded random order, so that the first and last half are exchangeable."""
    listed = sorted(classes, key=lambda pair: pair[0])
    order = np.random.default_rng(_ORDER_SEED).permutation(len(listed))
    return dict([listed[i] for i in order][:most])


def _in_two_colours(kind: type[Scene], *words: str) -> Draw:
    """Draw scenes whose last two fields are a colour and one beside it, such as the ground."""

    def draw(rng: np.random.Generator) -> Scene:
        colour = pick(rng, COLOURS)
        return kind(_STYLE, *words, colour, contrasting(rng, (colour,)))

    return draw


def _patterned(pattern: str, shape: str) -> Draw:
    def draw(rng: np.random.Generator) -> Scene:
        colour = pick(rng, COLOURS)
        second = contrasting(rng, (colour,))
        ground = contrasting(rng, (colour, second))
        return ShapeScene(_STYLE, shape, colour, ground, "large", pattern, second)

    return draw


def _flag(layout: str, colours: tuple[str, ...]) -> Draw:
    return lambda rng: FlagScene(_STYLE, layout, colours, pick(rng, FLAG_GROUNDS))


def _aerial(feature: str, land: str) -> Draw:
    return lambda rng: AerialScene(_STYLE, feature, land)


def _flags() -> Iterable[tuple[str, Draw]]:
    """Yield held-out flags of similar colours, touching ones told apart."""
    for layout in LAYOUTS:
        for colours in permutations(_FLAG_COLOURS, 3 if layout in STRIPES else 2):
            distinct = all(contrasts(a, b) for a, b in pairwise(colours))
            if distinct and held_out(layout, *colours, share=FLAGS):
                yield flag_name(layout, colours), _flag(layout, colours)


_DATASETS = (
    RenderedDataset(
        "demo_objects",
        "Rendered objects",
        "a photo of a {}.",
        _shuffled((shape, _in_two_colours(ShapeScene, shape)) for shape in SHAPES),
        gap=0.2,
    ),
    RenderedDataset(
        "demo_counts",
        "Rendered counts",
        "a photo of {}.",
        _shuffled(
            (f"{count} {plural(shape)}", _in_two_colours(CountScene, count, shape))
            for count, shape in product(COUNTS, SHAPES)
            if held_out(count, shape)
        ),
        gap=0.4,
        held_out=True,
    ),
    RenderedDataset(
        "demo_patterns",
        "Rendered patterned objects",
        "a photo of a {}.",
        _shuffled(
            (
                (f"{pattern} {shape}", _patterned(pattern, shape))
                for pattern, shape in product(PATTERNS, SHAPES)
                if held_out(pattern, shape)
            ),
            most=50,
        ),
        gap=0.2,
        held_out=True,
    ),
    RenderedDataset(
        "demo_textures",
        "Rendered textures",
        "a photo of a {}.",
        _shuffled(
            (f"{scale} {pattern} texture", _in_two_colours(TextureScene, pattern, scale))
            for scale, pattern in product(SCALES, PATTERNS)
        ),
        gap=0.5,
    ),
    RenderedDataset(
        "demo_glyphs",
        "Rendered letters and digits",
        "a photo of a {}.",
        _shuffled(
            (glyph, _in_two_colours(GlyphScene, glyph))
            for glyph in GLYPHS
            if glyph not in _LOOKALIKES
        ),
        gap=0.2,
    ),
    RenderedDataset(
        "demo_flags",
        "Rendered flags",
        "a photo of a {}.",
        _shuffled(_flags(), most=40),
        gap=0.5,
        held_out=True,
    ),
    RenderedDataset(
        "demo_aerial",
        "Rendered views from above",
        "a satellite photo of a {}.",
        _shuffled(
            (f"{feature} in {with_article(land)}", _aerial(feature, land))
            for feature, land in product(FEATURES, LANDS)
            if held_out(feature, land, share=AERIAL)
        ),
        gap=0.8,
        held_out=True,
    ),
)
TASKS = {dataset.name: dataset for dataset in _DATASETS}
"""Every rendered dataset but the variants, by name."""
