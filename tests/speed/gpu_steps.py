"""Training steps on a GPU: the official way in fp16 against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from cases import COOP, SAMPLED, WORDS
from gpu_bench import Bench, official_step, our_step, table, training
from torch.profiler import ProfilerActivity, profile

from vlprompt_pipeline.training.compilation import COMPILE_FROM
from vlprompt_pipeline.training.side_by_side import SideBySide

CONTEXT = {"length": 16, **COOP}
MAPLE = {"length": 2, "init": "a photo of a", "depth": 9}
HELD = {"text_weight": 25, "image_weight": 10, "logit_weight": 1, "templates": "benchmark"}
PROMPTSRC = {
    "length": 4,
    "init": "a photo of a",
    "depth": 9,
    "image_length": 4,
    "image_depth": 9,
    **HELD,
    "aggregation": {"mean": 15, "std": 1},
}
Step = Callable[[], object]
Sides = tuple[str, Step, Step, float]
"""Title, the official step, ours, and how many times faster it should be."""
HEADS = ("case", "official [ms]", "ours [ms]", "ratio", "aim")


def steps(bench: Bench) -> None:
    """CoOp with the images encoded against cached features, CoCoOp and variational prompts."""
    row = table(HEADS)
    for classes, aim in ((50, 9), (100, 7.5), (1000, 14)):
        official = official_coop(bench, classes)
        ours = our_coop(bench, classes)
        compare(
            bench, row, f"whole CoOp step, 32 images, {classes} classes, M=16", aim, official, ours
        )
    for title, official, ours, aim in conditional(bench):
        compare(bench, row, title, aim, official, ours)


def conditional(bench: Bench) -> Iterator[Sides]:
    """Give both sides of steps whose contexts depend on the image, or are drawn."""
    for method, images, prompt, title in (
        ("cocoop", 1, WORDS, "CoCoOp, 1 × 50 classes"),
        ("cocoop", 4, WORDS, "CoCoOp, 4 × 50 classes"),
        ("variational", 1, SAMPLED, "variational, 10 samples × 50 classes"),
    ):
        theirs = bench.learner(method, 50, prompt, official=True)
        pixels, features = bench.pixels(images), bench.features(images)
        labels = bench.labels(features, 50)
        encode = partial(theirs.clip.encode_images, pixels)
        ours = our_step(bench.learner(method, 50, prompt), features, labels, training())
        yield title, official_step(theirs, encode, labels), ours, 8


def compiled(bench: Bench) -> None:
    """CoOp at 100 classes in a run that is long enough for `torch.compile`."""
    row = table(HEADS)
    long = COMPILE_FROM if bench.device == "cuda" else 1000
    ours = our_coop(bench, 100, steps=long)
    title = f"whole CoOp step, 100 classes, compiled (runs from {COMPILE_FROM:,} steps on)"
    compare(bench, row, title, 10, official_coop(bench, 100), ours)


def precisions(bench: Bench) -> None:
    """One prompt's step in each precision, as it stands and recorded."""
    row = table(("precision", "classes", "as it stands [ms]", "recorded [ms]", "aim [ms]"))
    chosen = ("fp32", "tf32", "bf16", "fp16-amp") if bench.device == "cuda" else ("fp32", "bf16")
    for precision in chosen:
        for classes in (50, 100, 1000):
            sides = [our_coop(bench, classes, precision)]
            if classes == 100:
                sides.append(our_coop(bench, classes, precision, recorder=None))
            taken = [f"{each:.2f}" for each in bench.alternate(*sides)]
            aim = 3.1 if (precision, classes) == ("bf16", 100) else "–"
            row(precision, classes, taken.pop() if len(sides) > 1 else "–", *taken, aim)


def seeds(bench: Bench) -> None:
    """Prompts of several seeds side by side, 100 classes: time of each."""
    row = table(("seeds", "official, one [ms]", "ours, each [ms]", "ratio", "aim"))
    official = official_coop(bench, 100)
    features = bench.features(32)
    labels = bench.labels(features, 100)
    for count in (1, 3, 16):
        count = bench.fewer(count)
        learners = [bench.learner("coop", 100, CONTEXT, seed=seed) for seed in range(count)]
        together = SideBySide(learners, range(count)).train()
        images = features.expand(count, -1, -1).contiguous()
        ours = our_step(together, images, labels.expand(count, -1).contiguous(), training())
        theirs, mine = bench.alternate(official, ours)
        ratio = theirs / (mine / count)
        row(
            count,
            f"{theirs:.2f}",
            f"{mine / count:.3f}",
            f"{ratio:.1f}",
            40 if count == 16 else "–",
        )


def pixels(bench: Bench) -> None:
    """Methods that read pixels."""
    row = table(HEADS)
    for title, official, ours, aim in of_pixels(bench):
        compare(bench, row, title, aim, official, ours)


def of_pixels(bench: Bench) -> Iterator[Sides]:
    """Give both sides of steps of methods that read pixels."""
    images = bench.pixels(4)
    labels = bench.labels(images, 100)
    for method, prompt, title in (
        ("maple", MAPLE, "MaPLe, 4 images × 100 classes"),
        ("promptsrc", PROMPTSRC, "PromptSRC, 4 images × 100 classes"),
    ):
        prompt = _fitting(bench, prompt)
        theirs = bench.learner(method, 100, prompt, official=True)
        official = official_step(theirs, lambda: images, labels)
        ours = our_step(bench.learner(method, 100, prompt), images, labels, training())
        yield title, official, ours, 5


