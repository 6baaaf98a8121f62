"""Many photos are decoded by processes, with the labels, problems and order that threads give."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from inference.fake_model import GreyModel, write_greys
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.inference import Photo, decoding
from vlprompt_pipeline.inference.decoding import BLOCKS, decode_blocks

forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
SIZE = GreyModel.block
MANY = BLOCKS * SIZE * 3 + 1


class NotedModel(GreyModel):
    """The grey model, whose pictures say in the red channel whether this process decoded them."""

    def __init__(self) -> None:
        super().__init__()
        self.process = os.getpid()

    def pixels(self, source: bytes):
        pixels = super().pixels(source)
        pixels[1] = os.getpid() != self.process
        return pixels


def photos_in(folder: Path, count: int) -> list[Photo]:
    """So many photos of different greys; every seventh is broken."""
    paths = write_greys(folder, [number % 256 for number in range(count)])
    for path in paths[3::7]:
        path.write_bytes(b"no picture")
    return [Photo(path.name, path) for path in paths]


@pytest.mark.parametrize(
    ("count", "workers", "elsewhere"),
    [pytest.param(MANY, 2, 1, marks=forks), (BLOCKS * SIZE - 1, 2, 0), (3, SIZE + 1, 0)],
)
def test_blocks_are_in_order_and_full_whoever_decodes(tmp_path, count, workers, elsewhere):
    photos = photos_in(tmp_path, count)
    seen = []
    for block in decode_blocks(NotedModel(), photos, workers):
        start = len(seen)
        seen += block.photos
        assert len(block.photos) == min(SIZE, count - start)
        assert block.pixels.shape == (SIZE, 3, 2, 2)
        for row in range(SIZE):
            number = start + row
            broken = number % 7 == 3
            if number >= count or broken:
                assert not block.pixels[row].any()
            else:
                assert (block.pixels[row, 0] * 255).round().max() == number % 256
                assert (block.pixels[row, 1] == elsewhere).all()
            if number < count:
                assert bool(block.problems[row]) == broken
    assert seen == photos
    assert not decoding._decoders, "the memory of all blocks is given back"


@forks
def test_a_daemon_which_may_have_no_processes_decodes_by_threads(tmp_path):
    photos = photos_in(tmp_path, MANY)
    daemon = multiprocessing.get_context("fork").Process(
        target=lambda: list(decode_blocks(GreyModel(), photos, workers=2)), daemon=True
    )
    daemon.start()
    daemon.join(20)
    assert daemon.exitcode == 0


def test_no_more_decode_than_cores_that_may_be_used(tmp_path, monkeypatch):
    counts, really = [], decoding._pool
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    monkeypatch.setattr(
        decoding, "_pool", lambda count, many: counts.append(count) or really(1, many)
    )
    assert len(list(decode_blocks(GreyModel(), photos_in(tmp_path, 1)))) == 1
    assert counts == [3]


@forks
def test_who_stops_early_leaves_no_process(tmp_path):
    before = multiprocessing.active_children()
    stream = decode_blocks(GreyModel(), photos_in(tmp_path, MANY), workers=2)
    next(stream)
    assert len(multiprocessing.active_children()) == len(before) + 2
    stream.close()
    assert multiprocessing.active_children() == before


class FatalModel(GreyModel):
    """A model whose preparation of images ends the process."""

    def pixels(self, source: bytes):
        os.kill(os.getpid(), signal.SIGKILL)


@forks
def test_a_process_that_is_killed_is_told_of_in_a_sentence(tmp_path):
    stream = decode_blocks(FatalModel(), photos_in(tmp_path, MANY), workers=2)
    with pytest.raises(UserError, match="that decodes photos was killed.*same command again"):
        next(stream)


ENDLESS = """
import sys
from pathlib import Path
from inference.fake_model import GreyModel
from vlprompt_pipeline.inference import Photo
from vlprompt_pipeline.inference.decoding import decode_blocks

photo = Photo("x", Path(sys.argv[1]))
for _ in decode_blocks(GreyModel(), iter(lambda: photo, None), workers=2):
    print("block", flush=True)
"""


@forks
def test_decoders_do_not_outlive_a_command_that_is_killed(tmp_path):
    (path,) = write_greys(tmp_path, [7])
    folders = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    command = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )
    assert command.stdout.readline() == b"block\n"
    decoders = psutil.Process(command.pid).children()
    assert len(decoders) == 2
    command.kill()
    command.wait()
    command.stdout.close()
    _, alive = psutil.wait_procs(decoders, timeout=20)
    assert not alive


def ignores_ctrl_c(process: int) -> bool:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (ignored,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return bool(ignored >> (signal.SIGINT - 1) & 1)


@forks
def test_ctrl_c_is_for_the_command_alone(tmp_path):
    before = set(multiprocessing.active_children())
    stream = decode_blocks(GreyModel(), photos_in(tmp_path, MANY), workers=2)
    next(stream)
    decoders = set(multiprocessing.active_children()) - before
    deadline = time.monotonic() + 30
    while not all(ignores_ctrl_c(each.pid) for each in decoders):  # they may still be starting
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for each in decoders:
        os.kill(each.pid, signal.SIGINT)
    assert sum(len(block.photos) for block in stream) == MANY - SIZE
