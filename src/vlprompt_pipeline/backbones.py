"""Which CLIPs of open_clip can be adapted, and by which methods: read and tried, not stated.

A model is judged by its configuration. Whether a method works on a kind of tower is found by
training a step on a small model of that kind with random weights.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlprompt_pipeline.clip import FrozenClip, load_clip
from vlprompt_pipeline.clip.architecture import describe_text_tower, unsupported
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.pretrained import (
    activation_sibling,
    model_config,
    nearest_tag,
    pretrained_entry,
)
from vlprompt_pipeline.clip.small import small_config, write_small
from vlprompt_pipeline.clip.towers import describe_image_tower, takes_image_prompts
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import build_learner, resolve_recipe
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.inputs import ClassTexts, FewShotFeatures
from vlprompt_pipeline.templates import templates_of

VECTORS = 4
"""Of the prompts whose sizes are told: as many as CoOp has."""

_CLASSES = ClassTexts(("cat", "dog", "photo"), "a photo of a {}.")


def describe(name: str, recipes: Mapping[str, Any]) -> str:
    """Return all that is known of a model of open_clip, or of one of its tags, for a terminal.

    Raises:
        ConfigError: open_clip has no such model or tag.
    """
    model, _, tag = name.partition(":")
    config = model_config(model)
    if tag:
        pretrained_entry(model, tag)
    tags = [tag] if tag else open_clip.list_pretrained_tags_by_model(model)
    kind = unsupported(config)
    if kind:
        nearest = nearest_tag(name, config)
        return f"{model}: not accepted, it is {kind}; the nearest that is: open_clip:{nearest}"
    refused = _refused(small_clip(model), recipes, _builds)
    lines = {
        "text tower": describe_text_tower(config),
        "image tower": describe_image_tower(small_clip(model).model.visual),
        "prompt": f"{VECTORS * _text_width(config):,} numbers in {VECTORS} vectors",
        "context": f"{config['text_cfg'].get('context_length', 77)} tokens",
        "tokenizer": config["text_cfg"].get("hf_tokenizer_name") or "CLIP's own",
        "methods": _all_but(refused),
        **{f"open_clip:{model}:{each}": _verdict(model, each) for each in tags},
    }
    width = max(map(len, lines))
    return "\n".join([model, *(f"  {title:<{width}}  {text}" for title, text in lines.items())])


def document(recipes: Mapping[str, Any], tried: bool) -> str:
    """Write the page docs/backbones.md: head, methods on each kind, and all pretrained tags."""
    verdicts = [_verdict(*pair) for pair in open_clip.list_pretrained()]
    page = templates_of("").get_template("backbones.md.j2")
    return page.render(
        version=open_clip.__version__,
        tags=len(verdicts),
        accepted=verdicts.count("yes"),
        siblings=sum(verdict.startswith("as ") for verdict in verdicts),
        refused=sum(verdict.startswith("no") for verdict in verdicts),
        kinds=_kind_rows(recipes) if tried else [],
        vectors=VECTORS,
        rows=_tag_rows(),
    )


def try_method(name: str, recipes: Mapping[str, Any], clip: FrozenClip) -> bool:
    """Tell whether a recipe trains on a CLIP: a step changes its prompt, and its scores are finite.

    False where the method refuses the CLIP. Any other failure is raised.
    """
    recipe = resolve_recipe(name, recipes)
    try:
        learner = build_learner(recipe, clip, _CLASSES, seed=1)
    except ConfigError:
        return False
    learner.train()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 3, *clip.preprocessing.height_width, generator=generator)
    labels = torch.arange(3)
    with torch.no_grad():
        features = learner.image_side().encode_images(pixels)
    if learner.fitted:
        learner.fit(FewShotFeatures(features, labels, features, labels))
    if recipe.training:
        _step(learner, pixels if learner.reads == "pixels" else features, labels)
    with torch.no_grad():
        scores = learner.eval().logits(learner.image_side().encode_images(pixels))
    return bool(scores.isfinite().all()) and scores.shape == (3, 3)


def _step(learner: PromptLearner, images: Tensor, labels: Tensor) -> None:
    trained = [each for each in learner.parameters() if each.requires_grad]
    before = [each.detach().clone() for each in trained]
    learner.backward(learner.losses(images, labels))
    torch.optim.SGD(trained, lr=0.1).step()
    if all(map(torch.equal, before, trained)):
        raise RuntimeError(f"a step of {type(learner).__name__} on {learner.clip.name} is none")


@cache
def small_clip(model: str) -> FrozenClip:
    """Return a small model of open_clip's structure with random weights, made once."""
    with tempfile.TemporaryDirectory() as folder:
        return load_clip(f"local-dir:{write_small(model, Path(folder))}", model, "cpu")


