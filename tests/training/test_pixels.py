"""Batches of pixels: the crops of the cached features, or new ones; training on them continues."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from PIL import Image

from clip.random_images import random_images
from learners import CLASSES, TRAINING
from training.cuts import require_same_bits_after_a_cut
from vlprompt_pipeline.clip import FeatureStore, ImageSet, TrainingViews
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.images import ImageBytes
from vlprompt_pipeline.methods import Recipe, build_learner, resolve_recipe
from vlprompt_pipeline.parametrizations import quantized_tensors
from vlprompt_pipeline.training import CachedViews, Checkpoint, OnlineViews, PixelViews, train
from vlprompt_pipeline.training import batches as batches_module

LABELS = torch.arange(7) % 3
TOWERS = {"length": 2, "init": "a photo of a", "depth": 2, "image_length": 2, "image_depth": 2}


@dataclass(frozen=True)
class CountedImages(ImageSet):
    """Images that note which of them were read."""

    rows: list[int] = field(default_factory=list)

    def read(self, row: int) -> ImageBytes:
        self.rows.append(row)
        return super().read(row)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> ImageSet:
    return random_images(tmp_path_factory.mktemp("images"), len(LABELS))


def pixel_views(clip, images: ImageSet, fresh: bool = False, workers: int = 2) -> PixelViews:
    views = TrainingViews(clip.preprocessing, 5, 3, (0.3, 1.0))
    return PixelViews(images, views, LABELS, 3, seed=1, fresh=fresh, workers=workers)


def test_the_crops_are_those_of_cached_features(tiny_clip, images, tmp_path):
    pixels = pixel_views(tiny_clip, images)
    features = FeatureStore(tmp_path).extract(tiny_clip, images, pixels.views).values
    cached = CachedViews(features, LABELS, pixels.batch_size, pixels.seed)
    assert pixels.steps == cached.steps == 2
    for epoch in range(3):
        pairs = zip(pixels.epoch(epoch), cached.epoch(epoch), strict=True)
        for (crops, labels), (expected, same) in pairs:
            assert torch.equal(labels, same)
            torch.testing.assert_close(
                tiny_clip.encode_images(crops), expected, rtol=1e-5, atol=1e-6
            )


def test_fresh_crops_are_numbered_by_the_epoch(tiny_clip, images):
    pixels = pixel_views(tiny_clip, images, fresh=True)
    crops = torch.stack(
        [
            TrainingViews(tiny_clip.preprocessing, 5, 1, (0.3, 1.0), first=4).pixels(
                images.folder / path, fingerprint
            )[0]
            for path, fingerprint in zip(images.paths, images.fingerprints, strict=True)
        ]
    )
    seen = torch.cat([batch for batch, _ in pixels.epoch(4)])
    assert seen.shape == (6, 3, 32, 32)
    assert all(any(torch.equal(crop, one) for one in crops) for crop in seen)
    assert not torch.equal(seen, torch.cat([batch for batch, _ in pixels.epoch(5)]))


def test_more_workers_change_nothing(tiny_clip, images):
    one, many = (pixel_views(tiny_clip, images, workers=n) for n in (1, 4))
    for (a, labels), (b, same) in zip(one.epoch(2), many.epoch(2), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(labels, same)


def test_online_features_are_those_of_fresh_crops(tiny_clip, images):
    pixels = pixel_views(tiny_clip, images, fresh=True)
    online = OnlineViews(tiny_clip, pixels)
    assert online.steps == pixels.steps
    for (features, labels), (crops, same) in zip(online.epoch(1), pixels.epoch(1), strict=True):
        assert torch.equal(features, tiny_clip.encode_images(crops))
        assert torch.equal(labels, same)


def test_a_picture_that_is_gone_is_named(tiny_clip, images, tmp_path):
    moved = ImageSet(tmp_path, images.paths, images.fingerprints)
    with pytest.raises(DataError, match=r"\d\.png"):
        list(pixel_views(tiny_clip, moved).epoch(0))


def recipe(method: str, bits: int | None) -> Recipe:
    held = {"text_weight": 25, "image_weight": 10, "logit_weight": 1, "templates": "photo"}
    prompts = {
        "maple": {key: TOWERS[key] for key in ("length", "init", "depth")},
        "promptsrc": {**TOWERS, **held, "aggregation": {"mean": 2.5, "std": 1.0}},
    }
    training = {**TRAINING, "epochs": 4, "batch_size": 3, "lr": 0.01}
    values = {
        "method": method,
        "title": "",
        "prompt": prompts[method],
        "training": training,
    }
    return resolve_recipe("it", {"it": values | ({"quantize": {"bits": bits}} if bits else {})})


@pytest.mark.parametrize(
    ("method", "bits"), [("maple", None), ("maple", 4), ("promptsrc", None), ("promptsrc", 2)]
)
@pytest.mark.parametrize("after", [0, 2, 3])
def test_a_run_cut_after_any_epoch_ends_with_the_same_bits(
    tiny_clip, images, tmp_path, method, bits, after
):
    chosen = recipe(method, bits)

    def trained(checkpoint: Checkpoint | None):
        learner = build_learner(chosen, tiny_clip, CLASSES, seed=1)
        rows = train(learner, pixel_views(tiny_clip, images), chosen.training, checkpoint)
        return learner, rows

    require_same_bits_after_a_cut(trained, tmp_path / "c.safetensors", after + 1)


@pytest.mark.parametrize("bits", [1, 4])
def test_the_codebooks_of_promptsrc_are_those_of_its_mean_prompt(tiny_clip, images, bits):
    chosen = recipe("promptsrc", bits)
    learner = build_learner(chosen, tiny_clip, CLASSES, seed=1)
    rows = train(learner, pixel_views(tiny_clip, images), chosen.training)
    made = {row["tensor"] for row in rows[-1]["clusterings"]}
    for name, quantizer, weight in quantized_tensors(learner):
        codebook = quantizer.codebook.clone()
        quantizer.initialise(weight)
        assert torch.equal(quantizer.codebook, codebook)
        assert name in made


@pytest.mark.parametrize("method", ["maple", "promptsrc"])
def test_half_precision_trains_both_towers(tiny_clip, images, method):
    exact, losses = recipe(method, None), []
    for precision in ("fp32", "bf16"):
        training = exact.training.model_copy(update={"precision": precision})
        learner = build_learner(exact, tiny_clip, CLASSES, seed=1)
        rows = train(learner, pixel_views(tiny_clip, images), training)
        losses.append([row["loss"] for row in rows])
        assert all(p.dtype == torch.float32 for p in learner.parameters())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_a_picture_is_decoded_once_where_there_is_room(tiny_clip, images, monkeypatch):
    seen = {}
    for share in (0.25, 0.0):
        monkeypatch.setattr(batches_module, "PICTURES_SHARE", share)
        counted = CountedImages(images.folder, images.paths, images.fingerprints)
        pixels = pixel_views(tiny_clip, counted)
        seen[share] = torch.cat([crops for epoch in range(3) for crops, _ in pixels.epoch(epoch)])
        read = counted.rows
        assert len(read) == (len(set(read)) if share else 3 * 6)  # a short batch is dropped
    assert torch.equal(seen[0.25], seen[0.0])


def test_as_many_pictures_are_kept_as_fit():
    kept = batches_module.Pictures(room=3 * 10 * 10 * 4)  # Pillow keeps RGB in four bytes a pixel
    made: list[int] = []

    def picture(row: int) -> Image.Image:
        made.append(row)
        return Image.new("RGB", (10, 10))

    for _ in range(2):
        for row in range(5):
            kept.get(row, lambda row=row: picture(row))
    assert made == [0, 1, 2, 3, 4, 3, 4]
