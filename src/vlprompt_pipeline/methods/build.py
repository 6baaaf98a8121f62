"""From a recipe and class names to a learner, fresh or with a stored prompt."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import ConfigError, PromptFileError, UserError
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.inputs import ClassTexts, FewShotFeatures
from vlprompt_pipeline.methods.recipe import Recipe
from vlprompt_pipeline.methods.registry import get_method
from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.low_rank import LowRank
from vlprompt_pipeline.parametrizations.naming import links, shown_name, tensor_name
from vlprompt_pipeline.parametrizations.noise import TrainingNoise
from vlprompt_pipeline.parametrizations.projected import Projected
from vlprompt_pipeline.parametrizations.quantized import make_quantizer, quantized_tensors
from vlprompt_pipeline.parametrizations.quantizer import Quantizer
from vlprompt_pipeline.parametrizations.structured import warn_of_outliers


def build_plain(
    recipe: Recipe, clip: FrozenClip, classes: ClassTexts, seed: int = 0
) -> PromptLearner:
    """Build a learner to load a stored prompt into: no parametrizations, evaluation mode.

    Raises:
        ConfigError, DataError: initial words or class names do not fit the CLIP.
    """
    method = get_method(recipe.method)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):  # layers of torch draw their first values from it
        torch.default_generator.manual_seed(seed)
        return method.learner(clip, classes, recipe.prompt, generator).eval()


def build_learner(
    recipe: Recipe, clip: FrozenClip, classes: ClassTexts, seed: int
) -> PromptLearner:
    """Return a learner to train, its tensors parametrized as the recipe says.

    One that is `fitted` is quantized by `fit_learner`, for it has no tensors yet.

    Raises:
        ConfigError, DataError: initial words or class names do not fit the CLIP, or groups that
            share a codebook do not fill a tensor.
    """
    learner = build_plain(recipe, clip, classes, seed)
    generator = torch.Generator().manual_seed(seed)
    _put_on_contexts(learner, recipe, generator)
    _put_on_tensors(learner, recipe, generator, quantize=not learner.fitted)
    return learner


def fit_learner(
    learner: PromptLearner, recipe: Recipe, few_shot: FewShotFeatures, seed: int
) -> list[dict]:
    """Give a fitted learner its images, then quantize as the recipe says; rows of its history.

    Raises:
        ConfigError: groups that share a codebook do not fill a tensor.
        DataError: the method needs other images.
    """
    rows = learner.fit(few_shot)
    if recipe.quantize:
        generator = torch.Generator().manual_seed(seed)
        _quantize(learner, recipe.quantize, generator, few_shot.images)
        if not recipe.training:
            for _, quantizer, weight in quantized_tensors(learner):
                quantizer.initialise(weight)
    return rows


def restore_learner(
    recipe: Recipe, clip: FrozenClip, classes: ClassTexts, state: Mapping[str, Tensor]
) -> PromptLearner:
    """Return the learner whose `state_dict` is given, tensors parametrized as the recipe says.

    Raises:
        PromptFileError: the state is of tensors of other names or shapes.
    """
    learner, generator = build_plain(recipe, clip, classes), torch.Generator().manual_seed(0)
    _put_on_contexts(learner, recipe, generator)
    state = learner.renamed(state)
    # what grows with classes or images gets its size before noise or a quantizer stands on it
    learner.make_room({tensor_name(name): tensor for name, tensor in state.items()})
    _put_on_tensors(learner, recipe, generator, quantize=True)
    try:
        learner.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[1].strip()
        raise PromptFileError(
            f"the trained prompt does not fit {type(learner).__name__}: {first} Train again; a "
            "tensor that follows the few-shot set in size is named in grows"
        ) from error
    return learner


def quantize_after(learner: PromptLearner, config: QuantizeConfig, seed: int = 0) -> PromptLearner:
    """Quantize the tensors of a trained learner, in place; it is given back in evaluation mode.

    Factors of a low-rank context are quantized each. The full-precision weights stay as they are.

    Raises:
        ConfigError: groups that share a codebook do not fill a tensor, or codes are to be chosen by
            the few-shot images, which are not here.
        UserError: the learner is quantized already, or a tensor is not finite.
    """
    if any(quantized_tensors(learner)) or any(links(learner, Projected)):
        raise UserError("the learner is quantized already: build it from a recipe without quantize")
    if config.moment == "few_shot":
        raise ConfigError(
            "quantize.moment: few_shot needs the few-shot images, which only training has: put "
            "quantize into the recipe, or leave moment out"
        )
    _quantize(learner, config, torch.Generator().manual_seed(seed))
    return learner.eval()


def _put_on_contexts(learner: PromptLearner, recipe: Recipe, generator: Generator) -> None:
    for name in learner.contexts:
        if recipe.low_rank:
            _put_on(learner, name, LowRank(recipe.low_rank, attrgetter(name)(learner), generator))
        if recipe.projected:
            _put_on(learner, name, Projected(recipe.projected, attrgetter(name)(learner)))


def _put_on_tensors(
    learner: PromptLearner, recipe: Recipe, generator: Generator, *, quantize: bool
) -> None:
    """Put noise on all tensors that are trained, then quantizers on all but exact ones."""
    if recipe.noise:
        trained = (name for name, p in learner.named_parameters() if p.requires_grad)
        for name in dict.fromkeys(map(shown_name, trained)):
            _put_on(learner, name, TrainingNoise(recipe.noise, generator))
    if recipe.quantize and quantize:
        _quantize(learner, recipe.quantize, generator)


def _quantize(
    learner: PromptLearner,
    config: QuantizeConfig,
    generator: Generator,
    images: Tensor | None = None,
) -> None:
    moment = images.T @ images / len(images) if images is not None and len(images) else None
    for path, tensor in list(learner.named_parameters()):
        name = tensor_name(path)
        if name in learner.exact:
            continue
        chosen = config.model_copy(update={"moment": "none"})
        if name in learner.classifiers:
            chosen = config.of_classifier(mean_free=name in learner.mean_free)
        warn_of_outliers(name, tensor, chosen)
        own_moment = moment if chosen.moment == "few_shot" else None
        link = make_quantizer(chosen, tensor.shape, generator, name, own_moment)
        _put_on(learner, path, link.to(tensor.device))


def _put_on(learner: PromptLearner, name: str, parametrization: nn.Module) -> None:
    owner, _, tensor = name.rpartition(".")
    module = learner.get_submodule(owner)
    # safe means that torch looks at once, and codebooks would be made that a stored state replaces
    later = isinstance(parametrization, Quantizer)
    parametrize.register_parametrization(module, tensor, parametrization, unsafe=later)
    learner.train(learner.training)  # torch's own modules, which hold it, begin in training mode