def where_time_goes(bench: Bench) -> None:
    """Kernels, device time and host time of steps, and the kernels that take longest."""
    row = table(("step", "kernels", "device [ms]", "wall [ms]", "host or waiting [ms]"))
    sides = {
        "official CoOp, 100 classes": official_coop(bench, 100),
        "our CoOp, 100 classes, as it stands": our_coop(bench, 100, recorder=None),
        **{f"our CoOp, {classes} classes": our_coop(bench, classes) for classes in (50, 100, 1000)},
        **{title: ours for title, _, ours, _ in (*conditional(bench), *of_pixels(bench))},
    }
    longest = {}
    for name, side in sides.items():
        (wall,) = bench.alternate(side)
        activities = [ProfilerActivity.CPU]
        if bench.device == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with profile(activities=activities) as seen:
            side()
            bench.wait()
        kernels = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        device = sum(event.device_time_total for event in kernels) / 1e3
        row(name, len(kernels), f"{device:.2f}", f"{wall:.2f}", f"{wall - device:.2f}")
        longest[name] = _by_kernel(kernels)
    print()
    row = table(("step", "kernel", "times", "together [ms]"))
    for name, kernels in longest.items():
        for kernel, times, taken in kernels:
            row(name, f"`{kernel}`", times, f"{taken:.3f}")


def _by_kernel(events: list, most: int = 10) -> list[tuple[str, int, float]]:
    """Return the kernels that took longest: name, how often, milliseconds."""
    taken: dict[str, list[float]] = {}
    for event in events:
        taken.setdefault(event.name[:90].replace("|", " "), []).append(event.device_time_total)
    together = [(name, len(each), sum(each) / 1e3) for name, each in taken.items()]
    return sorted(together, key=lambda each: -each[2])[:most]


def same_bits(bench: Bench) -> None:
    """Recorded against as it stands, and each against itself; the host is never asked."""
    row = table(("method", "precision", "recorded and as it stands differ by", "same bits again"))
    for method in ("coop", "maple", "promptsrc"):
        for precision in ("fp32", "bf16"):
            found = [_trained(bench, method, precision, way) for way in (False, True, True)]
            alone, recorded, again = (torch.cat([v.flatten() for v in each]) for each in found)
            difference = (alone - recorded).abs().max().item()
            row(
                method,
                precision,
                f"{difference:.1e} (aim: 1e-06)",
                torch.equal(recorded, again),
            )
    if bench.device == "cuda":
        step = our_coop(bench, 100, recorder=None)
        for _ in range(3):
            step()
        torch.cuda.set_sync_debug_mode("error")
        step()
        torch.cuda.set_sync_debug_mode("default")
        print("\nA step as it stands ran under torch.cuda.set_sync_debug_mode('error').")


def memory(bench: Bench) -> None:
    """The largest steps: memory of the device at most."""
    row = table(("case", "at most [GB]", "step [ms]"))
    for title, method, images, classes, prompt in (
        ("CoOp, 128 images × 1,000 classes, M=16", "coop", 128, 1000, CONTEXT),
        ("CoCoOp, 32 images × 1,000 classes", "cocoop", 32, 1000, WORDS),
    ):
        if bench.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        features = bench.features(images)
        labels = bench.labels(features, classes)
        step = our_step(bench.learner(method, classes, prompt), features, labels, training())
        step()
        taken = bench.seconds(step)
        most = torch.cuda.max_memory_allocated() / 1e9 if bench.device == "cuda" else 0
        row(title, f"{most:.1f}", f"{1e3 * taken:.1f}")


def compare(bench: Bench, row, title: str, aim: float, official, ours) -> None:
    """Print a row."""
    theirs, mine = bench.alternate(official, ours)
    row(title, f"{theirs:.2f}", f"{mine:.2f}", f"**{theirs / mine:.1f}**", f"≥ {aim:g}")


def official_coop(bench: Bench, classes: int):
    """Give the whole official step: 32 images encoded without gradient, and the texts."""
    theirs = bench.learner("coop", classes, CONTEXT, official=True)
    pixels = bench.pixels(32)
    encode = partial(theirs.clip.encode_images, pixels)
    return official_step(theirs, encode, bench.labels(pixels, classes))


def our_coop(bench: Bench, classes: int, precision: str = "auto", recorder="by device", steps=1000):
    """Give our step from cached features."""
    features = bench.features(32)
    learner = bench.learner("coop", classes, CONTEXT)
    labels = bench.labels(features, classes)
    return our_step(learner, features, labels, training(precision, steps), recorder)


def _fitting(bench: Bench, prompt: dict) -> dict:
    """Fewer prompted blocks where the CLIP is tiny."""
    return {k: min(v, 2) if bench.tiny and "depth" in k else v for k, v in prompt.items()}


def _trained(bench: Bench, method: str, precision: str, recorded: bool) -> list[torch.Tensor]:
    prompt, classes = {"coop": CONTEXT, "maple": MAPLE, "promptsrc": PROMPTSRC}[method], 100
    learner = bench.learner(method, classes, _fitting(bench, prompt))
    torch.manual_seed(0)  # after the CLIP, whose weights the first call draws
    images = bench.features(32) if method == "coop" else bench.pixels(4)
    how = "by device" if recorded else None
    step = our_step(learner, images, bench.labels(images, classes), training(precision), how)
    for _ in range(20):
        step()
    return [each.detach().clone() for each in learner.parameters() if each.requires_grad]
