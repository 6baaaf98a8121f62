"""Measure what each graph of a folder costs, and what it gives up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from vlprompt_pipeline.processes import usable_cores
from vlprompt_pipeline.rejection import softmax

BATCH = 16  # images at once while measuring: our choice
TIMED = 4  # batches that one thread is timed on, before all cores compute the others: our choice


@dataclass(frozen=True)
class VariantMeasurement:
    """One graph over the same images as the others.

    Attributes:
        file: its path in the folder.
        megabytes: on disk, 1 MB = 1,000,000 bytes.
        milliseconds: an image in one thread, the median over the first batches.
        same_label: percent of images with the label of the graph in single precision.
        accuracy: percent, or none where the images have no labels.
        largest_difference: of a score from that in single precision.
    """

    file: str
    megabytes: float
    milliseconds: float
    same_label: float
    accuracy: float | None
    largest_difference: float

    def __str__(self) -> str:
        """Write one line for a terminal."""
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.1f} % correct"
        return (
            f"{self.file}: {self.megabytes:.2f} MB, {self.milliseconds:.1f} ms an image, "
            f"{self.same_label:.1f} % the same label as in fp32{accuracy}"
        )


def measure_variants(
    folder: Path, files: Sequence[str], pixels: np.ndarray, labels: np.ndarray | None
) -> list[VariantMeasurement]:
    """Run every graph over the same images; the first is what the others are compared with.

    Args:
        folder: that was exported.
        files: paths of the graphs in it.
        pixels: `[images, 3, height, width]`.
        labels: `[images]` indices into the folder's labels, if they are known.
    """
    rows: list[VariantMeasurement] = []
    reference: np.ndarray | None = None
    for file in files:
        scores, milliseconds = _run(folder / file, pixels)
        reference = scores if reference is None else reference
        predicted = scores.argmax(-1)
        rows.append(
            VariantMeasurement(
                file=file,
                megabytes=(folder / file).stat().st_size / 1e6,
                milliseconds=milliseconds,
                same_label=100 * float((predicted == reference.argmax(-1)).mean()),
                accuracy=None if labels is None else 100 * float((predicted == labels).mean()),
                largest_difference=float(np.abs(scores - reference).max()),
            )
        )
    return rows


def _run(graph: Path, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return scores of all images, and milliseconds an image in one thread."""
    import onnxruntime  # noqa: PLC0415

    def session(threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    timed, quick = session(1), session(usable_cores())
    scores, taken = [], []
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        chosen = timed if len(taken) < TIMED else quick
        began = time.perf_counter()
        (logits,) = chosen.run(["logits"], {"pixel_values": batch})
        taken.append(1e3 * (time.perf_counter() - began) / len(batch))
        scores.append(softmax(logits))
    return np.concatenate(scores), median(taken[:TIMED])
