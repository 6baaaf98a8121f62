"""Refuse own class names that are too long for the CLIP's texts, before any photo is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.data_folder import on_disk

if TYPE_CHECKING:
    from vlprompt_pipeline.run_parameters import RunParameters


def require_names_that_fit(
    parameters: RunParameters,
    recipes: Mapping[str, Any],
    methods: Sequence[str],
    project: Path,
    source: str,
) -> None:
    """Refuse own classes whose names alone fill a text, where a method puts them into texts.

    Whether a name fits beside the words around it, each method checks with the CLIP itself. With
    descriptions names may stand in no text. A tokenizer that a hub has is not fetched for this.

    Args:
        parameters: of the run.
        recipes: those of its situation.
        methods: names of those that run.
        project: folder of the project.
        source: of the CLIP, a relative folder with the project's before it.

    Raises:
        DataError: naming the class, its tokens and the limit.
    """
    from vlprompt_pipeline.clip.loading import load_tokenizer
    from vlprompt_pipeline.image_datasets import is_named_dataset, own_class_names
    from vlprompt_pipeline.methods import get_method, resolve_recipe
    from vlprompt_pipeline.wording import readable

    if is_named_dataset(parameters.benchmark):
        return
    resolved = [resolve_recipe(name, recipes) for name in methods]
    if not any(
        get_method(recipe.method).learner.texts_decide
        and not getattr(recipe.prompt, "descriptions", None)
        for recipe in resolved
    ):
        return
    loaded = load_tokenizer(source)
    if loaded is None:
        return
    tokenizer, most = loaded
    root = on_disk(parameters.dataset_root, project)
    for name in own_class_names(parameters.benchmark, root, parameters.own_data.class_names):
        tokens = len(tokenizer.start) + len(tokenizer.encode(readable(name))) + 1
        if tokens > most:
            raise DataError(
                f"the class name {name!r} of {parameters.benchmark} has {tokens} tokens, but "
                f"{parameters.clip.name} reads at most {most}: shorten it"
            )
