"""docs/performance.md, written from the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HEAD = """# Speed and memory of training

Written by `python tests/speed/performance.py`; by hand nothing is changed here. Each row computes
the same step twice in one process on the same inputs: the published way (77 tokens for every class,
a pass of its own for every image or sample, whole blocks of open_clip) and ours. Sizes are those of
ViT-B/16 with random weights, single precision; class names are those of ImageNet, spread evenly
over the thousand. Both sides take turns; figures are medians. With one thread, seconds are those of
the processor, which other work on the machine hardly changes; with more they are those of the wall.

The share is that of the matrix-multiply rate which this machine reached at the same moment in a
single product of 1024 × 2048 × 2048; only multiplications inside matrix products are counted,
those of attention on a CPU are not.
"""

WHY = """
## Where the time goes

The text tower is causal and is read at the end token. So (`clip/text.py`)

- nothing behind the end token is computed, and the suffixes of the classes (name, full stop, end
  token) stand packed in rows without padding: a class costs about 4 tokens instead of 77;
- the context in front of the names passes through the layers once for all classes, beside the
  suffixes, which attend to its keys and values;
- of the last layer only the end tokens' queries and their MLP are computed;
- 512 tokens pass at a time, whose intermediate results stay in a CPU's caches;
- nothing is computed for the gradient of the frozen weights, in both ways.

What is left below the full matrix-multiply rate is attention over short rows, norms and
activations. `torch.compile` is not used: what it gains is less than what compiling costs a run.

Memory: what a part of the tower keeps for the gradient is kept where there is room and computed
again where not, `training.memory_gb` says how much. The parts are the same either way, and so are
the results, to the bit.
"""

GPU = """
## On a GPU

    python tests/speed/gpu.py --parts steps,seeds

prints every row of this section, in parts of at most eight minutes, with the card, the driver and
the versions: the official way in fp16 against ours for CoOp, CoCoOp, variational prompts, MaPLe and
PromptSRC; each precision; prompts side by side; kernels, device time and host time; the same bits
again; memory; features from files; evaluation of 50,000 images; all methods on the demo; a
published cell, method by method. Without CUDA it says so and ends.

**Measured on an H200** (driver 580.159.04, PyTorch 2.11.0, CUDA 13.0, 16 cores, 2026-11-27),
nothing beside it, each step timed to its end (`--parts steps`):

| case | official, fp16 [ms] | ours, bf16 [ms] | ratio | aim |
| --- | --- | --- | --- | --- |
| whole CoOp step, 32 images, 50 classes, M=16 | 53.57 | 3.66 | **14.6** | ≥ 9 |
| whole CoOp step, 32 images, 100 classes, M=16 | 63.21 | 3.96 | **16.0** | ≥ 7.5 |
| whole CoOp step, 32 images, 1,000 classes, M=16 | 95.12 | 6.86 | **13.9** | ≥ 14 |
| CoCoOp, 1 × 50 classes | 66.10 | 3.62 | **18.3** | ≥ 8 |
| CoCoOp, 4 × 50 classes | 165.96 | 3.98 | **41.7** | ≥ 8 |
| variational, 10 samples × 50 classes | 375.43 | 5.98 | **62.8** | ≥ 8 |

Our CoOp step in fp32 took 6.30, 7.36 and 21.67 ms for 50, 100 and 1,000 classes; launched kernel by
kernel, 68.4, 69.2 and 80.1 ms. **That machine's host is slow**, which the official way pays for:
its 828 kernels of 100 classes take the card 19.3 ms, the rest of 63 is the host. On an H200 with a
faster host the official step (images and texts) took 27.7, 23.7 and 87 ms before: against those the
column of ours would be 7.6, 6.0 and 12.7 times faster. Ours waits for no host: 1,025 kernels of 100
classes take the card 3.36 ms.

Since then a step in bf16 has fewer operations, which no card has measured yet: 462 in the place of
816 for CoOp, 1,003 of 1,561 for MaPLe, 1,086 of 1,590 for PromptSRC (100 classes). Prefix and
suffixes pass the blocks beside each other, keys and values stay one tensor, masks are made once,
QuickGELU's factor is folded into rounded weights, and gradients of picked tokens are gathered, not
sorted and added up.

The other rows were measured while ten such processes shared the card and its cores, so they only
say that both sides ran, and in which order of size:

