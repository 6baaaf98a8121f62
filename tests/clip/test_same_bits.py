"""Nothing but the inputs decides the bits of image features, on the embedded CLIP."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from PIL import Image

from clip.random_images import random_images
from vlprompt_pipeline.arithmetic import SMALL_WORK, Arithmetic, resolve_threads, torch_threads
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, TrainingViews, load_clip
from vlprompt_pipeline.clip.encoding import BLOCK, encode_in_blocks
from vlprompt_pipeline.clip.lazy_libraries import open_clip, torchvision
from vlprompt_pipeline.clip.views import random_box
from vlprompt_pipeline.errors import DataError

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
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_by_the_size_of_the_work(clip):
    assert clip.threads == 1
    assert resolve_threads("auto", SMALL_WORK) == 1
    assert resolve_threads("auto", SMALL_WORK + 1) >= 1
    assert resolve_threads(3, 1) == 3


def test_the_tower_always_gets_blocks_of_one_size():
    sizes = []

    def encode(pixels):
        sizes.append(len(pixels))
        return pixels.flatten(1).sum(1, keepdim=True).clone()

    inputs = [torch.full((2, 3, 2, 2), float(n)) for n in range(20)]
    found = encode_in_blocks(encode, inputs, BLOCK)
    assert sizes == [BLOCK, BLOCK]
    assert found[:, 0].tolist() == [12.0 * n for n in range(20) for _ in range(2)]


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


def test_an_image_that_was_changed_since_it_was_indexed_is_refused(clip, images, tmp_path):
    other = replace(images, fingerprints=(images.fingerprints[1], *images.fingerprints[1:]))
    with pytest.raises(DataError, match=r"0\.png has been changed since the index was made"):
        FeatureStore(tmp_path).extract(clip, other, EvaluationView(clip.preprocessing))


def test_an_image_that_was_removed_since_it_was_indexed_is_told_of_as_such(clip, images, tmp_path):
    other = replace(images, paths=("gone.png", *images.paths[1:]))
    said = r"gone\.png is not there any more: the images were changed since .* run again"
    with pytest.raises(DataError, match=said):
        FeatureStore(tmp_path).extract(clip, other, EvaluationView(clip.preprocessing))


@pytest.mark.parametrize("content", ["flipped", "zeros", "short", "empty", "other"])
def test_a_shard_that_was_changed_is_computed_again(clip, images, tmp_path, caplog, content):
    store, view = FeatureStore(tmp_path), EvaluationView(clip.preprocessing)
    before = store.extract(clip, images, view, shard_size=30)
    shards = sorted(tmp_path.rglob("*.safetensors"))
    data = bytearray(shards[0].read_bytes())
    if content == "flipped":
        data[-5] ^= 4
    elif content == "zeros":
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    elif content == "other":
        data = shards[1].read_bytes()
    shards[0].write_bytes(data[:100] if content == "short" else b"" if content == "empty" else data)
    after = store.extract(clip, images, view, shard_size=30)
    assert torch.equal(before.values, after.values)
    assert f"{shards[0]} has" in caplog.text
    assert "its features are computed again" in caplog.text
