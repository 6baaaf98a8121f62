"""What holds for every recipe of conf: same bits, round trips, other classes, a falling loss."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from learners import RECIPES
from pipelines.project import merged
from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.demo.model import normalise
from vlprompt_pipeline.errors import ConfigError, PromptFileError
from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.packed import pack
from vlprompt_pipeline.image_datasets.rendered import RENDERED, draw_class
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    PromptLearner,
    Recipe,
    build_learner,
    build_plain,
    fit_learner,
    get_method,
    resolve_recipe,
)
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.training import CachedViews, train

TEMPLATE = "a photo of {}."
IMAGES, VIEWS = 6, 2
EPOCHS = 4


class Task(NamedTuple):
    """A few pictures `[images, views, …]` of the demo as pixels and features, and their classes."""

    clip: FrozenClip
    pixels: Tensor
    features: Tensor
    labels: Tensor
    validation: Tensor
    classes: ClassTexts
    others: ClassTexts

    @property
    def unprojected(self) -> Tensor:
        """Features before the last map of the image tower, `[images, views, width]`."""
        recipe = resolve_recipe("prolip", RECIPES)
        side = build_plain(recipe, self.clip, self.classes).image_side()
        return side.encode_images(self.pixels.flatten(0, 1)).unflatten(0, (-1, VIEWS))

    def few_shot(self) -> FewShotFeatures:
        """What methods are given that see all images at once."""
        images = F.normalize(self.features.mean(1), dim=-1)
        own = torch.arange(5).repeat(2)
        return FewShotFeatures(images, self.labels, self.validation, own, self.features)


@pytest.fixture(scope="module")
def task() -> Task:
    clip, dataset = load_clip("embedded", "demo", "cpu"), RENDERED["demo_counts"]
    drawn = [list(draw_class(dataset, "train", c, IMAGES * VIEWS, seed=0)) for c in range(5)]
    pixels = normalise(np.stack([p for group in drawn for p in group]))
    labels = torch.arange(5).repeat_interleave(IMAGES)
    held_out = [list(draw_class(dataset, "val", c, 2, seed=0)) for c in range(5)]
    validation = np.stack([pair[i] for i in range(2) for pair in held_out])
    return Task(
        clip,
        pixels.unflatten(0, (-1, VIEWS)),
        clip.encode_images(pixels).unflatten(0, (-1, VIEWS)),
        labels,
        clip.encode_images(normalise(validation)),
        ClassTexts(dataset.classes[:5], TEMPLATE),
        ClassTexts(dataset.classes[5:9], TEMPLATE),
    )


def recipe_of(name: str, **training: float) -> Recipe:
    """A recipe of conf with some of its training's settings replaced, and few samples."""
    recipe = resolve_recipe(name, RECIPES)
    if recipe.training is None:
        return recipe
    few = {"samples": 2} if hasattr(recipe.prompt, "samples") else {}
    changed = {
        "prompt": recipe.prompt.model_copy(update=few),
        "training": recipe.training.model_copy(update=training),
    }
    return recipe.model_copy(update=changed)


def read_by(learner: PromptLearner, task: Task) -> Tensor:
    """What the learner is trained on."""
    return getattr(task, learner.reads)


def trained(name: str, task: Task, seed: int = 1, **training) -> tuple[PromptLearner, list[dict]]:
    """A learner after a short training, and its history."""
    recipe = recipe_of(name, **{"epochs": EPOCHS, "batch_size": 10, **training})
    learner = build_learner(recipe, task.clip, task.classes, seed)
    rows = fit_learner(learner, recipe, task.few_shot(), seed) if learner.fitted else []
    if recipe.training:
        read = read_by(learner, task)
        size, apart = recipe.training.batch_size, learner.views_apart
        batches = CachedViews(read, task.labels, size, seed, apart)
        rows = train(learner, batches, recipe.training)
    if learner.fitted:
        learner.settle(task.few_shot())
    return learner, rows


def logits(learner: PromptLearner, task: Task) -> Tensor:
    with torch.no_grad():
        return learner.logits(learner.image_side().encode_images(task.pixels[:, 0]))


def loss(learner: PromptLearner, task: Task) -> float:
    """What training minimises, over all pictures and views."""
    images = read_by(learner, task).flatten(0, 1)
    with torch.no_grad():
        terms = learner.losses(images, task.labels.repeat_interleave(VIEWS))
    return sum(terms.values()).item()


def weights_of(clip: FrozenClip) -> str:
    """Hash of every weight of the CLIP."""
    digest = hashlib.sha256()
    for name, tensor in clip.model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


RESOLVED = {name: resolve_recipe(name, RECIPES) for name in RECIPES}
SECTIONS = [
    (name, section)
    for name, recipe in RESOLVED.items()
    for section in ("prompt", "training", "quantize", None)
    if section is None or getattr(recipe, section) is not None
]

every_recipe = pytest.mark.parametrize("name", RECIPES)
trained_recipe = pytest.mark.parametrize(
    "name", [name for name, recipe in RESOLVED.items() if recipe.training]
)
fitted_recipe = pytest.mark.parametrize(
    "name", [name for name, recipe in RESOLVED.items() if get_method(recipe.method).learner.fitted]
)
recipe_of_any_classes = pytest.mark.parametrize(
    "name", [name for name, recipe in RESOLVED.items() if not recipe.bound_to_classes]
)


@every_recipe
def test_the_same_seed_gives_the_same_bits(name, task):
    one, other = (trained(name, task)[0].state_dict() for _ in range(2))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@trained_recipe
def test_another_seed_gives_other_bits(name, task):
    one, other = (trained(name, task, seed)[0].prompt_tensors() for seed in (1, 2))
    assert any(not torch.equal(one[key], other[key]) for key in one)


