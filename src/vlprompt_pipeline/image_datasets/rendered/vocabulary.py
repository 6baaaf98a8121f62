"""Every word a caption or a class name of the rendered world can hold, from the grammar itself."""

from __future__ import annotations

import re

from vlprompt_pipeline.image_datasets.rendered.aerial import FEATURES, LANDS
from vlprompt_pipeline.image_datasets.rendered.captions import frame_words, plural
from vlprompt_pipeline.image_datasets.rendered.flags import LAYOUTS
from vlprompt_pipeline.image_datasets.rendered.glyphs import GLYPHS
from vlprompt_pipeline.image_datasets.rendered.palette import COLOURS
from vlprompt_pipeline.image_datasets.rendered.patterns import PATTERNS, SCALES
from vlprompt_pipeline.image_datasets.rendered.scenes import COUNTS, SIZES
from vlprompt_pipeline.image_datasets.rendered.shapes import SHAPES

_WORD = re.compile(r"[a-z]+|[.,]")


def split_words(text: str) -> list[str]:
    """Return words and punctuation of a caption, in order."""
    return _WORD.findall(text)


def caption_words() -> tuple[str, ...]:
    """Return all words that captions are made of, sorted."""
    names = (*COLOURS, *PATTERNS, *SCALES, *COUNTS, *SIZES, *SHAPES, *GLYPHS, *LAYOUTS)
    shapes = (plural(shape) for shape in SHAPES)
    text = " ".join((*names, *shapes, *FEATURES, *LANDS, frame_words()))
    return tuple(sorted(set(split_words(text))))
