"""One update of a learner, and what an epoch of them leaves: nothing is read inside a step.

Reading a number of a GPU makes the host wait until all that was asked before is done. So losses,
their terms and whether they are finite stay on the device, and are read once an epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.parametrizations.naming import shown_name
from vlprompt_pipeline.training.checkpoint import Running


@dataclass(frozen=True)
class Names:
    """What the numbers of a step are: loss and terms, then a flag for each gradient."""

    terms: tuple[str, ...]
    gradients: tuple[str, ...]


class TrainingStep:
    """Losses, gradients and the optimizer's step, for one batch after the other."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._unit = torch.ones((), device=running.learner.clip.device)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Names, Tensor]:
        """Update the tensors once.

        Args:
            images: what the learner reads, on its device.
            labels: `[images]`, there too.

        Returns:
            Names, and their numbers `[names]`: the loss, its terms, and for each trained tensor 1
            where its gradient is not finite though no scale of the loss is the cause.
        """
        learner, scaler = self.running.learner, self.running.scaler
        terms = learner.losses(images, labels)
        self.running.optimizer.zero_grad()
        scale = scaler.scale(self._unit)
        loss = learner.backward({name: scaler.scale(term) for name, term in terms.items()}) / scale
        values = torch.stack([loss.detach(), *(term.detach() for term in terms.values())])
        gradients = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
        # sums of absolute values, of all at once: what is not finite makes its sum so
        sums = torch._foreach_norm(list(gradients.values()), 1)
        # Where the loss is scaled, infinite gradients are expected at first: the scaler skips the
        # step and halves the scale. At a scale of 1 or less the scale is not the cause.
        broken = ~torch.stack(sums).isfinite() if sums else values.new_zeros(0).bool()
        flags = broken & (scale <= 1)
        scaler.step(self.running.optimizer)
        scaler.update()
        numbers = torch.cat([values, flags.to(values.dtype)])
        return Names(("loss", *terms), tuple(map(shown_name, gradients))), numbers


class EpochRecord:
    """Numbers of the steps of one epoch, on the device until `read`."""

    def __init__(self, epoch: int, rate: float) -> None:
        """`rate` is the learning rate, for the message about a step that went wrong."""
        self._epoch, self._rate = epoch, rate
        self._names: list[Names] = []
        self._numbers: list[Tensor] = []

    def add(self, names: Names, numbers: Tensor) -> None:
        """Keep a copy of the numbers of the next step."""
        self._names.append(names)
        self._numbers.append(numbers.clone())

    def read(self) -> dict[str, float]:
        """Return the means of the loss and its terms over the epoch.

        Raises:
            UserError: a loss or gradient was not finite; the first such step is named.
        """
        totals: dict[str, float] = {}
        if not self._names:
            return totals
        sizes = list(map(len, self._numbers))
        steps = torch.cat(self._numbers).cpu().split(sizes)  # one copy from the device
        for step, (names, numbers) in enumerate(zip(self._names, steps, strict=True)):
            values = numbers.tolist()
            self._check(step, names, values)
            for name, value in zip(names.terms, values, strict=False):
                totals[name] = totals.get(name, 0.0) + value
        return {name: total / len(steps) for name, total in totals.items()}

    def _check(self, step: int, names: Names, values: list[float]) -> None:
        """Refuse a step whose loss or gradient was not finite."""
        flags = zip(names.gradients, values[len(names.terms) :], strict=True)
        broken = dict.fromkeys(name for name, flag in flags if flag)
        if not math.isfinite(values[0]):
            what = f"the loss is {values[0]}"
        elif broken:
            what = f"the gradient of {', '.join(broken)} is not finite"
        else:
            return
        raise UserError(
            f"{what} in epoch {self._epoch}, step {step}, at learning rate {self._rate:g}: lower "
            "training.lr, or set training.precision to fp32"
        )
