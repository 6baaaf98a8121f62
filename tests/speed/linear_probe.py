"""Logistic regression against scikit-learn's: seconds, and how far each is from the optimum.

scikit-learn runs as in the official linear probe: its default tolerance, 1,000 iterations at most.

Run: python tests/speed/linear_probe.py [shots]     (features of real photos, 80 classes)
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import torch
from real_features import FOLDER
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression as TheirRegression
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.methods.logistic_regression import LogisticRegression

FEATURES = FOLDER / "caltech101_80_classes.safetensors"
EXPONENTS = (-6, -4, -2, 0, 2, 4, 6)
TIMES = 3

Solution = tuple[Tensor, Tensor]


def objective(images: Tensor, labels: Tensor, solution: Solution, c: float) -> float:
    """Mean cross-entropy + |W|² / (2 C n)."""
    weight, bias = (part.double() for part in solution)
    entropy = F.cross_entropy(F.linear(images.double(), weight, bias), labels)
    return (entropy + weight.square().sum() / (2 * c * len(labels))).item()


def ours(images: Tensor, labels: Tensor, classes: int) -> dict[int, Solution]:
    """All strengths, each from the one before."""
    problem = LogisticRegression(images, labels, classes)
    return {exponent: problem.fit(10.0**exponent) for exponent in EXPONENTS}


def theirs(images: Tensor, labels: Tensor, classes: int) -> dict[int, Solution]:
    """All strengths, each from zero."""
    found = {}
    for exponent in EXPONENTS:
        fitted = TheirRegression(C=10.0**exponent, max_iter=1000)
        fitted.fit(images.numpy(), labels.numpy())
        found[exponent] = tuple(map(torch.tensor, (fitted.coef_, fitted.intercept_)))
    return found


def timed(solve: Callable[..., dict[int, Solution]], *given: Tensor | int):
    """The solutions, and the median of several runs in seconds of the processor."""
    seconds = []
    for _ in range(TIMES):
        started = time.process_time()
        found = solve(*given)
        seconds.append(time.process_time() - started)
    return found, statistics.median(seconds)


def main() -> None:
    """Print a row for each strength, then the times."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if not FEATURES.is_file():
        sys.exit(f"no features at {FEATURES}: nothing is measured")
    shots = sys.argv[1] if len(sys.argv) > 1 else "16"
    stored = load_file(FEATURES)
    images = F.normalize(stored[f"train_{shots}_shots"].float(), dim=-1)
    labels = stored[f"train_{shots}_shots_labels"].long()
    given = (images, labels, int(labels.max()) + 1)
    (mine, fast), (other, slow) = timed(ours, *given), timed(theirs, *given)
    print("log10 C   objective of ours   scikit-learn's / ours")
    for exponent in EXPONENTS:
        found, compared = (
            objective(images, labels, solutions[exponent], 10.0**exponent)
            for solutions in (mine, other)
        )
        print(f"{exponent:7d}   {found:17.9g}   {compared / found:21.6f}")
    print(f"ours {fast:.2f} s, scikit-learn {slow:.2f} s, ratio {fast / slow:.1f}")


if __name__ == "__main__":
    main()
