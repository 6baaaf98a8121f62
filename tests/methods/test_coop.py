"""CoOp: initial values, layouts and refusals (test_official.py has its numbers)."""

from __future__ import annotations

import pytest
import torch

from parity import load_case, parity_clip
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.coop import CoOp, CoOpParameters
from vlprompt_pipeline.methods.layout import class_layout


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


def class_contexts(clip, init: str | None) -> torch.Tensor:
    parameters = CoOpParameters(length=4, init=init, class_specific=True, class_position="end")
    classes = ClassTexts(("cat", "dog", "boat"), "{}")
    return CoOp(clip, classes, parameters, torch.Generator().manual_seed(0)).context.detach()


def test_each_class_starts_from_the_words(tiny_clip):
    words = tiny_clip.embed(tiny_clip.token_ids("a photo of a"))
    for init in ("a photo of a", "a_photo_of_a"):
        assert torch.equal(class_contexts(tiny_clip, init), torch.stack([words] * 3))


def test_each_class_starts_from_random_vectors_of_its_own(tiny_clip):
    drawn = class_contexts(tiny_clip, None)
    assert drawn.shape == (3, 4, tiny_clip.text_width)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        alike = torch.corrcoef(torch.stack([drawn[one].flatten(), drawn[other].flatten()]))[0, 1]
        assert abs(alike) < 0.4  # of 128 values


def test_a_name_is_as_long_as_it_is_alone(tiny_clip):
    """Its full stop and the one behind it are one token: KaiyangZhou/CoOp takes both for it."""
    assert len(tiny_clip.token_ids("dr.")) == len(tiny_clip.token_ids("dr..")) == 2
    layout = class_layout(tiny_clip, ("dr.",), 2, "front")
    assert layout.slots.tolist() == [[-1, -1, 0, 1, -1]]


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
