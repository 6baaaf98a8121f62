"""Linear probe: logistic regression on image features (Radford et al., 2021).

Minimises C · sum of cross-entropies + |W|² / 2, the bias free (module `logistic_regression`). C is
searched on validation images as in KaiyangZhou/CoOp, lpclip/linear_probe.py: seven powers of ten,
then bisection around the best. Two things differ. The features are normalised here (our choice);
there they are not. And here each C is solved to its optimum, where there scikit-learn's tolerance
ends the search early.
"""

from __future__ import annotations

from functools import cache

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.logistic_regression import LogisticRegression
from vlprompt_pipeline.methods.registry import Method, always, register
from vlprompt_pipeline.parsing import Parameters

EXPONENTS = (6, 4, 2, 0, -2, -4, -6)


class LinearProbeParameters(Parameters):
    """`bisections` of the range around the best power of ten (published: 8)."""

    bisections: int = Field(ge=0)


class LinearProbe(PromptLearner):
    """`weight` `[classes, embed]` and `bias` `[classes]`; texts play no part."""

    contexts = ()
    fitted = True
    trained = False
    needs_validation = True
    texts_decide = False
    exact = ("bias",)
    classifiers = mean_free = ("weight",)
    settings: LinearProbeParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Begin with zeros, until it is fitted."""
        shape = (len(self.classes.names), clip.embed_dim)
        self.weight = nn.Parameter(torch.zeros(shape, device=clip.device))
        self.bias = nn.Parameter(torch.zeros(shape[:1], device=clip.device))

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`."""
        return F.linear(image_features, self.weight, self.bias)

    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Search C; returns a row for each value tried.

        Raises:
            DataError: there are no validation images to choose C on.
        """
        if not len(few_shot.validation_labels):
            raise DataError(
                "the linear probe chooses its regularisation on validation images, and this "
                "dataset has none: leave it out of methods"
            )
        rows: list[dict] = []
        problem = LogisticRegression(few_shot.images, few_shot.labels, len(self.classes.names))
        for exponent in sorted(EXPONENTS):  # each is where the next one starts from
            problem.fit(10.0**exponent)

        @cache
        def right_answers(exponent: float) -> tuple[int, Tensor, Tensor]:
            weight, bias = (part.to(few_shot.images) for part in problem.fit(10.0**exponent))
            right = few_shot.right_answers(F.linear(few_shot.validation, weight, bias))
            loss = F.cross_entropy(F.linear(few_shot.images, weight, bias), few_shot.labels).item()
            row = {"epoch": len(rows), "log10_c": exponent, "loss": loss, "validation_right": right}
            rows.append(row)
            return right, weight, bias

        best = max(EXPONENTS, key=lambda exponent: right_answers(exponent)[0])
        left, right = best - 1.0, best + 1.0
        for _ in range(self.settings.bisections):
            middle = (left + right) / 2
            if right_answers(left)[0] < right_answers(right)[0]:
                best, left = right, middle
            else:
                best, right = left, middle
        with torch.no_grad():
            for parameter, value in zip(self.parameters(), right_answers(best)[1:], strict=True):
                parameter.copy_(value)
        return rows


register(Method("linear_probe", LinearProbeParameters, LinearProbe, always))
