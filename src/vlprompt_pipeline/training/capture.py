"""Training steps without the host: run as they stand, or recorded once and replayed on a GPU.

A step is about a thousand kernels that take a GPU a few milliseconds; launching them one by one
takes Python longer than that. A CUDA graph launches all of them at once. It repeats what it has
recorded, on the same places in memory, so what changes from step to step is copied to where it
reads: the images, the labels, and what the step draws. The learning rate is a tensor that changes
in its place.

Steps that are run as they stand are the reference.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from functools import lru_cache
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.parametrizations import quantized_tensors
from vlprompt_pipeline.parametrizations.draws import Draws, StepDraws
from vlprompt_pipeline.training.checkpoint import Running
from vlprompt_pipeline.training.repeatable import does_without
from vlprompt_pipeline.training.step import Names, TrainingStep

logger = logging.getLogger(__name__)

Result = tuple[Names, Tensor]
Call = Callable[[], Result]

WARM_UP = 3
"""Steps before one is recorded, as PyTorch's documentation has it: memory is fetched in them,
kernels are chosen, and what is made once per learner is made. They are steps of the training."""


class Recorder(Protocol):
    """How a call is recorded; what it reads and gives stays where it is in memory."""

    def warm_up(self, call: Call) -> Result:
        """Run the call where recording will happen."""

    def record(self, call: Call) -> Call:
        """Record the call without running it; return what replays it."""


_ONE_AT_A_TIME = Lock()
"""PyTorch allows one recording at a time in a process, and whatever any thread launches on the
stream that is recorded becomes part of the graph."""


@lru_cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of all recordings: PyTorch gives out 32 in turn, the first one again."""
    return torch.cuda.Stream(device)


class CudaRecorder:
    """CUDA graphs, which share one pool of memory: one graph runs after the other.

    Recorders of several threads, as Kedro's ThreadRunner has them, wait for each other.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _recording_stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, call: Call) -> Result:
        """Run the call on the stream that it will be recorded on."""
        here = torch.cuda.current_stream(self._device)
        with _ONE_AT_A_TIME:
            self._stream.wait_stream(here)
            with torch.cuda.stream(self._stream):
                result = call()
            here.wait_stream(self._stream)
        return result

    def record(self, call: Call) -> Call:
        """Record the kernels of a call; other threads, which load images, may go on."""
        graph = torch.cuda.CUDAGraph()
        with (
            _ONE_AT_A_TIME,
            # where a recording fails, PyTorch leaves this thread on its stream
            torch.cuda.stream(torch.cuda.current_stream(self._device)),
            torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ),
        ):
            result = call()

        def replay() -> Result:
            graph.replay()
            return result

        return replay


def recorder_for(learner: PromptLearner) -> Recorder | None:
    """Return how the steps of a learner are recorded, none where they run as they stand."""
    device = learner.clip.device
    if device.type != "cuda":
        return None
    if learner.not_capturable:
        logger.info(
            "steps of %s are not recorded: %s", _class_name(learner), learner.not_capturable
        )
        return None
    return CudaRecorder(device)


class Steps:
    """The steps of one training run."""

    def __init__(self, running: Running, recorder: Recorder | None = None) -> None:
        """Without a `recorder`, steps run as they stand."""
        self.learner = running.learner
        self.recorder = recorder
        self._step = TrainingStep(running)
        self._quantizers = [each.quantizer for each in quantized_tensors(self.learner)]
        self._draws = [each for each in self.learner.modules() if isinstance(each, Draws)]
        self._alike: dict[Hashable, _StepsOfOneShape] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> Result:
        """Update the learner once; what is returned may be overwritten by the next step."""
        counted = [draws.counted for draws in self._draws]
        try:
            return self._take(images, labels)
        except RuntimeError as error:  # at the first step: all run the same operations
            if not does_without(error, _class_name(self.learner)):
                raise
            for draws, count in zip(self._draws, counted, strict=True):
                draws.counted = count  # it draws the same again
            return self._take(images, labels)

    def _take(self, images: Tensor, labels: Tensor) -> Result:
        if self.learner.not_capturable:
            return self._step(images, labels)
        key = (
            self.learner.phase,
            images.shape,
            *(quantizer.layout for quantizer in self._quantizers),
        )
        if key not in self._alike:
            self._alike[key] = _StepsOfOneShape(self._step, self.learner, self.recorder)
        try:
            return self._alike[key](images, labels)
        except _NotRecorded as error:
            self.recorder = None
            self.forget()
            full = isinstance(error.__cause__, torch.OutOfMemoryError)
            logger.warning(
                "a step of %s cannot be recorded (%s): every step is launched by itself, which is "
                "slower; %s",
                _class_name(self.learner),
                error,
                "a smaller training.batch_size or training.memory_gb would leave room for it"
                if full
                else "give the method the reason as not_capturable",
            )
            return self._take(images, labels)

    def forget(self) -> None:
        """Forget what was recorded, where something that it reads has another place now."""
        self._alike.clear()


class _NotRecorded(Exception):
    """Recording failed; nothing has been computed."""


class _StepsOfOneShape:
    """Steps that run the same operations on tensors of the same shapes."""

    def __init__(
        self, step: TrainingStep, learner: PromptLearner, recorder: Recorder | None
    ) -> None:
        self._step, self._recorder = step, recorder
        self._draws = StepDraws(learner)
        self._inputs: tuple[Tensor, Tensor] | None = None
        self._warm = 0
        self._replay: Call | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Result:
        if self._replay is None and self._recorder is not None and self._warm == WARM_UP:
            try:
                self._replay = self._recorder.record(self._call)
            except RuntimeError as error:
                first = _first_cause(error)
                raise _NotRecorded(str(first).partition("\n")[0]) from first
        self._draws.refill()
        if self._recorder is None:
            self._inputs = images, labels
            return self._call()
        self._put(images, labels)
        if self._replay is not None:
            return self._replay()
        self._warm += 1
        return self._recorder.warm_up(self._call)

    def _put(self, images: Tensor, labels: Tensor) -> None:
        """Copy a batch to where a recorded step reads it."""
        if self._inputs is None:
            self._inputs = images.clone(), labels.clone()
            return
        for buffer, value in zip(self._inputs, (images, labels), strict=True):
            buffer.copy_(value, non_blocking=True)

    def _call(self) -> Result:
        with self._draws.prepared():
            return self._step(*self._inputs)


def _first_cause(error: BaseException) -> BaseException:
    """Return what went wrong first: the end of a failed recording fails, too."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error


def _class_name(learner: PromptLearner) -> str:
    """Return the name of a learner's class, without what torch adds for parametrizations."""
    return type(learner).__name__.removeprefix("Parametrized")