| case | official, fp16 [ms] | ours [ms] | ratio | aim |
| --- | --- | --- | --- | --- |
| MaPLe, 4 images × 100 classes | 114.91 | 19.21 | 6.0 | ≥ 5 |
| PromptSRC, 4 images × 100 classes | 256.85 | 11.61 | 22.1 | ≥ 5 |
| 16 prompts side by side, 100 classes, each | 66.66 | 1.65 | 40.4 | ≥ 40 |
| whole CoOp step, 100 classes, compiled | 52.28 | 3.32 | 15.7 | ≥ 10 |
| 50,000 images among 1,000 classes | – | 34.7 | – | – |

Features from JPEG files came at 925 images/s there, 96 % of what 16 processes decoded beside the
others; the rates of a machine to itself, and `methods=all`, are still to be measured. Steps of a
published cell (50 base classes, 16 shots, official epochs) by all twelve methods of `--parts cell`
took 10.4 minutes in all.

What other work on a card does not change:

- **Same bits**: 20 steps of CoOp, MaPLe and PromptSRC, in fp32 and bf16, differ by nothing between
  recorded and launched one by one, and repeat their bits. So does every method on a small CLIP
  (`tests/training/test_on_cuda.py`, which runs where there is a card: 85 passed), and no step makes
  the host wait, by PyTorch's own check.
- **Accuracy** of CoOp on the base classes of demo_aerial, 16 shots, seeds 1 to 3: 87.8 ± 0.9 % on
  the CPU; on the card 87.8 ± 0.9 % in fp32, tf32 and fp16-amp, 87.8 ± 1.0 % in bf16.
- **Memory** of the card: 1.7 GB for CoOp with 128 images × 1,000 classes, 20.8 GB for CoCoOp with
  32 images × 1,000 classes.

How it comes about:

- a step asks the device for nothing and brings nothing to it (`training/step.py`): losses, whether
  they are finite and what codebooks did are read once an epoch, a step that went wrong is named
  then; what follows from names and shapes is made once; what a step draws is drawn before it. A
  quantizer decides on the host whether to cluster anew, between steps and only when its interval
  is over: then it asks for the counts of its entries, a few numbers;
- on CUDA whole steps are recorded in a CUDA graph and replayed (`training/capture.py`), optimizer,
  scaled loss and quantizer included, for each shape of batch; the batch itself is gathered before
  and copied to where the graph reads. MMA++ says why not: each step draws texts of other lengths;
- from 40,000 steps on the text tower is compiled, which takes half a minute: shorter runs would
  not win that back (`training/compilation.py`). Where nothing can be compiled, for want of
  Triton, a C compiler or Python's headers, a warning says so and a run trains without;
- pixels come from pinned memory by a stream of their own, beside the step before; the pictures of
  a few-shot set are decoded once, as far as a quarter of the free memory holds them;
- photos are decoded by a worker process for each core, come to the card as levels of 8 bits, are
  normalised there to the same bits, and encoded in blocks of 256.

That this holds is tested without a GPU, on a simulated one (`tests/simulated_gpu.py`): tensors that
say they are on `cuda:0` and refuse to meet the host's. While a step is recorded, whatever would
make the host wait is an error, and so is memory that a recorded step reads and that was freed; a
replay repeats operations, not Python. Every method trains on it to the same bits recorded and as it
stands, and whole cells to the figures of the CPU. Speed and a card's last bits it cannot show; for
these `--parts same` trains twice on a card. PyTorch is asked for kernels that add in a fixed order
and so repeat their bits (`training/repeatable.py`). A warning names an operation that has none; no
method here has one of those that PyTorch's documentation lists, which the simulation refuses.

**Precision** is one setting (`precision` in `conf/base/globals.yml`): `fp32`, `tf32`, `bf16` or
`fp16-amp` for the frozen towers, where they make features and while prompts train; prompts stay in
fp32. `auto` is bf16 on CUDA (fp16-amp on cards before Ampere, which have none) and fp32 elsewhere:
prompts of the demo are as accurate in each of them (above). On the CPU, 33 methods in fp16-amp are
within 0.4 points of themselves in fp32 (demo_aerial, seed 1, `methods=all,precision=fp16-amp`).
fp32 means single precision in convolutions, too, where PyTorch takes TF32 by itself. Image towers
with a method's own tensors in them make features in single precision. `training.precision` of a
recipe goes first. Features and prompts are known by the precision they were made in.

