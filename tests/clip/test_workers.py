"""Decoding by processes and blocks made of chunks: the same features as by threads."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from simulated_gpu import simulated_gpu
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, TrainingViews
from vlprompt_pipeline.clip.encoding import encode_in_blocks
from vlprompt_pipeline.clip.transfer import Transfer
from vlprompt_pipeline.clip.workers import (
    Chunk,
    decode_in_processes,
    encode_shards,
    worker_processes,
)
from vlprompt_pipeline.errors import DataError, UserError
from vlprompt_pipeline.files import sha256_file

CPU = torch.device("cpu")
SHARDS = [range(0, 40), range(40, 70)]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> ImageSet:
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    names = tuple(f"{i}.png" for i in range(70))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 36, 3), np.uint8)).save(folder / name)
    return ImageSet(folder, names, tuple(f"sha256:{sha256_file(folder / n)}" for n in names))


def _processed(clip, images: ImageSet, views, block: int) -> tuple[torch.Tensor, list[str]]:
    """Features by worker processes, and the hashes of the files, of both shards."""
    told: list[int] = []
    chunks = decode_in_processes(images, views, SHARDS, workers=2, pin=False)
    ready = encode_shards(clip.encode_images, chunks, SHARDS, block, CPU, told.append)
    parts = list(ready)
    assert sum(told) == len(images)
    assert [len(hashes) for _, hashes in parts] == [len(shard) for shard in SHARDS]
    hashes = [each for _, of_shard in parts for each in of_shard]
    return torch.cat([values for values, _ in parts]), hashes


@pytest.mark.parametrize("views", [1, 3])
def test_processes_and_threads_give_the_same_bits(tiny_clip, images, tmp_path, views):
    view = EvaluationView(tiny_clip.preprocessing)
    if views > 1:
        view = TrainingViews(tiny_clip.preprocessing, 5, views, (0.3, 1.0))
    stored = FeatureStore(tmp_path).extract(tiny_clip, images, view, shard_size=40)
    values, hashes = _processed(tiny_clip, images, view, block=32)
    assert torch.equal(values.unflatten(0, (70, views)), stored.values)
    assert [f"sha256:{each}" for each in hashes] == list(images.fingerprints)


def test_a_picture_that_was_changed_is_named_without_a_traceback(tiny_clip, images):
    wrong = ImageSet(images.folder, images.paths, ("sha256:0", *images.fingerprints[1:]))
    view = EvaluationView(tiny_clip.preprocessing)
    with pytest.raises(DataError, match=r"^\S*0\.png has been changed since the index was made"):
        list(decode_in_processes(wrong, view, SHARDS, workers=1, pin=False))


@pytest.mark.parametrize("signalled", [signal.SIGBUS, signal.SIGKILL])
def test_a_worker_that_is_killed_is_told_in_a_sentence(tiny_clip, images, signalled, monkeypatch):
    monkeypatch.setattr(ImageSet, "read", lambda *_: os.kill(os.getpid(), signalled))
    view = EvaluationView(tiny_clip.preprocessing)
    with pytest.raises(UserError, match=r"was killed \(DataLoader worker .*\), .* /dev/shm"):
        list(decode_in_processes(images, view, SHARDS, workers=1, pin=False))


@pytest.mark.parametrize("sizes", [(5, 5, 3), (13,), (1,) * 13])
def test_chunks_of_any_size_fill_the_same_blocks(sizes):
    """Every block but a shard's last holds the next inputs; the last is filled up with zeros."""
    pixels = torch.arange(13.0).reshape(13, 1, 1, 1) + 1
    blocks: list[list[float]] = []

    def encode(block: torch.Tensor) -> torch.Tensor:
        blocks.append(block.flatten().tolist())
        return block.flatten(1)

    chunks = (Chunk(part, ["-"] * len(part)) for part in pixels.split(list(sizes)))
    ((values, _),) = encode_shards(encode, chunks, [range(13)], 6, CPU, lambda _: None)
    assert blocks == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [13, 0, 0, 0, 0, 0]]
    assert torch.equal(values, encode_in_blocks(lambda block: block.flatten(1), [pixels], 6))


def test_to_a_cpu_nothing_is_on_its_way():
    there = Transfer(CPU).start(torch.ones(2), torch.zeros(1))
    assert [tensor.tolist() for tensor in there.arrived()] == [[1, 1], [0]]
    assert there.done is None


def test_images_of_the_host_are_there_before_the_tower_reads_them(tiny_clip, monkeypatch):
    """On Apple's GPUs a copy that nobody waits for may read what was freed in the meantime."""
    asked, to = [], torch.Tensor.to
    monkeypatch.setattr(
        torch.Tensor, "to", lambda x, *a, **how: asked.append(how) or to(x, *a, **how)
    )
    tiny_clip.encode_images(torch.zeros(1, 3, *tiny_clip.preprocessing.height_width))
    assert asked
    assert not any(how.get("non_blocking") for how in asked)


def test_all_copies_to_a_gpu_have_one_stream():
    with simulated_gpu():
        device = torch.device("cuda", 0)
        assert Transfer(device).start(torch.ones(2)).done is not None
        assert Transfer(device)._stream is Transfer(device)._stream


def test_no_more_processes_than_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)), raising=False)
    assert worker_processes() == 5
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert worker_processes() == 16