@every_recipe
def test_a_trained_prompt_survives_its_file(name, task, tmp_path):
    learner, _ = trained(name, task)
    recipe = recipe_of(name, epochs=EPOCHS)
    stored = TrainedPrompt(
        recipe.model_dump(mode="json"),
        learner.state_dict(),
        task.classes,
        task.clip.identity,
        {"seed": 1},
    )
    for file in ("one", "two"):
        stored.save(tmp_path / file)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded = TrainedPrompt.load(tmp_path / "one")
    assert loaded.resolved_recipe() == recipe
    assert torch.equal(logits(loaded.learner(task.clip), task), logits(learner, task))


@every_recipe
def test_a_packed_prompt_predicts_as_at_the_end_of_training(name, task):
    """Bit for bit where it is quantized; else within what half precision leaves of the logits."""
    learner, _ = trained(name, task)
    recipe = recipe_of(name, epochs=EPOCHS)
    packed = pack(pack_learner(learner, recipe))
    assert packed == pack(pack_learner(learner, recipe))
    ours = logits(load_learner(packed, recipe, task.clip, task.classes), task)
    ends = logits(learner, task)
    if recipe.quantize:
        assert torch.equal(ours, ends)
    assert (ours - ends).abs().max() < 0.01 * task.clip.logit_scale
    assert torch.equal(ours.argmax(-1), ends.argmax(-1))


@every_recipe
def test_a_packed_prompt_serves_classes_it_was_not_trained_on_or_says_why_not(name, task):
    recipe = recipe_of(name, epochs=EPOCHS)
    packed = pack(pack_learner(trained(name, task)[0], recipe))
    if recipe.bound_to_classes:
        with pytest.raises(PromptFileError, match="it serves the classes of training only"):
            load_learner(packed, recipe, task.clip, task.others)
        return
    found = logits(load_learner(packed, recipe, task.clip, task.others), task)
    assert found.shape == (len(task.labels), 4)
    assert torch.isfinite(found).all()


@recipe_of_any_classes
def test_the_order_of_the_classes_is_the_order_of_the_logits(name, task):
    recipe = recipe_of(name, epochs=EPOCHS)
    packed = pack(pack_learner(trained(name, task)[0], recipe))
    turned = ClassTexts(task.classes.names[::-1], task.classes.template)
    one, other = (
        logits(load_learner(packed, recipe, task.clip, classes), task)
        for classes in (task.classes, turned)
    )
    assert torch.allclose(one.flip(-1), other, atol=1e-3)


@pytest.mark.parametrize(("name", "section"), SECTIONS)
def test_an_unknown_key_is_refused(name, section):
    wrong = {"no_such_key": 1}
    recipe = merged(RECIPES[name], wrong if section is None else {section: wrong})
    where = f"recipes.{name}" + (f".{section}" if section else "")
    with pytest.raises(ConfigError, match=rf"^{where}: unknown key 'no_such_key'.*; allowed: \w+"):
        resolve_recipe(name, {**RECIPES, name: recipe})


@trained_recipe
def test_the_loss_falls(name, task):
    """Over all pictures and views: within an epoch the batches differ more than it falls."""
    before = loss(trained(name, task, epochs=0)[0], task)
    learner, rows = trained(name, task, epochs=8)
    assert loss(learner, task) < before
    assert [row["epoch"] for row in rows] == list(range(8))


@fitted_recipe
def test_the_loss_falls_by_seeing_all_images_at_once(name, task):
    before = loss(build_learner(recipe_of(name), task.clip, task.classes, 1), task)
    learner, rows = trained(name, task)
    assert loss(learner, task) < before
    assert [row["epoch"] for row in rows] == list(range(len(rows)))


@trained_recipe
def test_no_gradient_reaches_the_frozen_clip(name, task):
    before = weights_of(task.clip)
    learner, _ = trained(name, task)
    own = {id(parameter) for parameter in learner.parameters()}
    for parameter in task.clip.model.parameters():
        assert parameter.grad is None
        assert not parameter.requires_grad
        assert id(parameter) not in own
    assert weights_of(task.clip) == before
    assert own, "nothing is trained"


@trained_recipe
def test_every_tensor_is_trained(name, task):
    """A tensor that no gradient reaches would be shipped for nothing."""
    start = dict(trained(name, task, epochs=0)[0].named_parameters())
    end = dict(trained(name, task)[0].named_parameters())
    for key in (key for key in start if end[key].requires_grad):
        assert not torch.equal(start[key], end[key]), key


@trained_recipe
def test_a_learning_rate_of_zero_changes_nothing(name, task):
    start, _ = trained(name, task, epochs=0)
    end, _ = trained(name, task, lr=0, warmup_lr=0)
    # 2SFS normalises what its second stage starts from once more
    rounding = 1e-3 if name == "two_stage" else 0
    torch.testing.assert_close(logits(start, task), logits(end, task), rtol=0, atol=rounding)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, recipe in ((name, resolve_recipe(name, RECIPES)) for name in RECIPES)
        if recipe.method in ("coop", "kgcoop", "prograd")
        and recipe.prompt.init == "a photo of a"
        and recipe.prompt.class_position == "end"
        and not recipe.quantize
    ],
)
def test_untrained_initial_words_are_zero_shot_with_their_template(name, task):
    words = {"words": {"method": "zero_shot", "title": "", "prompt": {"templates": "photo"}}}
    zero_shot = build_plain(resolve_recipe("words", words), task.clip, task.classes)
    untrained, _ = trained(name, task, lr=0, warmup_lr=0)
    ours, theirs = logits(untrained, task), logits(zero_shot, task)
    assert torch.allclose(ours, theirs, atol=2e-3)
    assert torch.equal(ours.argmax(-1), theirs.argmax(-1))
