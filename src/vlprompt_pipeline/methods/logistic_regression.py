"""Multinomial logistic regression to its optimum, for many strengths of regularisation.

Minimises mean cross-entropy + |W|² / (2 C n) over n images, the bias free, by Newton's method with
conjugate gradients, in double precision. Two things make it fast. Every strength starts from the
nearest weaker C that has been solved. And each class has a preconditioner of its own: its block on
the Hessian's diagonal is a sum over images, weighted by p (1 - p), in which few images count (its
own and those mistaken for them). These are taken exactly, by the Woodbury identity, the others as
one mean in the basis of the features' principal axes, where it is nearly diagonal.

scikit-learn's `LogisticRegression` solves the same problem but stops where no element of the
gradient is above `tol` = 1e-4. With normalised features and a large C that is early: the objective
is then still several times its minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.arithmetic import in_double

EXACT_IMAGES = 32  # of a class, taken exactly by its preconditioner
RELATIVE_GAP = 1e-9  # expected gain of the last Newton step, against the objective
FORCING = 0.01  # what conjugate gradients leave of the squared residual
MAX_NEWTON, MAX_CONJUGATE = 100, 400
SUFFICIENT = 1e-4  # share of the expected decrease that a step must bring (Armijo)


@dataclass(frozen=True)
class Point:
    """Weights `[classes, axes + 1]`, the last column the bias, with their objective.

    `log_probabilities` are `[images, classes]`.
    """

    weights: Tensor
    objective: Tensor
    log_probabilities: Tensor


class LogisticRegression:
    """The problem for one set of images; `fit` solves it for a strength."""

    def __init__(self, images: Tensor, labels: Tensor, classes: int) -> None:
        """Images `[images, embed]` and their labels `[images]` below `classes`."""
        features = in_double(images)
        left, sizes, axes = torch.linalg.svd(features, full_matrices=False)
        kept = sizes > sizes[0] * 1e-12
        ones = features.new_ones(len(features), 1)
        self._axes = axes[kept]
        self._inputs = torch.cat([left[:, kept] * sizes[kept], ones], dim=1)
        self._mean_squares = torch.cat([sizes[kept] ** 2 / len(features), ones[0]])
        self._members = F.one_hot(labels, classes).to(features.device, torch.bool)
        self._solved: dict[float, Tensor] = {}

    def fit(self, c: float) -> tuple[Tensor, Tensor]:
        """Solve for the strength C: weight `[classes, embed]` and bias `[classes]`, in double."""
        if c not in self._solved:
            zeros = self._inputs.new_zeros(self._members.shape[1], self._inputs.shape[1])
            weaker = [solved for solved in self._solved if solved < c]
            start = self._solved[max(weaker)] if weaker else zeros
            penalty = torch.full_like(self._mean_squares, 1 / (c * len(self._inputs)))
            penalty[-1] = 0
            self._solved[c] = self._minimise(start, penalty)
        weights = self._solved[c]
        return weights[:, :-1] @ self._axes, weights[:, -1]

    def _minimise(self, weights: Tensor, penalty: Tensor) -> Tensor:
        point = self._at(weights, penalty)
        for _ in range(MAX_NEWTON):
            gradient, importance = self._gradient(point, penalty)
            direction = self._newton_direction(point, gradient, importance, penalty)
            slope = (gradient * direction).sum()
            if slope >= 0:  # nothing but rounding is left
                break
            next_point = self._search(point, direction, slope, penalty)
            if next_point is None:
                break
            point = next_point
            if -slope <= RELATIVE_GAP * point.objective:
                break
        return point.weights

    def _at(self, weights: Tensor, penalty: Tensor) -> Point:
        logs = (self._inputs @ weights.T).log_softmax(-1)
        entropy = -logs[self._members].mean()
        return Point(weights, entropy + (penalty * weights.square()).sum() / 2, logs)

    def _gradient(self, point: Point, penalty: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient `[classes, axes + 1]`, and p (1 - p), `[images, classes]`."""
        probabilities = point.log_probabilities.exp()
        rest = -torch.expm1(point.log_probabilities)  # 1 - p, without cancellation near 1
        errors = torch.where(self._members, -rest, probabilities)
        gradient = errors.T @ self._inputs / len(self._inputs) + penalty * point.weights
        return gradient, probabilities * rest

    def _search(
        self, point: Point, direction: Tensor, slope: Tensor, penalty: Tensor
    ) -> Point | None:
        """Return the first of the whole, the half, … step that decreases the objective enough."""
        length = 1.0
        while length > 1e-9:
            candidate = self._at(point.weights + length * direction, penalty)
            if candidate.objective <= point.objective + SUFFICIENT * length * slope:
                return candidate
            length /= 2
        return None

    def _newton_direction(
        self, point: Point, gradient: Tensor, importance: Tensor, penalty: Tensor
    ) -> Tensor:
        """Return about -H⁻¹ gradient, by conjugate gradients in single precision."""
        scale = gradient.abs().max()
        if scale == 0:
            return torch.zeros_like(gradient)
        inputs, decay = self._inputs.float(), penalty.float()
        probabilities = point.log_probabilities.exp().float()
        precondition = _Preconditioner(inputs, importance, self._mean_squares, penalty)
        residual = (-gradient / scale).float()
        solution, preconditioned = torch.zeros_like(residual), precondition(residual)
        step, size = preconditioned.clone(), (residual * preconditioned).sum()
        first = size
        for _ in range(MAX_CONJUGATE):
            changes = probabilities * (inputs @ step.T)
            changes -= probabilities * changes.sum(1, keepdim=True)
            curved = changes.T @ inputs / len(inputs) + decay * step
            curvature = (step * curved).sum()
            if curvature <= 0:
                break
            solution += size / curvature * step
            residual -= size / curvature * curved
            preconditioned = precondition(residual)
            before, size = size, (residual * preconditioned).sum()
            if size <= FORCING * first:
                break
            step = preconditioned + size / before * step
        solution = solution.double() * scale
        return solution - solution.mean(0)  # the same for all classes changes no probability


class _Preconditioner:
    """The inverse of an approximation of each class's block of the Hessian."""

    def __init__(
        self, inputs: Tensor, importance: Tensor, mean_squares: Tensor, penalty: Tensor
    ) -> None:
        """From p (1 - p) of each image and class, and the mean square of the inputs by axis."""
        count = min(EXACT_IMAGES, len(inputs))
        weights, images = (part.T for part in importance.topk(count, dim=0))
        others = (importance.sum(0) - weights.sum(1)).clamp(min=0) / len(inputs)
        diagonal = others[:, None] * mean_squares + penalty
        self._diagonal = diagonal.clamp(min=penalty.max().item()).float()
        root = (weights / len(inputs)).sqrt().float()
        self._exact = root[..., None] * inputs[images]
        inner = (self._exact / self._diagonal[:, None]) @ self._exact.mT
        inner = inner.double() + torch.eye(count, dtype=torch.float64, device=inner.device)
        self._factor = torch.linalg.cholesky(inner)

    def __call__(self, values: Tensor) -> Tensor:
        """Return `[classes, axes + 1]`."""
        divided = values / self._diagonal
        seen = torch.bmm(self._exact, divided[..., None]).double()
        seen = torch.cholesky_solve(seen, self._factor).float()
        return divided - torch.bmm(seen.mT, self._exact)[:, 0] / self._diagonal
