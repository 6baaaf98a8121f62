"""Nothing but the inputs decides the bits of image features, on the embedded CLIP."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from PIL import Image

from clip.random_images import random_images
from clips import frozen_clip
from vlprompt_pipeline import arithmetic
from vlprompt_pipeline.arithmetic import SMALL_WORK, Arithmetic, resolve_threads
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, TrainingViews, load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip, torchvision
from vlprompt_pipeline.clip.views import random_box
from vlprompt_pipeline.errors import DataError, UserError

COUNT = 50  # a block and a part of another


@pytest.fixture(scope="module")
def clip():
    return load_clip("embedded", "demo", "cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> ImageSet:
    return random_images(tmp_path_factory.mktemp("images"), COUNT)


@pytest.fixture(scope="module")
def extracted(clip, images, tmp_path_factory):
    """Extraction with crops, into a store of its own."""
    number = iter(range(1000))
    root = tmp_path_factory.mktemp("stores")
    views = TrainingViews(clip.preprocessing, 1, 2, (0.3, 1.0))

    def extract(batch_size: int = 256):
        store = FeatureStore(root / str(next(number)))
        return store.extract(clip, images, views, batch_size=batch_size)

    return extract


@pytest.fixture(scope="module")
def expected(extracted):
    return extracted()


def same(found, expected) -> bool:
    return found.key == expected.key and torch.equal(found.values, expected.values)


@pytest.mark.parametrize("batch_size", [3, 7, 256])
def test_how_many_are_read_ahead_changes_no_bit(extracted, expected, batch_size):
    assert same(extracted(batch_size), expected)


def test_worker_threads_give_the_same_bits(extracted, expected):
    with ThreadPoolExecutor(2) as pool:
        assert all(same(found, expected) for found in pool.map(extracted, [3, 256]))


def test_another_thread_that_draws_weights_changes_no_bit(extracted, expected):
    """open_clip draws the weights of a model from PyTorch's global generator."""
    config = open_clip.get_model_config("ViT-B-32") | {"embed_dim": 16}
    config["vision_cfg"] = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8}
    config["text_cfg"] = {
        "context_length": 8,
        "vocab_size": 99,
        "width": 16,
        "heads": 2,
        "layers": 1,
    }
    done = threading.Event()

    def build():
        while not done.is_set():
            open_clip.CLIP(**config)

    builder = threading.Thread(target=build)
    builder.start()
    try:
        assert same(extracted(7), expected)
    finally:
        done.set()
        builder.join()


def test_after_another_thread_has_changed_its_threads_the_bits_are_the_same(extracted, expected):
    before = torch.get_num_threads()
    other = threading.Thread(target=torch.set_num_threads, args=(before % 2 + 1,))
    other.start()
    other.join()
    try:
        with ThreadPoolExecutor(1) as pool:
            assert same(pool.submit(extracted).result(), expected)
        assert same(extracted(), expected)
    finally:
        torch.set_num_threads(before)


def test_another_number_of_threads_is_another_key(clip, images, tmp_path, expected):
    two = load_clip("embedded", "demo", "cpu", threads=2)
    views = TrainingViews(clip.preprocessing, 1, 2, (0.3, 1.0))
    found = FeatureStore(tmp_path).extract(two, images, views)
    assert found.key != expected.key
    assert Arithmetic("cuda", 1).key == Arithmetic("cuda", 2).key


def test_the_threads_of_a_thread_are_given_back():
    before = torch.get_num_threads()
    with Arithmetic("cpu", before + 1).running():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_by_the_size_of_the_work(clip, tiny_clip, monkeypatch):
    monkeypatch.setattr(arithmetic, "MACHINE_THREADS", 7)
    assert clip.threads == 1
    assert resolve_threads("auto", SMALL_WORK) == 1
    assert resolve_threads("auto", SMALL_WORK + 1) == 7
    assert resolve_threads(3, 1) == 3
    monkeypatch.setattr(arithmetic, "SMALL_WORK", 1_000_000)  # more than all but the token table
    assert frozen_clip(tiny_clip.model).threads == 1


def test_what_stands_beside_an_image_changes_no_bit(clip, images, tmp_path):
    view = EvaluationView(clip.preprocessing)
    whole = FeatureStore(tmp_path).extract(clip, images, view).values
    some = replace(images, paths=images.paths[40:], fingerprints=images.fingerprints[40:])
    assert torch.equal(FeatureStore(tmp_path).extract(clip, some, view).values, whole[40:])


@pytest.mark.parametrize("size", [(48, 48), (640, 480), (10, 300), (300, 10), (1, 1)])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (1.0, 1.0)])
def test_crops_lie_where_torchvision_draws_them(size, scale):
    picture = Image.new("L", size)
    for seed in range(50):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            crop = torchvision.transforms.RandomResizedCrop
            expected = crop.get_params(picture, list(scale), [3 / 4, 4 / 3])
        generator = torch.Generator().manual_seed(seed)
        assert random_box(*size, scale, generator) == tuple(expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fingerprints": "sha256:0"}, r"0\.png has been changed since the index was made"),
        ({"paths": "gone.png"}, r"gone\.png is not there any more: the images were changed since"),
    ],
)
def test_an_image_that_is_not_as_it_was_indexed_is_refused(clip, images, tmp_path, change, said):
    first = {name: (value, *getattr(images, name)[1:]) for name, value in change.items()}
    with pytest.raises(DataError, match=said):
        view = EvaluationView(clip.preprocessing)
        FeatureStore(tmp_path).extract(clip, replace(images, **first), view)


@pytest.mark.parametrize("content", ["flipped", "empty", "other"])
def test_a_shard_that_was_changed_is_computed_again(clip, images, tmp_path, caplog, content):
    store, view = FeatureStore(tmp_path), EvaluationView(clip.preprocessing)
    before = store.extract(clip, images, view, shard_size=30)
    shards = sorted(tmp_path.rglob("*.safetensors"))
    data = shards[0].read_bytes()
    flipped = data[:-5] + bytes([data[-5] ^ 4]) + data[-4:]
    contents = {"flipped": flipped, "empty": b"", "other": shards[1].read_bytes()}
    shards[0].write_bytes(contents[content])
    with pytest.raises(UserError, match="run feature_extraction again"):
        store.load(before.key)
    after = store.extract(clip, images, view, shard_size=30)
    assert torch.equal(before.values, after.values)
    assert f"{shards[0]} has" in caplog.text
    assert "its features are computed again" in caplog.text
