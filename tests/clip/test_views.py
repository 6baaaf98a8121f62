"""The views equal the reference transform, and smaller decoding changes them by next to nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from simulated_gpu import simulated_gpu
from speed.decoding import random_clip
from vlprompt_pipeline.clip import EvaluationView, Preprocessing, TrainingViews, views
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.views import AugmentedViews

CLIP = Preprocessing(224, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
PLAIN = Preprocessing(224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels from 0 to 1
SHOTS = 12


def reference(p: Preprocessing, file: Path) -> torch.Tensor:
    transform = open_clip.image_transform(
        p.size, is_train=False, mean=p.mean, std=p.std, resize_mode="shortest"
    )
    with Image.open(file) as image:
        return transform(image.convert("RGB"))[None]


def save(file: Path, pixels: np.ndarray, quality: int = 90) -> Path:
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file


@pytest.mark.parametrize("size", [(300, 200), (201, 333), (224, 224), (80, 500)])
def test_the_published_test_view_is_the_reference_bit_for_bit(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    file = save(tmp_path / "p.jpg", pixels)
    assert torch.equal(EvaluationView(CLIP).pixels(file, ""), reference(CLIP, file))


@pytest.mark.parametrize("library", ["open_clip", "transformers"])
def test_levels_are_normalised_on_a_gpu_to_the_same_bits(tmp_path, library):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    file = save(tmp_path / "p.jpg", pixels)
    p = replace(CLIP, size=(48, 64), library=library)
    plain, crops = EvaluationView(p), TrainingViews(p, 1, 3, (0.3, 1.0))
    for view in (plain, crops, AugmentedViews(plain, crops)):
        levels = view.levels(file, "x")
        assert levels.shape == (view.count, 48, 64, 3)
        assert levels.dtype == torch.uint8
        with simulated_gpu():
            on_gpu = p.normalised(levels.to("cuda")).cpu()
        assert torch.equal(on_gpu, view.pixels(file, "x"))


def test_which_crops_are_flipped_stays_as_it_was_drawn(tmp_path):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "ramp.png")
    crops = TrainingViews(replace(CLIP, size=32), 1, 12, (0.3, 1.0))
    levels = crops.levels(tmp_path / "ramp.png", "x").float()
    left, right = (levels[:, :, column].mean((1, 2)) for column in (0, -1))
    assert (left > right).nonzero()[:, 0].tolist() == [0, 1, 5, 8, 10]


@pytest.fixture(scope="module")
def photos(shared) -> list[bytes]:
    """Photos of Caltech101 as if taken with a camera of 8 million pixels."""
    files = sorted((shared / "data/caltech-101/101_ObjectCategories").rglob("*.jpg"))
    if not files:
        pytest.skip("Caltech101 is not in the reference material")
    enlarged = []
    for file in files[:: len(files) // SHOTS]:
        stream = BytesIO()
        with Image.open(file) as image:
            image.convert("RGB").resize((3264, 2448), Image.Resampling.LANCZOS).save(
                stream, "JPEG", quality=95
            )
        enlarged.append(stream.getvalue())
    return enlarged


def test_photos_decoded_smaller_look_the_same(photos, tmp_path):
    for content in photos:
        file = tmp_path / "p.jpg"
        file.write_bytes(content)
        view = EvaluationView(PLAIN, "as_seen").pixels(file, "")
        assert 0 < (view - reference(PLAIN, file)).abs().mean() < 0.5 / 255


def synthetic(kind: str, width: int, height: int) -> np.ndarray:
    """Grey or colour pixels that are hard to filter: noise, ever finer rings, sharp edges."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    if kind == "noise":
        return generator.integers(0, 256, (height, width, 3), np.uint8)
    if kind == "rings":
        phase = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (1.2 * width)
        return (127.5 + 127.5 * np.cos(phase)).astype(np.uint8)
    pixels = np.zeros((height, width, 3), np.uint8)
    for _ in range(200):
        left, top = generator.integers(0, width), generator.integers(0, height)
        right, bottom = left + generator.integers(5, 500), top + generator.integers(5, 500)
        pixels[top:bottom, left:right] = generator.integers(0, 256, 3)
    return pixels


@pytest.mark.parametrize("size", [(2016, 1512), (4032, 3024)])
@pytest.mark.parametrize("kind", ["noise", "rings", "edges"])
def test_hard_pictures_decoded_smaller_look_the_same(tmp_path, kind, size):
    file = save(tmp_path / "p.jpg", synthetic(kind, *size))
    view = EvaluationView(PLAIN, "as_seen").pixels(file, "")
    assert 0 < (view - reference(PLAIN, file)).abs().mean() < 1 / 255


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.3, 1.0)])
def test_training_crops_of_both_decodings_are_the_same(tmp_path, scale):
    file = save(tmp_path / "p.jpg", synthetic("edges", 4032, 3024))
    published, smaller = (
        TrainingViews(PLAIN, 1, 6, scale, decoding).pixels(file, "x")
        for decoding in ("published", "as_seen")
    )
    assert (published - smaller).abs().mean() < 1 / 255


def test_views_that_differ_have_other_identities(monkeypatch):
    plain, crops = EvaluationView(CLIP, "as_seen"), TrainingViews(CLIP, 1, 2, (1.0, 1.0))
    identities = [plain.identity, crops.identity, replace(crops, first=2).identity]
    identities += [AugmentedViews(each, crops).identity for each in (plain, EvaluationView(CLIP))]
    monkeypatch.setattr(views, "MARGIN", 4)
    identities.append(plain.identity)
    assert len(set(identities)) == len(identities)


def test_a_tower_of_unequal_sides_has_pictures_for_the_longer(monkeypatch):
    asked = []

    def read(image, decoding, short_side):
        asked.append(short_side)
        return Image.new("RGB", (300, 200))

    monkeypatch.setattr(views, "read_rgb", read)
    p = replace(PLAIN, size=(48, 96))
    assert EvaluationView(p, "as_seen").of(Path()).shape == (3, 48, 96)
    TrainingViews(p, 1, 1, (1.0, 1.0), "as_seen").read(Path())
    assert asked == [96, 96]


def test_caches_of_both_decodings_do_not_mix():
    for own in (EvaluationView(CLIP), TrainingViews(CLIP, 1, 2, (1.0, 1.0))):
        assert own.identity != replace(own, decoding="as_seen").identity


def test_the_benchmark_of_decoding_makes_its_clip(tiny_clip, monkeypatch):
    monkeypatch.setattr("open_clip.create_model", lambda name: deepcopy(tiny_clip.model))
    assert random_clip().name == "random"
