"""What is drawn: areas, colours and counts against geometry; the same seed against itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.rendered import glyphs
from vlprompt_pipeline.image_datasets.rendered.aerial import FEATURES, LANDS, draw_aerial
from vlprompt_pipeline.image_datasets.rendered.composition import render
from vlprompt_pipeline.image_datasets.rendered.flags import draw_flag
from vlprompt_pipeline.image_datasets.rendered.palette import COLOURS, RGB, contrasting
from vlprompt_pipeline.image_datasets.rendered.patterns import PATTERNS, pattern_mask
from vlprompt_pipeline.image_datasets.rendered.sampling import sample_scene
from vlprompt_pipeline.image_datasets.rendered.scenes import STYLES, CountScene, ShapeScene
from vlprompt_pipeline.image_datasets.rendered.shapes import SHAPES, Pose, shape_mask
from vlprompt_pipeline.image_datasets.rendered.shifts import SHIFTS


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("square", 1.64**2),
        ("circle", math.pi * 0.95**2),
        ("triangle", 0.5 * 1.9 * 1.7),
        ("diamond", 0.5 * 2 * 1.36),
        ("rectangle", 2 * 1),
        ("plus sign", 2 * 0.6 * 1.9 - 0.6**2),
        ("ring", math.pi * (1 - 0.55**2)),
    ],
)
def test_a_shape_covers_the_area_geometry_says(shape, area):
    mask = shape_mask(shape, Pose(x=24, y=24, radius=22))
    assert mask.sum() == pytest.approx(area * 22**2, rel=0.08)  # Pillow fills edge pixels


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_stays_in_its_circle_and_is_not_empty(shape):
    mask = shape_mask(shape, Pose(x=24, y=24, radius=14))
    rows, columns = np.nonzero(mask > 0.5)
    reach = np.hypot(rows - 23.5, columns - 23.5).max()
    assert 8 < reach < 14 * math.sqrt(2) + 1
    assert mask.sum() > 60


def test_a_pose_moves_and_turns():
    left = shape_mask("arrow", Pose(x=14, y=24, radius=10))
    right = shape_mask("arrow", Pose(x=34, y=24, radius=10))
    assert np.array_equal(left[:, :28], right[:, 20:])
    down = shape_mask("arrow", Pose(x=24, y=24, radius=10, rotation=math.pi / 2))
    level = shape_mask("arrow", Pose(x=24, y=24, radius=10))
    assert np.abs(down - np.rot90(level, -1)).mean() < 0.02


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_uses_both_colours(pattern):
    mask = pattern_mask(pattern, np.random.default_rng(3), period=8, gap=0)
    assert mask.shape == (48, 48)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert 0.1 < mask.mean() < 0.9


@pytest.mark.parametrize(("count", "number"), [("two", 2), ("four", 4), ("six", 6)])
def test_as_many_objects_as_the_word_says(count, number):
    scene = CountScene("icon", count, "circle", "black", "white")
    picture = render(scene, np.random.default_rng(5)).mean(axis=2)
    _, found = ndimage.label(picture < 128)
    assert found == number


def test_the_object_has_its_colour_and_the_ground_another():
    scene = ShapeScene("icon", "square", "red", "blue", "large")
    pixels = render(scene, np.random.default_rng(0)).reshape(-1, 3).astype(float)
    near = [np.abs(pixels - RGB[name]).sum(1) < 150 for name in ("red", "blue")]
    assert near[0].mean() > 0.3
    assert near[1].mean() > 0.1
    assert (near[0] | near[1]).mean() > 0.95


def test_stripes_of_a_flag_lie_as_named():
    red, white, blue = (np.array(RGB[name], np.float32) for name in ("red", "white", "blue"))
    flag = draw_flag("vertical", [red, white, blue], np.zeros(3), np.random.default_rng(1), gap=0)
    middle = flag[24]
    order = [int(np.abs(middle - shade).sum(1).argmin()) for shade in (red, white, blue)]
    assert order == sorted(order)
    assert np.abs(flag[18:30, 24] - white).max() < 1


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("land", LANDS)
def test_features_are_visible_in_every_land(feature, land):
    with_feature = draw_aerial(feature, land, np.random.default_rng(4), 0)
    other = draw_aerial("lake" if feature != "lake" else "river", land, np.random.default_rng(4), 0)
    assert np.abs(with_feature - other).max() > 40


@pytest.mark.parametrize("style", STYLES)
def test_styles_differ_in_what_they_keep(style):
    scene = ShapeScene(style, "heart", "red", "teal", "large")
    picture = render(scene, np.random.default_rng(2)).astype(float)
    colourful = np.ptp(picture, axis=2).mean() > 10
    assert colourful == (style not in ("sketch", "silhouette"))


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return np.stack([render(sample_scene(rng), rng, 0.5) for _ in range(40)])

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


@pytest.mark.parametrize("avoided", [("red",), ("black", "white"), COLOURS])
def test_contrasting_avoids(avoided):
    name = contrasting(np.random.default_rng(0), avoided)
    assert name in COLOURS
    if len(avoided) < len(COLOURS):
        assert name not in avoided


def test_shifts_on_a_known_picture():
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[:, :24] = (200, 100, 130)
    rng = np.random.default_rng(0)
    assert SHIFTS["inverted"](picture, rng)[0, 0].tolist() == [55, 155, 125]
    assert SHIFTS["posterised"](picture, rng)[0, 0].tolist() == [128, 0, 128]
    turned = SHIFTS["rotated"](picture, rng)
    assert turned.shape == picture.shape
    slope = np.count_nonzero(turned[0, :, 0] > 100) - np.count_nonzero(turned[-1, :, 0] > 100)
    assert 20 <= math.degrees(math.atan(abs(slope) / 47)) <= 41 or abs(slope) >= 40
    edges = SHIFTS["edges"](picture, rng)
    assert edges[:, 20:28].min() < 100
    assert (edges[:, :16] == 255).all()
    assert (edges[:, 32:] == 255).all()


def test_a_foreign_font_is_refused_in_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "DejaVuSans.ttf").write_bytes(b"not the font")
    monkeypatch.setattr(glyphs, "font_path", lambda name: tmp_path / name)
    glyphs.load_font.cache_clear()
    with pytest.raises(DataError, match=r"the font .*DejaVuSans\.ttf is missing or not the one"):
        glyphs.load_font("DejaVuSans.ttf", 20)
    glyphs.load_font.cache_clear()


def test_a_letter_is_drawn_as_its_font_has_it():
    mask = glyphs.glyph_mask("letter o", np.random.default_rng(0), Pose(24, 24, 18), gap=0)
    _, holes = ndimage.label(mask < 0.5)
    assert holes == 2  # around the letter and inside it
