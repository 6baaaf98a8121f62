"""Write the model card: metadata that the hub reads, and what people want to know."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from huggingface_hub import EvalResult, ModelCardData

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip.pretrained import tag_config
from vlprompt_pipeline.publishing.licences import Licences
from vlprompt_pipeline.registry.classifier import INCLUDED
from vlprompt_pipeline.templates import templates_of
from vlprompt_pipeline.wording import human_bytes, readable, shots_text

if TYPE_CHECKING:
    from vlprompt_pipeline.publishing.folder import Publication

_SHOWN = 20  # class names in the card
_HASHES = ("split_sha256", "few_shot_sha256")
_SCORES = {
    "accuracy": "accuracy, %",
    "base": "accuracy on base classes, %",
    "new": "accuracy on new classes, %",
    "H": "harmonic mean of base and new, %",
}


def model_card(
    publication: Publication, licences: Licences, repository: str, on_open_clip: bool
) -> str:
    """Write README.md.

    Args:
        publication: what is published.
        licences: of CLIP, images and prompt.
        repository: of the hub.
        on_open_clip: whether the folder has the example that needs open_clip alone.
    """
    model, tags = publication.classifier, publication.tags
    card = model.card
    recipe = card.resolved_recipe()
    names = card.class_names
    text = (
        templates_of("publishing")
        .get_template("README.md.j2")
        .render(
            title=recipe.title,
            name=publication.name,
            version=publication.version,
            repository=repository,
            dataset=tags.get("dataset", "its dataset"),
            cell=_cell(tags),
            scores={_SCORES[key]: value for key, value in _scores(tags).items()},
            hashes={
                readable(key.removesuffix("_sha256")): tags[key] for key in _HASHES if key in tags
            },
            packed=human_bytes(len(model.packed)),
            packed_sha256=hashlib.sha256(model.packed).hexdigest(),
            classes=names[:_SHOWN],
            more=max(0, len(names) - _SHOWN),
            bound=recipe.bound_to_classes,
            decoding=card.decoding,
            rejection=model.rejection,
            clip_name=card.clip_name,
            clip_sha256=card.weights_sha256,
            clip_source=publication.clip_source,
            included=publication.clip_source == INCLUDED,
            commit=tags.get("git_commit"),
            licences=licences,
            on_open_clip=on_open_clip,
            release=__version__,
        )
    )
    return f"---\n{_metadata(publication, licences)}\n---\n\n{text}"


def base_model(clip_source: str) -> str | None:
    """Return the repository of the hub that a CLIP comes from, or none."""
    if clip_source.startswith("hf-hub:"):
        return clip_source.removeprefix("hf-hub:")
    if clip_source.startswith("open_clip:"):
        *_, entry = tag_config(*clip_source.split(":")[1:])
        return entry.get("hf_hub", "").rpartition("/")[0] or None
    return None


def _metadata(publication: Publication, licences: Licences) -> str:
    tags = publication.tags
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=tags.get("dataset", publication.name),
            dataset_name=f"{tags.get('dataset', publication.name)} ({_cell(tags)})",
            dataset_split="test",
            metric_type="accuracy" if key != "H" else "harmonic_mean",
            metric_name=_SCORES[key],
            metric_value=float(value),
        )
        for key, value in _scores(tags).items()
    ]
    data = ModelCardData(
        license=licences.prompt,
        base_model=base_model(publication.clip_source),
        base_model_relation="adapter" if base_model(publication.clip_source) else None,
        library_name="open_clip",
        pipeline_tag="image-classification",
        tags=["clip", "prompt-learning", "few-shot", "vlprompt_pipeline", tags.get("method", "")],
        model_name=publication.name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _scores(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in _SCORES if key in tags}


def _cell(tags: Mapping[str, str]) -> str:
    parts = [readable(tags["protocol"])] if "protocol" in tags else []
    parts += [shots_text(int(tags["shots"]))] if "shots" in tags else []
    parts += [f"seed {tags['seed']}"] if "seed" in tags else []
    return ", ".join(parts)
