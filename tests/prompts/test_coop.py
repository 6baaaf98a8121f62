"""CoOp equals the official implementation: logits, loss, gradient and five steps of SGD."""

from __future__ import annotations

import pytest
import torch

from parity import TOLERANCE, TOLERANCE_AFTER, assert_close, load_case, parity_clip
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.prompts import ClassTexts
from vlprompt_pipeline.prompts.coop import CoOp, CoOpParameters

CASES = (
    "coop-4-words-end",
    "coop-4-random-front",
    "coop-16-random-middle",
    "coop-4-classwise-end",
)


def _learner(case, clip) -> CoOp:
    settings = case.about["settings"]
    parameters = CoOpParameters(
        length=settings["n_ctx"],
        init=settings["initial_words"],
        class_specific=settings["class_specific_contexts"],
        class_position=settings["class_token_position"],
    )
    classes = ClassTexts(tuple(case.about["class_names"]), "a photo of a {}.")
    return CoOp(clip, classes, parameters, torch.Generator().manual_seed(0)).to(clip.dtype)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_official_implementation(name, precision):
    case, clip = load_case(name), parity_clip(precision)
    learner = _learner(case, clip)
    learner.load_prompt({"context": case("initial/context")})
    images = clip.encode_images(case("images"))
    labels = case("labels")
    assert_close(learner.logits(images), case(f"{precision}/logits"), TOLERANCE[precision])

    optimizer = torch.optim.SGD(learner.parameters(), lr=0.002, momentum=0.9, weight_decay=5e-4)
    losses = []
    for step in range(5):
        loss = learner.losses(images, labels)["cross_entropy"]
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            gradient = learner.context.grad.clone()
        optimizer.step()
        losses.append(loss.detach())
    after = TOLERANCE_AFTER[precision]
    golden_losses = case.about["values_float64"]["losses"]
    assert_close(
        torch.stack(losses), torch.tensor(golden_losses, dtype=torch.float64), TOLERANCE[precision]
    )
    # a few large gradients and end values are stored in float64 only
    stored = precision if f"{precision}/gradient/context" in case.tensors else "float64"
    assert_close(gradient, case(f"{stored}/gradient/context"), after)
    assert_close(learner.context, case(f"{stored}/after_5_steps/context"), after)
    assert_close(learner.logits(images), case(f"{precision}/logits_after_5_steps"), after)


def test_initial_words_are_their_token_embeddings():
    case = load_case("coop-4-words-end")
    clip = parity_clip("float32")
    assert torch.equal(_learner(case, clip).context, case("initial/context"))


def test_random_contexts_have_the_published_spread_and_depend_on_the_seed(tiny_clip):
    parameters = CoOpParameters(length=16, init=None, class_specific=True, class_position="end")
    classes = ClassTexts(tuple(f"thing {i}" for i in range(40)), "{}")

    def context(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return CoOp(tiny_clip, classes, parameters, generator).context.detach()

    assert context(1).shape == (40, 16, 32)
    assert abs(context(1).std().item() - 0.02) < 0.0005
    assert torch.equal(context(1), context(1))
    assert not torch.equal(context(1), context(2))


def test_words_and_length_must_agree(tiny_clip):
    parameters = CoOpParameters(
        length=3, init="a photo of a", class_specific=False, class_position="end"
    )
    with pytest.raises(ConfigError, match="has 4 tokens, but prompt.length is 3; make them equal"):
        CoOp(tiny_clip, ClassTexts(("cat",), "{}"), parameters, torch.Generator())


@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_a_class_name_longer_than_the_context(tiny_clip, position):
    parameters = CoOpParameters(length=16, init=None, class_specific=False, class_position=position)
    classes = ClassTexts(("cat", "very " * 60 + "long"), "{}")
    with pytest.raises(DataError, match="has 80 tokens, but tiny reads at most 77: shorten"):
        CoOp(tiny_clip, classes, parameters, torch.Generator())


def test_no_gradient_reaches_the_frozen_clip(tiny_clip):
    parameters = CoOpParameters(length=4, init=None, class_specific=False, class_position="end")
    learner = CoOp(tiny_clip, ClassTexts(("cat", "dog"), "{}"), parameters, torch.Generator())
    learner.class_features().sum().backward()
    assert learner.context.grad is not None
    assert all(p.grad is None for p in tiny_clip.model.parameters())
    assert [name for name, _ in learner.named_parameters()] == ["context"]
