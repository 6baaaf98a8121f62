"""Methods equal their official implementations: logits, losses, gradients, five steps of SGD."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from torch import Tensor

from learners import untrained
from parity import TOLERANCE, TOLERANCE_AFTER, Case, assert_close, load_case, parity_clip
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.methods import ClassTexts, PromptLearner

CONTEXT = {"length": "n_ctx", "init": "initial_words"}
END = {"class_specific": False, "class_position": "end"}
TEACHER = {"templates": "benchmark"}


def coop(settings: dict) -> dict:
    return {
        "class_specific": settings["class_specific_contexts"],
        "class_position": settings["class_token_position"],
    }


def sampled(settings: dict) -> dict:
    names = ("samples", "kl_weight")
    return {name: settings[name] for name in names} | {"prediction": "sampled"}


def towers(settings: dict) -> dict:
    return {
        "length": settings["n_ctx_text"],
        "depth": settings["prompt_depth_text"],
        "image_length": settings["n_ctx_vision"],
        "image_depth": settings["prompt_depth_vision"],
    }


def regularised(settings: dict) -> dict:
    return {
        "text_weight": settings["text_loss_weight"],
        "image_weight": settings["image_loss_weight"],
        "logit_weight": 1,
        "templates": "imagenet_60",
        "aggregation": {key: settings["aggregation"][key] for key in ("mean", "std")},
    }


CASES: dict[str, tuple[str, Callable[[dict], dict]]] = {
    "coop-4-words-end": ("coop", coop),
    "coop-4-random-front": ("coop", coop),
    "coop-16-random-middle": ("coop", coop),
    "coop-4-classwise-end": ("coop", coop),
    "cocoop-4-batch1": ("cocoop", lambda s: {}),
    "cocoop-4-batch3": ("cocoop", lambda s: {}),
    "kgcoop-4-weight8": ("kgcoop", lambda s: END | TEACHER | {"weight": s["weight"]}),
    "prograd-4-conflict": ("prograd", lambda s: END | TEACHER | projection(s)),
    "prograd-8-agree": ("prograd", lambda s: END | TEACHER | projection(s) | {"init": None}),
    "variational-unconditional": (
        "variational",
        lambda s: sampled(s) | {"initial_log_variance": None},
    ),
    "variational-conditional": ("variational_conditional", sampled),
    "maple-2-depth2": ("maple", lambda s: {"depth": s["prompt_depth"]}),
    "maple-2-depth3": ("maple", lambda s: {"depth": s["prompt_depth"]}),
    "ivlp-4-4-depth2": ("ivlp", towers),
    "promptsrc-4-4-depth2": ("promptsrc", lambda s: towers(s) | regularised(s)),
}

# What the golden tensors are called where ours are numbered.
NAMES = (
    (r"text_prompt_block_(\d)", lambda match: f"deep_context.{int(match[1]) - 1}"),
    (r"vision_prompt_block_(\d)", r"visual.\1"),
    (r"vision_projection_block_(\d)", r"projections.\1"),
)


def projection(settings: dict) -> dict:
    return {"temperature": settings["temperature"], "strength": settings["projection_lambda"]}


# What the golden losses are called, and how ours make them; the divergence is stored unweighted.
TERMS: dict[str, Callable[[dict[str, float]], float]] = {
    "losses": lambda row: sum(row.values()),
    "cross_entropy_terms": lambda row: row["cross_entropy"],
    "cross_entropy_losses": lambda row: row["cross_entropy"],
    "distillation_losses": lambda row: row["distillation"],
    "kl_terms": lambda row: row["divergence"] / 0.001,
    "text_l1_terms": lambda row: row["text"],
    "image_l1_terms": lambda row: row["image"],
    "logit_kl_terms": lambda row: row["logit"],
}


def our_name(golden: str) -> str:
    """The name of a trainable tensor in the learner."""
    for theirs, ours in NAMES:
        golden = re.sub(theirs, ours, golden)
    return golden


def as_double(values: Iterable[float]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float64)


def build(name: str, case: Case, clip: FrozenClip) -> PromptLearner:
    """The learner of a case with its initial values."""
    method, more = CASES[name]
    settings = case.about["settings"]
    values = {ours: settings.get(theirs) for ours, theirs in CONTEXT.items()} | more(settings)
    classes = ClassTexts(
        tuple(case.about["class_names"]), settings.get("teacher_template", "a photo of a {}.")
    )
    learner = untrained(clip, method, classes, **values)
    learner.load_prompt({our_name(n): case(f"initial/{n}") for n in case.about["trainable"]})
    return learner.to(clip.dtype)


def give_noise(learner: PromptLearner, case: Case) -> None:
    """Draws of the stored noise, where the learner draws."""
    if "noise_train" not in case.tensors:
        return
    steps: Iterator[Tensor] = iter(case("noise_train"))

    def normal(shape: tuple[int, ...], like: Tensor) -> Tensor:
        noise = next(steps) if learner.training else case("noise_eval")
        assert noise.shape == shape
        return noise.to(like)

    learner.draws.normal = normal


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_official_implementation(name, precision):
    require_equal(name, precision, parity_clip(precision))


def test_the_variance_begins_between_that_of_one_and_of_e(tiny_clip):
    """The official log-variance is uniform in [0, 1), without a value of the recipe's own."""
    settings = {"length": 1, "init": None, "samples": 1, "kl_weight": 0, "prediction": "mean"}
    drawn = untrained(tiny_clip, "variational", **settings, initial_log_variance=None).log_variance
    assert 0 <= drawn.min() < 0.2
    assert 0.8 < drawn.max() < 1
    own = untrained(tiny_clip, "variational", **settings, initial_log_variance=-8)
    assert torch.equal(own.log_variance, torch.full((1, tiny_clip.text_width), -8.0))


