"""Leave methods out that tell classes by names that a CLIP cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.filesystem.data_folder import on_disk

if TYPE_CHECKING:
    from vlprompt_pipeline.run_parameters import RunParameters

EMBEDDED = "embedded"
_SHOWN = 3  # classes of a group that are named
_RENAME = (
    "Give these classes different names (own_data.class_names), or put their photos into one class"
)
_REAL_WEIGHTS = "Take real weights, those of --env=photos or another clip.source"


class Scored(NamedTuple):
    """The methods of a run that can be scored, and what is to be said of the others."""

    methods: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def methods_to_score(
    parameters: RunParameters,
    recipes: Mapping[str, Any],
    methods: Sequence[str],
    project: Path,
) -> Scored:
    """Leave out what tells classes apart by their texts, where the texts of own classes coincide.

    Raises:
        ConfigError: no method is left.
    """
    from vlprompt_pipeline.image_datasets import is_named_dataset, own_class_names
    from vlprompt_pipeline.methods import get_method, resolve_recipe
    from vlprompt_pipeline.results.remarks import TEXTS_COINCIDE

    if is_named_dataset(parameters.benchmark):
        return Scored(tuple(methods))
    own_data = parameters.own_data
    root = on_disk(parameters.dataset_root, project)
    names = own_class_names(parameters.benchmark, root, own_data.class_names)
    by_text = {
        name: get_method(resolve_recipe(name, recipes).method).learner.texts_decide
        for name in methods
    }
    if not any(by_text.values()):
        return Scored(tuple(methods))
    source = parameters.clip.source
    groups = _same_texts(source, names, own_data.template, project)
    if not groups:
        return Scored(tuple(methods))
    kept = tuple(name for name in methods if not by_text[name])
    alike = sum(map(len, groups))
    clip, remedy = f"CLIP {parameters.clip.name}", _RENAME
    if source == EMBEDDED:
        clip = "the embedded CLIP, which has seen no photograph and knows 277 words"
        remedy = _REAL_WEIGHTS
    warning = (
        f"{TEXTS_COINCIDE} {alike} of the {len(names)} classes of {parameters.benchmark} have the "
        f"same text as another one to {clip} ({'; '.join(map(_listed, groups))})"
    )
    if not kept:
        raise ConfigError(
            f"{warning}: methods that tell classes by their names ({', '.join(methods)}) cannot be "
            f"scored. {remedy}, or methods that learn from images alone, such as "
            "--params=methods=linear_probe+tip_adapter_f"
        )
    left_out = [name for name in methods if by_text[name]]
    return Scored(
        kept,
        (
            f"{warning}. {', '.join(left_out)} tell classes by their names and are not scored; "
            f"{', '.join(kept)} learn them from images." + f" {_RENAME}." * (source != EMBEDDED),
        ),
    )


def _same_texts(
    source: str, names: Sequence[str], template: str, project: Path
) -> list[tuple[str, ...]]:
    """Group the classes that a CLIP cannot tell apart; none where it cannot be looked at.

    The embedded CLIP gives all words that it does not know one feature; to others names are the
    same only if their tokens are.
    """
    from vlprompt_pipeline.clip import load_clip
    from vlprompt_pipeline.clip.loading import load_tokenizer
    from vlprompt_pipeline.clip.same_texts import same_texts, same_tokens

    if source == EMBEDDED:
        return same_texts(load_clip(EMBEDDED, device="cpu"), names, template)
    kind, _, folder = source.partition(":")
    if kind == "local-dir":
        source = f"local-dir:{on_disk(folder, project)}"
    try:
        tokenizer = load_tokenizer(source)
    except UserError:  # what needs the CLIP refuses it before it runs, and not all runs need one
        return []
    return same_tokens(tokenizer, names, template)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return " = ".join(names[:_SHOWN]) + more
