"""Features are computed once, equal the towers', and survive being killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from clip.random_images import random_images
from vlprompt_pipeline.clip import (
    EvaluationView,
    FeatureStore,
    FrozenClip,
    ImageSet,
    TrainingViews,
    features,
)
from vlprompt_pipeline.clip.encoding import computed_ahead
from vlprompt_pipeline.errors import DataError, WeightsError

OPTIONS = {"batch_size": 3, "shard_size": 4, "workers": 2}


@pytest.fixture
def images(tmp_path) -> ImageSet:
    return random_images(tmp_path, 10)


def _crops(clip, count: int = 2, seed: int = 1) -> TrainingViews:
    return TrainingViews(clip.preprocessing, seed, count, (0.3, 1.0))


def test_equal_the_image_tower_one_by_one(tiny_clip, images, tmp_path):
    view = EvaluationView(tiny_clip.preprocessing)
    found = FeatureStore(tmp_path / "store").extract(tiny_clip, images, view, **OPTIONS)
    assert found.values.shape == (10, 1, 16)
    for row, name in enumerate(images.paths):
        alone = tiny_clip.encode_images(view.pixels(images.folder / name, ""))
        torch.testing.assert_close(found.values[row], alone, rtol=1e-5, atol=1e-6)


def test_the_test_view_is_resize_crop_normalise(tiny_clip, tmp_path):
    picture = Image.new("RGB", (64, 32), (255, 0, 0))
    picture.paste((0, 0, 255), (16, 0, 48, 32))  # the centre square
    picture.save(tmp_path / "p.png")
    pixels = EvaluationView(tiny_clip.preprocessing).pixels(tmp_path / "p.png", "")
    expected = torch.tensor([-2.0, -2.0, 2.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    torch.testing.assert_close(pixels, expected)  # mean 0.5, std 0.25


def _watched(clip, limit: int | None = None) -> tuple[FrozenClip, list[int]]:
    """A copy that notes the sizes of blocks it encodes, and is cut off behind the first `limit`."""
    watched, blocks = copy(clip), []

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        if len(blocks) == limit:
            raise KeyboardInterrupt
        blocks.append(len(pixels))
        return clip.encode_images(pixels)

    watched.encode_images = encode
    return watched, blocks


def test_many_views_of_an_image_do_not_fill_the_memory(tiny_clip, tmp_path, monkeypatch):
    images, crops, read, waiting = random_images(tmp_path, 30), _crops(tiny_clip, 8), [], []

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        time.sleep(0.2)  # long enough to read what may be read ahead
        waiting.append(len(read) * crops.count - 32 * (len(waiting) + 1))
        return tiny_clip.encode_images(pixels)

    def pixels(views: TrainingViews, source: object, fingerprint: str) -> torch.Tensor:
        read.append(fingerprint)
        return original(views, source, fingerprint)

    original, slow = TrainingViews.pixels, copy(tiny_clip)
    monkeypatch.setattr(TrainingViews, "pixels", pixels)
    slow.encode_images = encode
    FeatureStore(tmp_path / "store").extract(slow, images, crops, batch_size=16, workers=2)
    assert max(waiting) <= 16 + crops.count


def test_what_is_no_longer_asked_for_is_not_computed():
    begun: list[int] = []

    def compute(number: int) -> int:
        begun.append(number)
        time.sleep(0.02)
        return number

    ahead = computed_ahead(compute, range(100), 50, workers=1)
    assert next(ahead) == 0
    ahead.close()
    assert len(begun) < 10


def test_second_time_nothing_is_computed(tiny_clip, images, tmp_path):
    store = FeatureStore(tmp_path / "store")
    view = EvaluationView(tiny_clip.preprocessing)
    watched, blocks = _watched(tiny_clip)
    first = store.extract(watched, images, view, **OPTIONS)
    assert len(blocks) == 3
    second = store.extract(watched, images, view, **OPTIONS)
    assert len(blocks) == 3
    assert torch.equal(first.values, second.values)
    assert torch.equal(first.values, store.load(first.key).values)
    assert first.identity_sha256 == tiny_clip.identity_sha256


def test_every_image_is_told_of_once_whether_computed_or_there(tiny_clip, images, tmp_path):
    told: list[tuple[int, list[int]]] = []

    @contextmanager
    def progress(title: str, total: int):
        told.append((total, []))
        yield told[-1][1].append

    store = FeatureStore(tmp_path / "store")
    for _ in range(2):
        store.extract(tiny_clip, images, _crops(tiny_clip), progress=progress, **OPTIONS)
    (computed, one_by_one), (there, by_shard) = told
    assert computed == there == 10
    assert (one_by_one, by_shard) == ([1] * 10, [4, 4, 2])


def test_features_of_another_clip_are_refused(tiny_clip, images, tmp_path):
    view = EvaluationView(tiny_clip.preprocessing)
    found = FeatureStore(tmp_path / "store").extract(tiny_clip, images, view, **OPTIONS)
    with pytest.raises(WeightsError, match=r"were computed with the CLIP .*, but tiny is 0000"):
        found.of(SimpleNamespace(name="tiny", identity_sha256="0" * 64))


def test_a_killed_extraction_repeats_at_most_one_shard(tiny_clip, images, tmp_path):
    store = FeatureStore(tmp_path / "store")
    view = EvaluationView(tiny_clip.preprocessing)
    whole = FeatureStore(tmp_path / "whole").extract(tiny_clip, images, view, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        store.extract(_watched(tiny_clip, limit=1)[0], images, view, **OPTIONS)
    assert len(list((tmp_path / "store").rglob("shard-*.safetensors"))) == 1
    watched, blocks = _watched(tiny_clip)
    again = store.extract(watched, images, view, **OPTIONS)
    assert len(blocks) == 2  # one for each shard but the finished one
    assert torch.equal(again.values, whole.values)


EXTRACT = """
import sys
from pathlib import Path
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, load_clip

