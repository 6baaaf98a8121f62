"""Captions, names and the compositions pre-training never meets."""

from __future__ import annotations

import numpy as np
import pytest

from vlprompt_pipeline.image_datasets.rendered.captions import (
    caption,
    flag_name,
    plural,
    with_article,
)
from vlprompt_pipeline.image_datasets.rendered.heldout import held_out
from vlprompt_pipeline.image_datasets.rendered.sampling import sample_scene
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    KINDS,
    AerialScene,
    CountScene,
    FlagScene,
    ShapeScene,
    TextureScene,
)
from vlprompt_pipeline.image_datasets.rendered.tasks import TASKS
from vlprompt_pipeline.image_datasets.rendered.vocabulary import caption_words, split_words


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(11)
    return [sample_scene(rng) for _ in range(4000)]


@pytest.mark.parametrize(
    ("words", "share", "answer"),
    [  # sha256("two|circle") starts 34cf37c9: 0.2063 of 2^32; "three|fish" 6784fa57: 0.4044
        (("two", "circle"), 0.207, True),
        (("two", "circle"), 0.206, False),
        (("three", "fish"), 0.405, True),
        (("three", "fish"), 0.404, False),
    ],
)
def test_held_out_compares_the_hash_with_the_share(words, share, answer):
    assert held_out(*words, share=share) is answer


def test_pretraining_never_meets_a_downstream_composition(scenes):
    texts = {caption(s, np.random.default_rng(0)) for s in scenes}
    assert len(texts) > 1000
    rng = np.random.default_rng(0)
    counted = {(s.count, s.shape) for s in scenes if isinstance(s, CountScene)}
    patterned = {(s.pattern, s.shape) for s in scenes if isinstance(s, ShapeScene) and s.pattern}
    flags = {(s.layout, s.colours) for s in scenes if isinstance(s, FlagScene)}
    aerial = {(s.feature, s.land) for s in scenes if isinstance(s, AerialScene)}
    for draw in TASKS["demo_counts"].draw.values():
        assert (draw(rng).count, draw(rng).shape) not in counted
    for draw in TASKS["demo_patterns"].draw.values():
        assert (draw(rng).pattern, draw(rng).shape) not in patterned
    for draw in TASKS["demo_flags"].draw.values():
        assert (draw(rng).layout, draw(rng).colours) not in flags
    for draw in TASKS["demo_aerial"].draw.values():
        assert (draw(rng).feature, draw(rng).land) not in aerial
    assert min(len(counted), len(patterned), len(aerial)) >= 35


def test_all_kinds_occur(scenes):
    assert {type(scene) for scene in scenes} == set(KINDS)


def test_captions_use_only_the_enumerated_words(scenes):
    known, rng = set(caption_words()), np.random.default_rng(1)
    for i, scene in enumerate(scenes):
        assert set(split_words(caption(scene, rng, long=i % 5 == 0))) <= known


def test_class_prompts_use_only_the_enumerated_words():
    known = set(caption_words())
    for task in TASKS.values():
        for name in task.draw:
            assert set(split_words(task.template.format(name))) <= known


def test_most_captions_end_in_a_full_stop_and_long_ones_are_long(scenes):
    rng = np.random.default_rng(2)
    short = [caption(scene, rng) for scene in scenes]
    long = [caption(scene, rng, long=True) for scene in scenes]
    assert 0.8 < np.mean([text.endswith(".") for text in short]) < 0.9
    assert np.mean([len(split_words(text)) for text in short]) < 11
    lengths = [len(split_words(text)) for text in long]
    assert min(lengths) >= 9
    assert max(lengths) >= 28


def test_the_zero_shot_prompt_is_a_caption_of_pretraining():
    scene = ShapeScene("photo", "heart", "red", "blue")
    rng = np.random.default_rng(0)
    assert "a photo of a heart." in {caption(scene, rng) for _ in range(400)}


def test_captions_name_what_is_there():
    rng = np.random.default_rng(0)
    texture = TextureScene("photo", "zigzag", "fine", "red", "white")
    for text in (caption(texture, rng) for _ in range(50)):
        assert "zigzag" in text
        assert "coarse" not in text
        assert "white" not in text
    sketch = ShapeScene("sketch", "heart", "red", "blue")
    assert not any("red" in caption(sketch, rng).split() for _ in range(50))


@pytest.mark.parametrize(
    ("noun", "several"),
    [("heart", "hearts"), ("fish", "fish"), ("butterfly", "butterflies"), ("cross", "crosses")],
)
def test_plurals(noun, several):
    assert plural(noun) == several


def test_names():
    assert with_article("oval") == "an oval"
    assert with_article("mug") == "a mug"
    assert flag_name("vertical", ("red", "white", "blue")) == "red white and blue vertical flag"
    assert flag_name("disc", ("white", "red")) == "white flag with a red disc"
