"""The grammar of captions: what is named, in which frame, how long, with or without full stop."""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.palette import pick
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    COLOURLESS,
    AerialScene,
    CountScene,
    FlagScene,
    GlyphScene,
    Scene,
    ShapeScene,
    TextureScene,
)

_STYLE_FRAMES = {
    "photo": (
        "a photo of {}",
        "a photo of {}",
        "a photo of {}",
        "a photograph of {}",
        "a close up photo of {}",
        "a bright photo of {}",
        "a good photo of {}",
        "a bad photo of {}",
        "a blurry photo of {}",
        "a low resolution photo of {}",
        "itap of {}",
    ),
    "drawing": ("a drawing of {}", "a line drawing of {}", "{} drawn with an outline"),
    "icon": ("an icon of {}", "a clean icon of {}", "a flat icon showing {}", "{} in a video game"),
    "painting": ("a painting of {}", "an oil painting of {}", "{} painted on canvas", "art of {}"),
    "sketch": ("a sketch of {}", "a pencil sketch of {}", "a rough sketch of {}"),
    "silhouette": ("a silhouette of {}", "the dark silhouette of {}"),
}
_PLAIN_FRAMES = (
    "{}",
    "{}",
    "an image of {}",
    "a picture of {}",
    "here we have {}",
    "the scene shows {}",
    "we can see {}",
    "a rendering of {}",
    "one image showing {}",
    "{} in the picture",
    "a type of thing called {}",
    "an example of {}",
)
_AERIAL_FRAMES = (
    "a satellite photo of {}",
    "a centered satellite photo of {}",
    "an aerial view of {}",
    "{} seen from above",
)
_LONG_OPENINGS = (
    "in this small square picture we can see",
    "here is one more rendered image and in the middle of it we find",
    "what this picture shows when you look at it is",
    "this picture was made by a small program that draws things and what it shows is",
    "a scene from a large set of rendered pictures in which you can clearly see",
    "if you look at this image for a short time you will see that it is a picture of",
)
_LONG_CLOSINGS = (
    "",
    "",
    ", drawn by a small program",
    ", one of many such pictures in the set",
    ", seen from the front in good light",
)

_PLURALS = {"fish": "fish", "butterfly": "butterflies"}


def with_article(phrase: str) -> str:
    """Return `a` or `an` in front of a noun phrase."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def plural(noun: str) -> str:
    """Return plural of a shape's name."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    return noun + ("es" if noun.endswith(("s", "sh", "ch")) else "s")


def flag_name(layout: str, colours: tuple[str, ...]) -> str:
    """Return the name of a flag, colours in their order."""
    if len(colours) == 3:
        first, second, third = colours
        return f"{first} {second} and {third} {layout} flag"
    cloth, emblem = colours
    return f"{cloth} flag with a {emblem} {layout}"


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    """Return the noun phrase of a caption; attributes are named often, not always."""
    chance = rng.random(4)
    article = with_article if chance[0] < 0.85 else "the {}".format
    coloured = scene.style not in COLOURLESS
    match scene:
        case ShapeScene():
            words = [
                scene.size if chance[1] < 0.5 else "",
                scene.colour if coloured and chance[2] < 0.5 else "",
                scene.pattern if chance[3] < 0.85 else "",
                scene.shape,
            ]
            return article(" ".join(word for word in words if word)) + _ground(scene, rng)
        case GlyphScene():
            colour = f"{scene.colour} " if coloured and chance[1] < 0.3 else ""
            return article(colour + scene.glyph)
        case CountScene():
            colour = f"{scene.colour} " if coloured and chance[1] < 0.25 else ""
            return f"{scene.count} {colour}{plural(scene.shape)}"
        case TextureScene():
            scale = f"{scene.scale} " if chance[1] < 0.75 else ""
            colour = f"{scene.colour} " if chance[2] < 0.25 else ""
            noun = "texture" if chance[3] < 0.8 else "pattern"
            return article(f"{scale}{colour}{scene.pattern} {noun}")
        case FlagScene():
            return article(flag_name(scene.layout, scene.colours))
        case AerialScene():
            land = f" in {with_article(scene.land)}" if chance[1] < 0.8 else ""
            return article(scene.feature) + land


def _ground(scene: ShapeScene, rng: np.random.Generator) -> str:
    shown = scene.style not in (*COLOURLESS, "drawing")
    if shown and rng.random() < 0.12:
        return f" on {with_article(scene.background)} background"
    return ""


def caption(scene: Scene, rng: np.random.Generator, long: bool = False) -> str:
    """Return a random true caption, lower case.

    A `long` one embeds the subject in a sentence of up to about 30 tokens, so that the text tower
    also learns the positions that long learned prompts stand on. Most captions end in a full stop.
    """
    subject = _subject(scene, rng)
    if long:
        text = f"{pick(rng, _LONG_OPENINGS)} {subject}{pick(rng, _LONG_CLOSINGS)}"
    else:
        frames = _STYLE_FRAMES[scene.style] if rng.random() < 0.6 else _PLAIN_FRAMES
        if isinstance(scene, AerialScene) and rng.random() < 0.4:
            frames = _AERIAL_FRAMES
        text = pick(rng, frames).format(subject)
    return text + ("." if rng.random() < 0.85 else "")


def frame_words() -> str:
    """List every word of frames, articles and joining words, to enumerate the vocabulary."""
    frames = [*_PLAIN_FRAMES, *_AERIAL_FRAMES, *_LONG_OPENINGS, *_LONG_CLOSINGS]
    for of_style in _STYLE_FRAMES.values():
        frames += of_style
    joining = "a an the on background in and with flag texture pattern . ,"
    return " ".join(frames).replace("{}", " ") + " " + joining