clip_folder, folder, store = sys.argv[1:]
clip = load_clip("local-dir:" + clip_folder, "tiny", "cpu")
paths = tuple(sorted(path.name for path in Path(folder).glob("*.png")))
print("ready", flush=True)
images = ImageSet(Path(folder), paths * 40, paths * 40)
view = EvaluationView(clip.preprocessing)
FeatureStore(Path(store)).extract(clip, images, view, batch_size=3, shard_size=4, workers=1)
"""


def test_sigkill_leaves_whole_shards_alone(tiny_clip, tiny_clip_folder, images, tmp_path):
    store = tmp_path / "store"
    arguments = [tiny_clip_folder, images.folder, store]
    child = subprocess.Popen(
        [sys.executable, "-c", EXTRACT, *arguments], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "ready\n"
        while len(list(store.rglob("shard-*.safetensors"))) < 3 and child.poll() is None:
            time.sleep(0.001)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    finished = len(list(store.rglob("shard-*.safetensors")))
    paths = tuple(sorted(images.paths)) * 40
    watched, blocks = _watched(tiny_clip)
    again = FeatureStore(store).extract(
        watched,
        ImageSet(images.folder, paths, paths),
        EvaluationView(tiny_clip.preprocessing),
        batch_size=3,
        shard_size=4,
    )
    assert 3 <= finished < 100
    assert len(blocks) == 100 - finished  # one a shard
    ten = again.values.unflatten(0, (40, 10))
    torch.testing.assert_close(ten, ten[:1].expand_as(ten), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changed", ["seed", "count", "scale", "image", "weights", "shards", "code"]
)
def test_whatever_changes_the_features_changes_the_key(
    tiny_clip, images, tmp_path, changed, monkeypatch
):
    store, options = FeatureStore(tmp_path / "store"), dict(OPTIONS)
    before = store.extract(tiny_clip, images, _crops(tiny_clip), **OPTIONS).key
    views, clip = _crops(tiny_clip), tiny_clip
    if changed == "seed":
        views = _crops(tiny_clip, seed=2)
    if changed == "count":
        views = _crops(tiny_clip, count=3)
    if changed == "scale":
        views = TrainingViews(tiny_clip.preprocessing, 1, 2, (0.5, 1.0))
    if changed == "image":
        images = ImageSet(images.folder, images.paths, ("other", *images.fingerprints[1:]))
    if changed == "weights":
        clip = _with_other_weights(tiny_clip)
    if changed == "shards":
        options["shard_size"] = 5
    if changed == "code":
        monkeypatch.setattr(features, "code_digest", lambda *_: "newer")
    assert store.extract(clip, images, views, **options).key != before


def _with_other_weights(clip):
    other = copy(clip)
    other.identity = replace(clip.identity, weights="0" * 64)
    return other


def test_crops_depend_on_seed_image_and_number_alone(tiny_clip, images):
    path = images.folder / images.paths[0]
    three = _crops(tiny_clip, count=3).pixels(path, "a")
    torch.manual_seed(123)  # the global generator has no say, and is left alone
    state = torch.get_rng_state()
    assert torch.equal(three[:2], _crops(tiny_clip).pixels(path, "a"))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(three[0], three[1])
    assert not torch.equal(three, _crops(tiny_clip, count=3).pixels(path, "b"))
    assert not torch.equal(three, _crops(tiny_clip, count=3, seed=2).pixels(path, "a"))


def test_crops_cover_the_published_range(tiny_clip, tmp_path):
    """Area 30-100 %, half of them flipped: read off a picture whose colours are coordinates."""
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(64) * 4, (np.arange(64) * 4)[:, None]
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    views = _crops(tiny_clip, count=200).pixels(tmp_path / "ramp.png", "x") * 0.25 + 0.5
    width = (views[:, 0, 16, -1] - views[:, 0, 16, 0]) * 255 / 252
    height = (views[:, 1, -1, 16] - views[:, 1, 0, 16]) * 255 / 252
    area = (width.abs() * height).numpy()
    assert 0.2 < area.min() < 0.4 and 0.85 < area.max() <= 1.05
    assert 60 < (width < 0).sum().item() < 140


def test_an_unreadable_image_is_named(tiny_clip, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    images = ImageSet(tmp_path, ("broken.jpg",), ("x",))
    with pytest.raises(DataError, match=r"cannot read .*broken\.jpg .*replace the file"):
        FeatureStore(tmp_path / "store").extract(
            tiny_clip, images, EvaluationView(tiny_clip.preprocessing), **OPTIONS
        )
