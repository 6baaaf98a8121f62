"""Clocks, sides and tables that the parts of `gpu.py` share."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from statistics import median

import torch
from cases import class_names
from published import published, random_clip
from torch import Tensor, nn

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, get_method
from vlprompt_pipeline.training.capture import CudaRecorder, Steps, recorder_for
from vlprompt_pipeline.training.checkpoint import Running
from vlprompt_pipeline.training.optimizers import make_optimizer
from vlprompt_pipeline.training.precision import computing
from vlprompt_pipeline.training.repeatable import repeatable

WARM = 8
"""Calls before the clock: a step is warmed up and recorded in the first four of them."""


TURN = 5
"""Calls one after the other, between two looks at the clock."""


class OfficialClip(FrozenClip):
    """One whose features have the precision of its weights, as in the official code."""

    @torch.no_grad()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Normalised features `[images, embed]`."""
        features = self.model.encode_image(pixels.to(self.dtype))
        return nn.functional.normalize(features, dim=-1)


class Bench:
    """One machine: its device, a CLIP of ViT-B/16 sizes with random weights, and a clock."""

    def __init__(self, device: str, repeats: int, tiny: bool) -> None:
        self.device, self.repeats, self.tiny = device, repeats, tiny

    @cached_property
    def clip(self) -> FrozenClip:
        """The CLIP as ours computes it."""
        return random_clip(self.device, self.tiny)

    @cached_property
    def official(self) -> FrozenClip:
        """The same computed the official way: in fp16 on a GPU, where a CPU is asked in fp32."""
        clip = copy.copy(self.clip)
        clip.__class__ = OfficialClip
        clip.model = copy.deepcopy(self.clip.model)
        if self.device == "cuda":
            clip.model.half()
        clip._embedding = clip.model.token_embedding
        vars(clip).pop("image", None)
        return published(clip)

    def fewer(self, count: int) -> int:
        """So many, or few where the script is only tried."""
        return min(count, 3) if self.tiny else count

    def alternate(self, *sides: Callable[[], object]) -> list[float]:
        """Median milliseconds of each side, which take turns of a few calls.

        The clock stands between turns: as in training, a step is asked for while the one before it
        is computed, unless the side itself waits for a number of it.
        """
        taken: list[list[float]] = [[] for _ in sides]
        for side in sides:
            for _ in range(2 if self.tiny else WARM):
                side()
        for _ in range(self.fewer(self.repeats)):
            for side, times in zip(sides, taken, strict=True):
                times.append(self.seconds(lambda side=side: [side() for _ in range(TURN)]))
        return [1e3 * median(times) / TURN for times in taken]

    def seconds(self, call: Callable[[], object]) -> float:
        """Seconds of the wall of one call, to the end of what it asked of the device."""
        self.wait()
        started = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - started

    def wait(self) -> None:
        """Wait until the device has done all that it was asked."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def learner(
        self, method: str, classes: int, prompt: dict, official: bool = False, seed: int = 0
    ) -> PromptLearner:
        """Make a learner; the official one has all its tensors in the precision of its CLIP."""
        registered = get_method(method)
        texts = ClassTexts(class_names(self.fewer(classes)), "a photo of a {}.")
        generator = torch.Generator().manual_seed(seed)
        clip = self.official if official else self.clip
        made = registered.learner(clip, texts, registered.parameters(**prompt), generator)
        return made.to(clip.dtype).train() if official else made.train()

    def pixels(self, images: int) -> Tensor:
        """Make random images."""
        size = self.clip.preprocessing.height_width
        return torch.randn(self.fewer(images), 3, *size, device=self.device)

    def features(self, images: int) -> Tensor:
        """Make random normalised features."""
        drawn = torch.randn(self.fewer(images), self.clip.embed_dim, device=self.device)
        return nn.functional.normalize(drawn, dim=-1)

    def labels(self, images: Tensor, classes: int) -> Tensor:
        """Make a label for each image."""
        return torch.arange(len(images), device=self.device) % self.fewer(classes)


def training(precision: str = "auto", steps: int = 1000, **other: object) -> TrainingParameters:
    """Give CoOp's optimizer and schedule for a run of so many steps."""
    values = {"epochs": None, "steps": steps, "batch_size": 32, "lr": 0.002, "momentum": 0.9}
    schedule = {"weight_decay": 5e-4, "warmup_epochs": 0, "warmup_lr": 1e-5}
    return TrainingParameters(**{**values, **schedule, "precision": precision, **other})


def our_step(
    learner: PromptLearner,
    images: Tensor,
    labels: Tensor,
    parameters: TrainingParameters,
    recorder: CudaRecorder | str | None = "by device",
) -> Callable[[], object]:
    """Give one step of our training loop, optimizer included, as the loop runs it."""
    context = computing(learner, parameters, parameters.steps)
    scaler = context.__enter__()  # for as long as the step lives
    chosen = recorder_for(learner) if recorder == "by device" else recorder
    running = Running(learner, make_optimizer(learner, parameters), scaler)
    run = Steps(running, chosen)

    def step() -> object:
        with repeatable(images.device):  # here, and not for the official step beside it
            return run(images, labels)

    step.context = context
    return step


def official_step(
    learner: PromptLearner, images: Callable[[], Tensor], labels: Tensor
) -> Callable[[], object]:
    """Give one step as the official trainers run it, optimizer included."""
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.002, momentum=0.9, weight_decay=5e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = learner.backward(learner.losses(images(), labels))
        optimizer.step()
        return loss.item()

    return step


def table(heads: Sequence[str]) -> Callable[..., None]:
    """Print the head of a table; return what prints its rows."""
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    return lambda *cells: print(f"| {' | '.join(map(str, cells))} |", flush=True)
