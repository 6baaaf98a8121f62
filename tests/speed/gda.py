"""GDA-CLIP on 16 shots of 100 classes: processor seconds of all that it estimates.

Run: python tests/speed/gda.py [classes] [threads]

Random features of the width of ViT-B/16 (512), one view of each image, and four
validation images a class, which choose the strength. Both covariances are timed, and scikit-learn's
LinearDiscriminantAnalysis with a shrunk covariance beside them, which knows no texts. Medians of
five.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from real_features import GivenTexts
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional as F

from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures, get_method

WIDTH, SHOTS, VALIDATION, TIMES = 512, 16, 4, 5


def few_shot(classes: int, generator: torch.Generator) -> FewShotFeatures:
    """Normalised features around a centre for each class."""
    centres = F.normalize(torch.randn(classes, WIDTH, generator=generator), dim=-1)

    def drawn(images: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(classes).repeat(images)
        noise = torch.randn(len(labels), WIDTH, generator=generator) / WIDTH**0.5
        return F.normalize(centres[labels] + noise, dim=-1), labels

    images, labels = drawn(SHOTS)
    return FewShotFeatures(images, labels, *drawn(VALIDATION), images[:, None])


def median(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, and by the clock."""
    rows = []
    for _ in range(TIMES):
        busy, started = time.process_time(), time.perf_counter()
        work()
        rows.append((time.process_time() - busy, time.perf_counter() - started))
    return tuple(map(statistics.median, zip(*rows, strict=True)))


def main(classes: int, threads: int) -> None:
    """Print seconds of each covariance and of scikit-learn."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    data = few_shot(classes, generator)
    texts = F.normalize(torch.randn(classes, WIDTH, generator=generator), dim=-1)
    names = ClassTexts(tuple(map(str, range(classes))), "{}")
    method = get_method("gda")
    print(f"{classes} classes, {SHOTS} shots, {threads} thread(s): seconds (processor, clock)")
    for covariance, new in (("pooled", False), ("by_class", True)):
        chosen = method.parameters(covariance=covariance, new_classes=new, templates="benchmark")

        def fit(chosen=chosen) -> None:
            learner = method.learner(GivenTexts(texts), names, chosen, torch.Generator())
            learner.fit(data)
            learner.settle(data)

        busy, clock = median(fit)
        print(f"gda, covariance {covariance:8} {busy:6.2f} {clock:6.2f}")
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    busy, clock = median(lambda: theirs.fit(data.images.numpy(), data.labels.numpy()))
    print(f"scikit-learn's LDA        {busy:6.2f} {clock:6.2f}")


if __name__ == "__main__":
    main(*(int(given) for given in (*sys.argv[1:], "100", "2")[:2]))