**Seeds side by side** (`training/side_by_side.py`): prompts of one layout and schedule train as
groups of one batch, each with the gradients that it would have alone, within 1e-5, and a history,
files and records of its own. `kedro sweep` forms such groups of the seeds of a cell, and of recipes
such as `coop`, `qcoop` and `rlp`, where it computes on a GPU ([more](scaling.md#side-by-side)).

**More cards, and others**: a process uses the card it is given (`CUDA_VISIBLE_DEVICES`). mps, the
GPU of a Mac, launches its steps one by one. It has no double precision: what is fitted in it (GDA,
the linear probe) is computed beside it on the CPU. It takes PyTorch 2.13 or newer, whose
attention is right there, and has been tried on a simulated one alone. The image towers of MaPLe and
its like keep all that a batch needs: a batch beyond the card's memory ends in a sentence that says
what to make smaller, where the text tower is cut by itself.
"""


def write_page(results: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """Write the page: a section for each device."""
    sections = [HEAD]
    for device, rows in results.items():
        sections += _section(device, rows)
    path.write_text("\n".join(sections) + WHY + GPU)


def _section(device: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    threads = sorted({row["threads"] for row in rows.values()})
    days = sorted({row["date"] for row in rows.values()})
    repeats = sorted({row["repeats"] for row in rows.values()})
    text = [
        f"## {device}\n\n{' and '.join(map(str, threads))} thread(s), "
        f"{' to '.join(map(str, repeats[:: len(repeats) - 1 or 1]))} runs of each row, "
        f"{', '.join(days)}.\n",
        "| case | published [s] | ours [s] | ratio | aim | loss differs | gradient | share |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    text += [_compared(row) for row in rows.values() if "target" in row]
    text.append("\nThe gradient differs by that part of its largest element.\n")
    if found := rows.get("memory"):
        text.append(
            f"**Memory of a CoOp step**, 100 classes, M=16, above the loaded model: published "
            f"{found['published']:.2f} GB, ours {found['ours']:.2f} GB, {found['ratio']:.0f} times "
            f"less (aim: 5). The whole process: {found['published_process']:.2f} and "
            f"{found['ours_process']:.2f} GB, of which the model and the libraries are the rest.\n"
        )
    if found := rows.get("memory-1000"):
        text.append(
            f"**1,000 classes**, M=16: the process takes {found['process']:.2f} GB at most (aim: "
            f"3), {found['bounded_process']:.2f} GB with `training.memory_gb: 0.5`.\n"
        )
    if found := rows.get("linear"):
        text.append(
            f"**Cost of a class**, M=16: {1e3 * found['few']:.2f} ms of 50, "
            f"{1e3 * found['many']:.2f} ms of 1,000 classes: {found['ratio']:.2f} times (aim: "
            "0.85 to 1.15). With few classes the 17 tokens in front of the names weigh more; "
            "behind them the cost is a straight line: 500 classes are "
            f"{100 * found['bend']:+.1f} % off the one through 50 and 1,000.\n"
        )
    if found := rows.get("compiled"):
        text.append(
            f"**torch.compile**, our CoOp step, 100 classes, M=16: {found['plain']:.3f} s without, "
            f"{found['compiled']:.3f} s with, {found['ratio']:.2f} times faster after "
            f"{found['begin']:.0f} s of compiling.\n"
        )
    text += [_lower(name, rows[name]) for name in ("bf16", "fp16") if name in rows]
    if found := rows.get("shares"):
        kinds = ", ".join(f"{kind} {100 * part:.0f} %" for kind, part in found["shares"].items())
        text.append(
            f"**Profile** of our CoOp step, 100 classes, M=16, by time of the wall: {kinds}.\n"
        )
    if found := rows.get("accuracy"):
        single, lower = ("{mean:.1f} ± {std:.1f} %".format(**found[p]) for p in ("fp32", "bf16"))
        text.append(
            f"**Accuracy** of CoOp on the base classes of demo_aerial, 16 shots, seeds 1 to 3: "
            f"{single} trained in single precision, {lower} in bf16.\n"
        )
    return text


def _compared(row: dict[str, Any]) -> str:
    gradient = row["gradient_difference"]
    cells = [
        row["title"],
        f"{row['published']:,.3f}",
        f"{row['ours']:.3f}",
        f"**{row['ratio']:,.1f}**",
        f"{row['target']:g}",
        f"{row['loss_difference']:.0e}",
        "–" if gradient is None else f"{gradient:.0e}",
        f"{100 * row['share']:.0f} %",
    ]
    return f"| {' | '.join(cells)} |"


def _lower(name: str, row: dict[str, Any]) -> str:
    return (
        f"**{name}** (`training.precision`), our CoOp step, 100 classes, M=16: "
        f"{row['single']:.3g} s in single precision, {row['lower']:.3g} s in {name}, "
        f"{row['ratio']:.1f} times faster (aim: 1.8); the loss differs by "
        f"{row['loss_difference']:.0e}, the gradients have a cosine of "
        f"{row['gradient_cosine']:.4f}.\n"
    )
