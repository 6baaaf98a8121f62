"""Images to features on a GPU: files, tower, and both at once; and evaluation of many images."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from cases import COOP
from gpu_bench import Bench, table
from PIL import Image, ImageFilter

from vlprompt_pipeline.clip import EvaluationView, FeatureStore, ImageSet
from vlprompt_pipeline.clip.encoding import block_size
from vlprompt_pipeline.clip.workers import decode_in_processes, worker_processes
from vlprompt_pipeline.filesystem.files import sha256_file

FILES, COPIES = 512, 16  # different photos, and how often each is read
SIZE = (500, 375)


def features(bench: Bench) -> None:
    """JPEG files of 500 × 375 to features: the tower alone, decoding alone, and extraction."""
    with TemporaryDirectory() as folder:
        images = _photos(Path(folder, "photos"), bench)
        view = EvaluationView(bench.clip.preprocessing)
        block = block_size(bench.clip.arithmetic)
        cores = len(os.sched_getaffinity(0))
        pixels = torch.randn(block, 3, *bench.clip.preprocessing.height_width, device=bench.device)
        (taken,) = bench.alternate(lambda: bench.clip.encode_images(pixels))
        row = table(("a core decodes [images/s]", "workers"))
        decoding = bench.seconds(lambda: view.pixels(images.read(0), ""))
        row(f"{1 / decoding:,.0f}", worker_processes())
        tower = 1e3 * block / taken

        def decode() -> None:
            rows, pin = [range(len(images))], bench.device == "cuda"
            for _ in decode_in_processes(images, view, rows, worker_processes(), pin):
                pass

        decoding = len(images) / bench.seconds(decode)
        store = FeatureStore(Path(folder, "store"))
        run = bench.seconds(lambda: store.extract(bench.clip, images, view))
        whole = len(images) / run
        row = table(
            ("images", "tower [images/s]", "decoding [images/s]", "extraction", "share", "aim")
        )
        share = whole / min(tower, decoding)
        aim = f"≥ 0.8; ≥ 4,000 on 16 cores (here {cores})"
        rates = (f"{rate:,.0f}" for rate in (tower, decoding, whole))
        row(f"{len(images):,}", *rates, f"{share:.2f}", aim)


def evaluation(bench: Bench) -> None:
    """50,000 images among 1,000 classes, class features included."""
    row = table(("case", "ours [ms]"))
    count = 100 if bench.tiny else 50_000
    learner = bench.learner("coop", 1000, {"length": 16, **COOP}).eval()
    drawn = torch.randn(count, bench.clip.embed_dim, device=bench.device)
    images = torch.nn.functional.normalize(drawn, dim=-1)

    @torch.no_grad()
    def score() -> None:
        learner.logits(images).argmax(-1).cpu()

    (taken,) = bench.alternate(score)
    row(f"{count:,} images, {len(learner.classes.names):,} classes", f"{taken:.1f}")


def _photos(folder: Path, bench: Bench) -> ImageSet:
    """Draw photos with the detail of real ones; each is read several times."""
    folder.mkdir(parents=True)
    rng, names = np.random.default_rng(0), []
    for number in range(4 if bench.tiny else FILES):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize(SIZE)
        noise = Image.fromarray(rng.integers(0, 256, (*SIZE[::-1], 3), np.uint8))
        noise = noise.filter(ImageFilter.GaussianBlur(1))
        names.append(f"{number}.jpg")
        Image.blend(coarse, noise, 0.3).save(folder / names[-1], quality=90)
    hashes = [f"sha256:{sha256_file(folder / name)}" for name in names]
    copies = 2 if bench.tiny else COPIES
    return ImageSet(folder, tuple(names * copies), tuple(hashes * copies))
