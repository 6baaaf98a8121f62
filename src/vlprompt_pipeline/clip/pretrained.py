"""open_clip's table of pretrained tags: what each is, and which tags can be adapted."""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches
from functools import cache
from typing import Any

from vlprompt_pipeline.clip.architecture import unsupported
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import ConfigError, WeightsError


def tag_config(model: str, tag: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the configuration of a model, and open_clip's entry for a tag: its preprocessing.

    Raises:
        ConfigError: open_clip has no such model or tag.
        WeightsError: the model cannot be adapted, or was trained with another activation.
    """
    model_cfg = model_config(model, "clip.source: ")
    entry = pretrained_entry(model, tag, "clip.source: ")
    refuse_unsupported(model_cfg, f"open_clip:{model}:{tag}")
    sibling = activation_sibling(model, tag)
    if sibling:
        raise WeightsError(
            f"clip.source: the weights {tag!r} were trained with another activation than {model} "
            f"computes; use open_clip:{sibling}"
        )
    return {"quick_gelu": False, **model_cfg}, entry


def model_config(model: str, where: str = "") -> dict[str, Any]:
    """Return open_clip's configuration of a model.

    Raises:
        ConfigError: it has none; begins with `where`.
    """
    config = open_clip.get_model_config(model)
    if config is None:
        near = get_close_matches(model, open_clip.list_models(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see open_clip.list_models()"
        raise ConfigError(f"{where}open_clip has no model {model!r}; {hint}")
    return config


def pretrained_entry(model: str, tag: str, where: str = "") -> dict[str, Any]:
    """Return open_clip's entry for a tag of a model that it has.

    Raises:
        ConfigError: the model has no such tag; begins with `where`.
    """
    entry = open_clip.get_pretrained_cfg(model, tag)
    if not entry:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise ConfigError(f"{where}{model} has no pretrained tag {tag!r}; it has: {tags}")
    return dict(entry)


def refuse_unsupported(model_cfg: dict[str, Any], where: str) -> None:
    """Refuse a kind of model that cannot be adapted.

    Raises:
        WeightsError: naming the kind and the pretrained tag that is nearest to it.
    """
    kind = unsupported(model_cfg)
    if kind:
        raise WeightsError(
            f"clip.source: {where} is {kind}; such a model cannot be adapted, and the nearest that "
            f"can is open_clip:{nearest_tag(where, model_cfg)}"
        )


def activation_sibling(model: str, tag: str) -> str | None:
    """Return `model:tag` with the activation of a tag's training, if `model` computes another."""
    model_cfg, entry = open_clip.get_model_config(model), open_clip.get_pretrained_cfg(model, tag)
    computes, trained = (bool(each.get("quick_gelu")) for each in (model_cfg, entry))
    if computes == trained:
        return None
    other = model.removesuffix("-quickgelu") if computes else f"{model}-quickgelu"
    return f"{other}:{tag}"


@cache
def adaptable_tags() -> tuple[str, ...]:
    """Return `model:tag` of all pretrained tags that can be adapted under this name."""
    return tuple(
        f"{model}:{tag}"
        for model, tag in open_clip.list_pretrained()
        if not unsupported(open_clip.get_model_config(model)) and not activation_sibling(model, tag)
    )


def nearest_tag(name: str, model_cfg: dict[str, Any]) -> str:
    """Return the adaptable tag with the same image tower, if there is one, and the nearest name.

    `name` is a name, such as `coca_ViT-L-14:laion2b_s13b_b90k`.
    """

    def distance(candidate: str) -> tuple[bool, float]:
        model = candidate.partition(":")[0]
        same = _image_tower(open_clip.get_model_config(model)) == _image_tower(model_cfg)
        return not same, -SequenceMatcher(None, name, candidate).ratio()

    return min(adaptable_tags(), key=distance)


def _image_tower(model_cfg: dict[str, Any]) -> tuple:
    vision = model_cfg.get("vision_cfg") or {}
    sizes = ("timm_model_name", "layers", "width", "patch_size", "image_size")
    return tuple(str(vision.get(key)) for key in sizes)
