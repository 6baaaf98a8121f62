"""Hand-written prompts by name: the texts that zero-shot CLIP and teachers classify with.

Papers differ in these texts, and numbers differ with them, so the name of the set stands in every
result. `benchmark` is each dataset's own template (`CUSTOM_TEMPLATES` of KaiyangZhou/CoOp).
"""

from __future__ import annotations

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import ConfigError

BENCHMARK = "benchmark"

# How many of the templates that CLIP's authors wrote for ImageNet, in their order, as open_clip has
# them; 60 are those of the teacher in PromptSRC.
_IMAGENET = {"imagenet": 80, "imagenet_60": 60}

TEMPLATE_SETS: dict[str, tuple[str, ...]] = {
    "photo": ("a photo of a {}.",),
    # the seven ImageNet templates selected by CLIP's authors, as in CoOp's ZeroshotCLIP2
    "imagenet_select": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
}


def templates(name: str, benchmark_template: str) -> tuple[str, ...]:
    """Return the templates of a set; each holds one `{}` for the class name.

    A name with `{}` in it is itself the one template.

    Raises:
        ConfigError: no set of that name.
    """
    if name == BENCHMARK:
        return (benchmark_template,)
    if "{}" in name:
        return (name,)
    if name == "imagenet_select+benchmark":  # what CoOp's ZeroshotCLIP2 uses off ImageNet
        return (*TEMPLATE_SETS["imagenet_select"], benchmark_template)
    if name in _IMAGENET:
        chosen = open_clip.OPENAI_IMAGENET_TEMPLATES[: _IMAGENET[name]]
        return tuple(template("{}") for template in chosen)
    if name not in TEMPLATE_SETS:
        names = ", ".join([BENCHMARK, "imagenet_select+benchmark", *TEMPLATE_SETS, *_IMAGENET])
        raise ConfigError(
            f"prompt.templates: unknown set {name!r}; allowed: {names}, or a text with {{}} for "
            "the name"
        )
    return TEMPLATE_SETS[name]


def readable(class_name: str) -> str:
    """Return a class name as it stands in a prompt: underscores are spaces."""
    return class_name.replace("_", " ")


def named(template: str, class_name: str) -> str:
    """Return the text of a class."""
    return template.format(readable(class_name))
