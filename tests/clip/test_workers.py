"""Decoding by processes and blocks made of chunks: the same features as by threads."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from clip.random_images import random_images
from simulated_gpu import simulated_gpu
from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet, TrainingViews
from vlprompt_pipeline.clip.encoding import encode_in_blocks
from vlprompt_pipeline.clip.transfer import _copying_stream, transferred
from vlprompt_pipeline.clip.workers import decode_in_processes, worker_processes
from vlprompt_pipeline.errors import DataError, UserError

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SHARDS = [range(0, 40), range(40, 70)]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> ImageSet:
    return random_images(tmp_path_factory.mktemp("images"), 70)


@pytest.mark.parametrize("views", [1, 3])
def test_processes_and_threads_give_the_same_bits(tiny_clip, images, tmp_path, views):
    view = EvaluationView(tiny_clip.preprocessing)
    if views > 1:
        view = TrainingViews(tiny_clip.preprocessing, 5, views, (0.3, 1.0))
    stored = FeatureStore(tmp_path).extract(tiny_clip, images, view, shard_size=40)
    chunks = list(decode_in_processes(images, view, SHARDS, workers=2, pin=False))
    ends = np.cumsum([len(chunk) for chunk in chunks]).tolist()
    assert 40 * views in ends, "no chunk belongs to two shards"
    parts = view.preprocessing.normalised(torch.cat(chunks)).split(40 * views)
    values = torch.cat([encode_in_blocks(tiny_clip.encode_images, [each], 32) for each in parts])
    assert torch.equal(values.unflatten(0, (70, views)), stored.values)


def test_an_image_of_many_views_is_a_chunk_of_its_own(tiny_clip, images):
    views = TrainingViews(tiny_clip.preprocessing, 1, 33, (0.3, 1.0))
    chunks = decode_in_processes(images, views, [range(2)], workers=1, pin=False)
    assert [len(chunk) for chunk in chunks] == [33, 33]


def test_a_picture_that_was_changed_is_named_without_a_traceback(tiny_clip, images):
    wrong = ImageSet(images.folder, images.paths, ("sha256:0", *images.fingerprints[1:]))
    view = EvaluationView(tiny_clip.preprocessing)
    with pytest.raises(DataError, match=r"^\S*0\.png has been changed since the index was made"):
        list(decode_in_processes(wrong, view, SHARDS, workers=1, pin=False))


@dataclass(frozen=True)
class DeadlyImages(ImageSet):
    """Images that get a signal for the process that reads them."""

    signalled: signal.Signals

    def read(self, row: int) -> None:
        os.kill(os.getpid(), self.signalled)


@pytest.mark.parametrize("signalled", [signal.SIGBUS, signal.SIGKILL])
def test_a_worker_that_is_killed_is_told_in_a_sentence(tiny_clip, images, signalled):
    images = DeadlyImages(images.folder, images.paths, images.fingerprints, signalled)
    view = EvaluationView(tiny_clip.preprocessing)
    with pytest.raises(UserError, match=r"was killed \(DataLoader worker .*\), .* /dev/shm"):
        list(decode_in_processes(images, view, SHARDS, workers=1, pin=False))


@pytest.mark.parametrize("sizes", [(5, 5, 3), (13,), (1,) * 13])
def test_chunks_of_any_size_fill_the_same_blocks(sizes):
    """Every block but the last holds the next inputs; the last is filled up with zeros."""
    pixels = torch.arange(13.0).reshape(13, 1, 1, 1) + 1
    blocks: list[list[float]] = []

    def encode(block: torch.Tensor) -> torch.Tensor:
        blocks.append(block.flatten().tolist())
        return 2 * block.flatten(1)

    values = encode_in_blocks(encode, pixels.split(list(sizes)), 6)
    assert blocks == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [13, 0, 0, 0, 0, 0]]
    assert torch.equal(values, 2 * pixels.flatten(1))


def test_blocks_are_filled_where_the_chunks_are():
    with simulated_gpu():
        chunks = [torch.ones(3, 1, 2, 2).to("cuda"), torch.ones(2, 1, 2, 2).to("cuda")]
        values = encode_in_blocks(lambda block: block.flatten(1).sum(1, keepdim=True), chunks, 4)
        assert values.device.type == "cpu"
        assert values.tolist() == [[4.0]] * 5


def _noted(taken: list[int]) -> Iterator[tuple[torch.Tensor, ...]]:
    for number in range(4):
        taken.append(number)
        yield torch.full((2,), float(number)), torch.tensor([number])


def test_to_a_cpu_nothing_is_on_its_way():
    taken: list[int] = []
    for number, (values, label) in enumerate(transferred(_noted(taken), CPU)):
        assert taken == list(range(number + 1))
        assert (values.tolist(), label.tolist()) == ([number] * 2, [number])


def test_on_a_gpu_the_next_tensors_are_on_their_way():
    taken: list[int] = []
    with simulated_gpu():
        for number, (values, label) in enumerate(transferred(_noted(taken), GPU)):
            assert taken == list(range(min(number + 2, 4)))
            assert values.device.type == label.device.type == "cuda"
            assert (values.tolist(), label.tolist()) == ([number] * 2, [number])


class Copies(TorchFunctionMode):
    """Notes how tensors are copied to a device."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.to:
            self.asked.append(kwargs or {})
        return function(*args, **(kwargs or {}))


def test_images_of_the_host_are_there_before_the_tower_reads_them(tiny_clip):
    """On Apple's GPUs a copy that nobody waits for may read what was freed in the meantime."""
    with Copies() as copies:
        tiny_clip.encode_images(torch.zeros(1, 3, *tiny_clip.preprocessing.height_width))
    assert copies.asked
    assert not any(how.get("non_blocking") for how in copies.asked)


def test_all_copies_to_a_gpu_have_one_stream(monkeypatch):
    with simulated_gpu():
        made, stream = [], torch.cuda.Stream
        monkeypatch.setattr(torch.cuda, "Stream", lambda *_: made.append(stream()) or made[-1])
        _copying_stream.cache_clear()
        for _ in range(2):
            list(transferred(_noted([]), GPU))
        assert len(made) == 1
    _copying_stream.cache_clear()


@pytest.mark.parametrize(("cores", "processes"), [(5, 5), (64, 16)])
def test_no_more_processes_than_cores(cores, processes, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert worker_processes() == processes