def require_equal(name: str, precision: str, clip: FrozenClip) -> None:
    """Hold a case on a CLIP to its golden numbers."""
    case = load_case(name)
    learner = build(name, case, clip)
    give_noise(learner, case)
    pixels, labels = case("images"), case("labels")
    images = clip.encode_images(pixels) if learner.reads == "features" else pixels
    before, after = TOLERANCE[precision], TOLERANCE_AFTER[precision]

    def golden(what: str) -> Tensor:  # a few large ones are stored in float64 only
        stored = f"{precision}/{what}"
        return case(stored if stored in case.tensors else f"float64/{what}")

    def logits() -> Tensor:
        return learner.eval().logits(learner.image_side().encode_images(pixels))

    def values(what: str) -> Iterator[tuple[Tensor, Tensor]]:
        tensors = dict(learner.named_parameters())
        return ((tensors[our_name(n)], golden(f"{what}/{n}")) for n in case.about["trainable"])

    called = "eval_log_probabilities" if "noise_eval" in case.tensors else "logits"
    assert_close(logits(), golden(called), before)

    optimizer = torch.optim.SGD(learner.parameters(), lr=0.002, momentum=0.9, weight_decay=5e-4)
    learner.train()
    seen: list[dict[str, float]] = []
    for step in range(5):
        losses = learner.losses(images, labels)
        optimizer.zero_grad()
        learner.backward(losses)
        if step == 0:
            for ours, theirs in values("gradient"):
                assert_close(ours.grad, theirs, after)
        optimizer.step()
        seen.append({term: value.item() for term, value in losses.items()})
        if step < 4:
            learner.epoch_done(step, 5)

    printed = case.about["values_float64"]
    for term, ours in TERMS.items():
        if term in printed:
            assert_close(as_double(map(ours, seen)), as_double(printed[term]), before)
    for ours, theirs in values("after_5_steps"):
        assert_close(ours, theirs, after)
    assert_close(logits(), golden(f"{called}_after_5_steps"), after)

    if "aggregation" in case.about["settings"]:
        learner.epoch_done(4, 5)
        for ours, theirs in values("aggregated"):
            assert_close(ours, theirs, after)
