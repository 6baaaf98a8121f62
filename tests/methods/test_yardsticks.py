"""Methods without prompts against their formulas, written out slowly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from learners import CLASSES, untrained
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.export import load_learner, pack, pack_learner
from vlprompt_pipeline.methods import FewShotFeatures, stored_recipe
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.build import restore_learner
from vlprompt_pipeline.methods.gda import new_class_gaussians
from vlprompt_pipeline.methods.logistic_regression import LogisticRegression

SHOTS = 4
TIP = {
    "alpha": {"initial": 2.0, "to": 13.0, "steps": 20},
    "beta": {"initial": 1.0, "to": 13.0, "steps": 200},
    "templates": "benchmark",
}


def few_shot(clip, validation: int = 6) -> FewShotFeatures:
    """Features around a centre for each class, in mixed order."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(3, clip.embed_dim, generator=generator)

    def draw(labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), clip.embed_dim, generator=generator)
        return F.normalize(centres[labels] + 1.5 * noise, dim=-1)

    labels = torch.arange(3).repeat(SHOTS)
    own = torch.arange(3).repeat(validation)
    return FewShotFeatures(draw(labels), labels, draw(own), own)


def fitted(clip, method: str, **parameters) -> tuple[PromptLearner, FewShotFeatures, list[dict]]:
    made, data = untrained(clip, method, **parameters), few_shot(clip)
    rows = made.fit(data)
    made.settle(data)
    return made, data, rows


def slow_tip(clip, data: FewShotFeatures, images: Tensor, alpha: float, beta: float) -> Tensor:
    """Image by image, class by class, key by key."""
    texts = clip.encode_texts([f"a photo of a {name}." for name in CLASSES.names])
    logits = torch.zeros(len(images), 3)
    for i, image in enumerate(images):
        for c in range(3):
            logits[i, c] = clip.logit_scale * (image @ texts[c])
            for key, label in zip(data.images, data.labels, strict=True):
                if label == c:
                    logits[i, c] += alpha * math.exp(-beta * (1 - image @ key))
    return logits


