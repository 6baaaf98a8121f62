"""Label 100,000 links to photos with `vlprompt predict`, killed twice on the way.

Run in a project that has the model: python tests/speed/many_photos.py FOLDER MODEL [--count 100000]

Prints the largest memory that the process and those that decode for it held, what they share
counted once, photos a second, processor's seconds a photo, and whether the table has a row for
every link and none twice.
"""

from __future__ import annotations

import argparse
import csv
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from vlprompt_pipeline.inference import find_photos

LINKS_IN_A_FOLDER = 1000
COMMAND = [sys.executable, "-c", "from vlprompt_pipeline.apps import main; main()", "predict"]


class Attempt(NamedTuple):
    """How one process went: rows it wrote, seconds, processor's seconds, most bytes held."""

    rows: int
    seconds: float
    processor: float
    memory: int
    status: int


def link(photos: list[Path], folder: Path, count: int) -> None:
    """Make links to photos, over and over."""
    for number in range(count):
        source = photos[number % len(photos)].resolve()
        place = folder / f"{number // LINKS_IN_A_FOLDER:03d}" / f"{number:06d}{source.suffix}"
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(source)


def rows_of(out: Path) -> int:
    """Lines after the heading, of what is there."""
    part = out.with_name(f"{out.name}.part")
    file = out if out.exists() else part
    return max(file.read_bytes().count(b"\n") - 1, 0) if file.exists() else 0


def attempt(folder: Path, model: str, out: Path, kill_at: int | None) -> Attempt:
    """Run the command, to its end or until there are so many rows."""
    start, before = time.perf_counter(), rows_of(out)
    process = subprocess.Popen([*COMMAND, str(folder), "--model", model, "--out", str(out)])
    watched, memory, processor = psutil.Process(process.pid), 0, 0.0
    while process.poll() is None:
        try:
            family = [watched, *watched.children()]
            memory = max(memory, sum(each.memory_full_info().pss for each in family))
            processor = sum(sum(each.cpu_times()[:2]) for each in family)
        except psutil.NoSuchProcess:
            break
        if kill_at and rows_of(out) >= kill_at:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.5)
    status = process.wait()
    seconds = time.perf_counter() - start
    return Attempt(rows_of(out) - before, seconds, processor, memory, status)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder, out = Path(temporary, "links"), Path(temporary, "labels.csv")
        folder.mkdir()
        photos = [photo.path for photo in find_photos([given.photos]).photos]
        link(photos, folder, given.count)
        print(f"{given.count:,} links to {len(photos):,} photos", flush=True)
        for kill_at in (given.count // 3, 2 * given.count // 3, None):
            done = attempt(folder, given.model, out, kill_at)
            print(
                f"{done.rows:,} rows in {done.seconds:,.0f} s ({done.rows / done.seconds:,.0f}/s, "
                f"{1e3 * done.processor / max(done.rows, 1):.1f} ms of a core each), at most "
                f"{done.memory / 1e6:,.0f} MB, ended with {done.status}",
                flush=True,
            )
        with out.open(newline="") as stream:
            paths = Counter(row["path"] for row in csv.DictReader(stream))
    twice = sum(1 for times in paths.values() if times > 1)
    print(f"{len(paths):,} photos in the table, {given.count - len(paths)} lost, {twice} doubled")


if __name__ == "__main__":
    main()