def kinds() -> list[list[str]]:
    """Return all accepted models of open_clip; those that differ in sizes alone stand together."""
    alike: dict[str, list[str]] = {}
    for model in open_clip.list_models():
        if not unsupported(open_clip.get_model_config(model)):
            alike.setdefault(_structure(model), []).append(model)
    return list(alike.values())


def _structure(model: str) -> str:
    """Say what of a model's configuration decides how it is computed."""
    config = small_config(model)
    text, vision = config["text_cfg"], config["vision_cfg"]
    for sizes in (vision, vision.get("timm_options", {})):
        for name in ("image_size", "patch_size", "img_size"):
            sizes.pop(name, None)
    for name in ("context_length", "vocab_size"):
        text.pop(name, None)
    for name in ("quick_gelu", "init_logit_bias", "init_logit_scale"):
        config.pop(name, None)
    return json.dumps(config, sort_keys=True)


def _kind_rows(recipes: Mapping[str, Any]) -> list[str]:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for models in kinds():
        clip = small_clip(models[0])
        refused = _refused(clip, recipes, try_method)
        text = describe_text_tower(open_clip.get_model_config(models[0]))
        row = (text, image_kind(clip.model.visual), _all_but(refused))
        rows.setdefault(row, []).extend(models)
    return [f"{' | '.join(row)} | {', '.join(models)}" for row, models in rows.items()]


def _all_but(refused: Sequence[str]) -> str:
    return f"all but {', '.join(refused)}" if refused else "all"


def image_kind(visual: nn.Module) -> str:
    """Return the class of an image tower, and whose it is."""
    trunk = getattr(visual, "trunk", None)
    return type(visual).__name__ if trunk is None else f"{type(trunk).__name__} of timm"


def _refused(
    clip: FrozenClip,
    recipes: Mapping[str, Any],
    works: Callable[[str, Mapping[str, Any], FrozenClip], bool],
) -> list[str]:
    cut = cut_recipes(recipes)
    return [name for name in _without_variants(recipes) if not works(name, cut, clip)]


def _builds(name: str, recipes: Mapping[str, Any], clip: FrozenClip) -> bool:
    try:
        build_learner(resolve_recipe(name, recipes), clip, _CLASSES, seed=1)
    except ConfigError:
        return False
    return True


def _tag_rows() -> Iterator[str]:
    prompted: dict[str, bool] = {}  # by structure: a small model of each is built once
    for model, tag in open_clip.list_pretrained():
        config, start = open_clip.get_model_config(model), f"{model}:{tag} | {_verdict(model, tag)}"
        if unsupported(config):
            yield f"{start} | | | |"
            continue
        if (structure := _structure(model)) not in prompted:
            prompted[structure] = takes_image_prompts(small_clip(model).model.visual)
        methods = "both towers" if prompted[structure] else "text and features"
        prompt = f"{VECTORS * _text_width(config):,}"
        context = config["text_cfg"].get("context_length", 77)
        resize = open_clip.get_pretrained_cfg(model, tag).get("resize_mode", "shortest")
        yield f"{start} | {methods} | {prompt} | {context} | {resize}"


def _verdict(model: str, tag: str) -> str:
    kind = unsupported(open_clip.get_model_config(model))
    if kind:
        return f"no: {kind}"
    sibling = activation_sibling(model, tag)
    return f"as {sibling}" if sibling else "yes"


def _text_width(config: Mapping[str, Any]) -> int:
    return config["text_cfg"].get("width", 512)


def _without_variants(recipes: Mapping[str, Any]) -> list[str]:
    """Take the first recipe of each method: quantized and low-rank ones work where it does."""
    first: dict[str, str] = {}
    for name in recipes:
        first.setdefault(resolve_recipe(name, recipes).method, name)
    return list(first.values())


def cut_recipes(recipes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipes for small models: at most two prompted blocks, and one short template.

    A small vocabulary has few words, so that the long templates do not fit into every context.
    """
    cut = {}
    for name, recipe in recipes.items():
        prompt = dict(recipe.get("prompt") or {})
        for key, most in (("depth", 2), ("image_depth", 2), ("layer", 1)):
            if isinstance(prompt.get(key), int):
                prompt[key] = min(prompt[key], most)
        if "templates" in prompt:
            prompt["templates"] = "photo"
        cut[name] = {**recipe, "prompt": prompt} if prompt else recipe
    return cut