def clusters(classes: int, shots: int, width: int) -> tuple[Tensor, Tensor]:
    """Normalised features around centres that overlap, and labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat(shots)
    centres = 1 + torch.randn(classes, width, generator=generator)
    noise = torch.randn(len(labels), width, generator=generator)
    return F.normalize(centres[labels] + noise, dim=-1), labels


def by_scipy(images: Tensor, labels: Tensor, c: float) -> float:
    """The least objective that another solver finds, with tolerances of almost nothing."""
    optimize = pytest.importorskip("scipy.optimize")
    x, y = images.double().numpy(), np.eye(int(labels.max()) + 1)[labels.numpy()]
    shape = (y.shape[1], x.shape[1] + 1)
    penalty = np.append(np.full(x.shape[1], 1 / (c * len(x))), 0.0)
    inputs = np.hstack([x, np.ones((len(x), 1))])

    def objective(flat):
        weights = flat.reshape(shape)
        scores = inputs @ weights.T
        scores -= scores.max(1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        value = -(y * logs).sum() / len(x) + (penalty * weights**2).sum() / 2
        return value, ((np.exp(logs) - y).T @ inputs / len(x) + penalty * weights).ravel()

    options = {"maxiter": 100_000, "maxfun": 1_000_000, "ftol": 0, "gtol": 1e-13, "maxcor": 50}
    start = np.zeros(shape).ravel()
    return optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options=options).fun


class TestTipAdapter:
    def test_it_equals_the_formula(self, tiny_clip):
        tip, data, _ = fitted(tiny_clip, "tip_adapter", **TIP)
        alpha, beta = tip.strengths.tolist()
        expected = slow_tip(tiny_clip, data, data.validation, alpha, beta)
        torch.testing.assert_close(tip.logits(data.validation), expected, rtol=1e-4, atol=1e-4)

    def test_the_first_best_strengths_on_validation_images_are_chosen(self, tiny_clip):
        few = {**TIP, "beta": {**TIP["beta"], "steps": 5}}
        tip, data, _ = fitted(tiny_clip, "tip_adapter", **few)
        tried = []
        for b in range(5):
            for a in range(20):
                alpha, beta = 0.1 + a * 12.9 / 20, 0.1 + b * 12.9 / 5
                logits = slow_tip(tiny_clip, data, data.validation, alpha, beta)
                right = int((logits.argmax(-1) == data.validation_labels).sum())
                tried.append((right, alpha, beta))
        assert len({right for right, _, _ in tried}) > 1
        _, alpha, beta = max(tried, key=lambda one: one[0])
        assert tip.strengths.tolist() == pytest.approx([alpha, beta], rel=1e-6)

    def test_without_validation_images_they_stay_as_published(self, tiny_clip, caplog):
        tip = untrained(tiny_clip, "tip_adapter", **TIP)
        data = few_shot(tiny_clip, validation=0)
        tip.fit(data)
        tip.settle(data)
        assert tip.strengths.tolist() == [2.0, 1.0]
        assert "no validation images" in caplog.text

    def test_nothing_trains_but_the_images_of_the_second_form(self, tiny_clip):
        for method, expected in (("tip_adapter", []), ("tip_adapter_f", ["images"])):
            tip, data, _ = fitted(tiny_clip, method, **TIP)
            trained = [name for name, p in tip.named_parameters() if p.requires_grad]
            assert trained == expected
            assert tip.images.shape == (3, SHOTS, tiny_clip.embed_dim)
            assert tip.prompt_names() == ("images", "strengths")
        sum(tip.losses(data.images, data.labels).values()).backward()
        assert tip.images.grad.abs().sum() > 0

    @pytest.mark.parametrize("method", ["tip_adapter", "tip_adapter_f"])
    def test_a_class_with_fewer_images_leaves_places_empty(self, tiny_clip, method):
        """The formula image by image, after a step of training, and through both files."""
        data = few_shot(tiny_clip)
        uneven = FewShotFeatures(
            data.images[2:], data.labels[2:], data.validation, data.validation_labels
        )
        recipe = stored_recipe({"method": method, "title": "T", "prompt": TIP})
        tip = untrained(tiny_clip, method, **TIP)
        tip.fit(uneven)
        assert tip.counts.tolist() == [SHOTS - 1, SHOTS - 1, SHOTS]
        expected = slow_tip(tiny_clip, uneven, data.validation, 2.0, 1.0)
        torch.testing.assert_close(tip.logits(data.validation), expected)
        if method == "tip_adapter_f":
            sum(tip.losses(uneven.images, uneven.labels).values()).backward()
            assert tip.images.grad[:2, -1].abs().sum() == 0
        tip.settle(uneven)
        tip.eval().requires_grad_(False)
        shown = tip.logits(data.validation)
        restored = restore_learner(recipe, tiny_clip, CLASSES, tip.state_dict())
        torch.testing.assert_close(restored.logits(data.validation), shown)
        packed = pack(pack_learner(tip, recipe))
        loaded = load_learner(packed, recipe, tiny_clip, CLASSES)
        torch.testing.assert_close(loaded.logits(data.validation), shown, rtol=1e-2, atol=0.2)
        assert loaded.counts.tolist() == tip.counts.tolist()


class TestLPPlusPlus:
    def test_it_equals_the_formula(self, tiny_clip):
        lp, data, rows = fitted(tiny_clip, "lp_plus_plus", steps=25, templates="benchmark")
        texts = tiny_clip.encode_texts([f"a photo of a {name}." for name in CLASSES.names])
        f, y, t = (x.double().numpy() for x in (data.images, data.labels, texts))
        y = y.astype(int)
        n = len(y)
        w = np.stack([f[y == c].sum(0) for c in range(3)])
        a = np.full(3, 250 * np.mean([(f[y == c] @ t[c]).mean() for c in range(3)]))
        rate = 4 * n / np.linalg.eigvalsh(f.T @ f).max()
        a_rate = n / (4 * ((f @ t.T) ** 2).sum(0).max())
        velocity, best, most, losses = np.zeros_like(w), None, -1, []
        for step in range(25):
            logits = f @ w.T + a * (f @ t.T)
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            losses.append(-np.log(p[np.arange(n), y]).mean())
            error = (p - np.eye(3)[y]) / n
            velocity = 0.9 * velocity + error.T @ f
            a_gradient = (error * (f @ t.T)).sum(0)
            w = w - rate * velocity
            if step % 10 == 9:
                a = a - a_rate * a_gradient
            val = data.validation.double().numpy()
            predicted = (val @ w.T + a * (val @ t.T)).argmax(1)
            right = (predicted == data.validation_labels.numpy()).sum()
            if right >= most:
                most, best = right, (w, a)
        assert [row["loss"] for row in rows] == pytest.approx(losses, rel=1e-3, abs=1e-6)
        assert max(row["validation_right"] for row in rows) == most
        assert lp.weight.detach().numpy() == pytest.approx(best[0], rel=1e-3, abs=1e-4)
        assert lp.alpha.detach().numpy() == pytest.approx(best[1], rel=1e-4)

    def test_a_step_that_was_better_than_those_behind_it_is_kept(self, tiny_clip):
        """Where the first step has all answers right, and later ones have not."""
        data = few_shot(tiny_clip)
        first, whole = (
            untrained(tiny_clip, "lp_plus_plus", steps=steps, templates="benchmark")
            for steps in (1, 25)
        )
        first.fit(data)
        answers = first.logits(data.validation).argmax(-1)
        rows = whole.fit(replace(data, validation_labels=answers))
        assert rows[0]["validation_right"] == len(answers) > rows[-1]["validation_right"]
        assert torch.equal(whole.logits(data.validation).argmax(-1), answers)

    def test_without_validation_images_the_last_step_is_kept(self, tiny_clip):
        data = few_shot(tiny_clip, validation=0)
        lp = untrained(tiny_clip, "lp_plus_plus", steps=12, templates="benchmark")
        rows = lp.fit(data)
        last = lp.losses(data.images, data.labels)["cross_entropy"].item()
        assert last < rows[-1]["loss"] < rows[0]["loss"]


class TestLinearProbe:
    @pytest.mark.parametrize("exponent", [-3, 0, 3])
    def test_it_equals_scikit_learn(self, tiny_clip, exponent):
        """With a tolerance that lets it come to its end."""
        sklearn = pytest.importorskip("sklearn.linear_model")
        data = few_shot(tiny_clip)
        weight, bias = LogisticRegression(data.images, data.labels, 3).fit(10.0**exponent)
        theirs = sklearn.LogisticRegression(C=10.0**exponent, max_iter=100_000, tol=1e-12)
        theirs.fit(data.images.double().numpy(), data.labels.numpy())
        ours = F.linear(data.validation.double(), weight, bias).softmax(-1).numpy()
        expected = theirs.predict_proba(data.validation.double().numpy())
        assert ours == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("c", [1e-6, 1e-2, 1.0, 1e2, 1e4, 1e6])
    @pytest.mark.parametrize("shots", [1, 12])
    def test_it_is_the_optimum(self, c, shots):
        """The gradient of the whole objective vanishes, with more images than are taken exactly."""
        images, labels = clusters(classes=5, shots=shots, width=24)
        problem = LogisticRegression(images, labels, 5)
        for weaker in (1e-3 * c, c):  # the second starts from the first
            weight, bias = problem.fit(weaker)
        weight, bias = weight.requires_grad_(), bias.requires_grad_()
        entropy = F.cross_entropy(F.linear(images.double(), weight, bias), labels)
        objective = entropy + weight.square().sum() / (2 * c * len(labels))
        first = torch.autograd.grad(objective, (weight, bias))
        assert max(part.abs().max() for part in first) < 1e-4 * objective
        best = by_scipy(images, labels, c)
        assert objective.item() == pytest.approx(best, rel=1e-6)
        assert bias.sum().item() == pytest.approx(0, abs=1e-8)

    def test_a_stronger_one_first_changes_nothing(self):
        images, labels = clusters(classes=4, shots=6, width=16)
        alone = LogisticRegression(images, labels, 4).fit(1.0)
        problem = LogisticRegression(images, labels, 4)
        problem.fit(100.0)
        for found, expected in zip(problem.fit(1.0), alone, strict=True):
            assert torch.equal(found, expected)  # only weaker strengths are started from

    def test_the_best_c_on_validation_images_is_found(self, tiny_clip):
        probe, data, rows = fitted(tiny_clip, "linear_probe", bisections=3)
        tried = {row["log10_c"]: row["validation_right"] for row in rows}
        powers = [6, 4, 2, 0, -2, -4, -6]
        best = max(powers, key=tried.get)
        order, left, right = [*powers], best - 1, best + 1
        for _ in range(3):  # the official search, on the answers that were counted
            order += [left, right]
            if tried[left] < tried[right]:
                best, left = right, (left + right) / 2
            else:
                best, right = left, (left + right) / 2
        assert list(tried) == list(dict.fromkeys(order))
        answers = (probe.logits(data.validation).argmax(-1) == data.validation_labels).sum()
        assert answers == tried[best]

    def test_it_needs_validation_images(self, tiny_clip):
        probe = untrained(tiny_clip, "linear_probe", bisections=1)
        with pytest.raises(DataError, match="this dataset has none: leave it out of methods"):
            probe.fit(few_shot(tiny_clip, validation=0))


class TestGDA:
    @pytest.mark.parametrize("count", [1, 5])
    def test_a_new_class_takes_all_features_where_there_are_few(self, count):
        drawn = torch.randn(count + 2, 8, generator=torch.Generator().manual_seed(0))
        features, texts = F.normalize(drawn.double(), dim=-1).split([count, 2])
        means, precision = new_class_gaussians(features, texts)
        torch.testing.assert_close(means, (features.sum(0) + 16 * texts) / (count + 16))
        inverses = []
        for text in texts:
            scatter = (features - text).T @ (features - text)
            spread = scatter.trace() / max(1, count - 1)
            inverses.append(8 * torch.linalg.inv(scatter + spread * torch.eye(8).double()))
        torch.testing.assert_close(precision, torch.stack(inverses).mean(0))

    def test_where_no_strength_gives_a_right_answer_it_is_the_usual_one(self, tiny_clip):
        parameters = {"covariance": "pooled", "new_classes": True, "templates": "benchmark"}
        data = few_shot(tiny_clip)
        image, wrong = data.images[:1], torch.tensor([1])  # the Gaussians say 0, the texts 2
        made = untrained(tiny_clip, "gda", **parameters)
        made.fit(replace(data, validation=image, validation_labels=wrong))
        assert made.logits(image).argmax() != 1
        assert made.strength.item() == pytest.approx(0.1)


class TestClipAdapter:
    def test_it_equals_the_formula_on_features_of_any_length(self, tiny_clip):
        """The official code adapts features before they are normalised."""
        made = untrained(tiny_clip, "clip_adapter", ratio=0.2, templates="benchmark")
        raw = 7.3 * few_shot(tiny_clip).images
        first, second = made.adapter.linear1.weight, made.adapter.linear2.weight
        adapted = torch.relu(torch.relu(raw @ first.T) @ second.T)
        mixed = F.normalize(0.2 * adapted + 0.8 * raw, dim=-1)
        texts = tiny_clip.encode_texts([f"a photo of a {name}." for name in CLASSES.names])
        expected = tiny_clip.logit_scale * mixed @ texts.T
        torch.testing.assert_close(made.logits(F.normalize(raw, dim=-1)), expected)

    def test_without_its_share_it_is_zero_shot(self, tiny_clip):
        made = untrained(tiny_clip, "clip_adapter", ratio=0.0, templates="benchmark")
        images = few_shot(tiny_clip).images
        texts = tiny_clip.encode_texts([f"a photo of a {name}." for name in CLASSES.names])
        expected = tiny_clip.logit_scale * images @ texts.T
        torch.testing.assert_close(made.logits(images), expected)
