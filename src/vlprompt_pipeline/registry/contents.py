"""Gather what goes into a version from the files of a finished method."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.loading import copy_clip
from vlprompt_pipeline.export import ClassifierWeights, load_learner
from vlprompt_pipeline.images import Decoding
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.classifier import INCLUDED, Classifier
from vlprompt_pipeline.registry.integrity import CLIP_FOLDER
from vlprompt_pipeline.rejection import Rejection
from vlprompt_pipeline.results.records import CellRecord, MethodResult

_FILES = {
    "card": "card.json",
    "prompt": "prompt.vlp",
    "head": "classifier_weights.safetensors",
    "rejection": "rejection.json",
    "evidence": "evidence.parquet",
}


@dataclass(frozen=True)
class Contents:
    """Hold a packed prompt with all that is needed to classify with it, and to compare it.

    Attributes:
        card: how to use it.
        packed: the packed prompt.
        head: text features of the card's classes, where the method has any.
        evidence: the Parquet file of `evidence_of`.
        clip_source: where its CLIP comes from, or `included`.
        record: the results of its cell, this method alone.
        rejection: how it says "none of these", if it does.
    """

    card: ModelCard
    packed: bytes
    head: ClassifierWeights | None
    evidence: bytes
    clip_source: str
    record: CellRecord
    rejection: Rejection | None = None

    @property
    def name(self) -> str:
        """Return the name of the registered model, `<dataset>.<method>`."""
        return f"{self.record.cell.dataset}.{self.result.method}"

    @property
    def result(self) -> MethodResult:
        """Return scores and sizes."""
        return self.record.methods[0]

    def write(self, folder: Path, original: str) -> dict[str, str]:
        """Write the files, an included CLIP copied from `original`; return their paths by name.

        Raises:
            WeightsError: the CLIP is no longer there.
        """
        content = {
            "card": self.card.to_json().encode(),
            "prompt": self.packed,
            "evidence": self.evidence,
        }
        if self.head:
            content["head"] = self.head.to_bytes()
        if self.rejection:
            content["rejection"] = self.rejection.to_json().encode()
        for name, data in content.items():
            (folder / _FILES[name]).write_bytes(data)
        files = {name: str(folder / _FILES[name]) for name in content}
        if self.clip_source == INCLUDED:
            copy_clip(original, folder / CLIP_FOLDER)
            files[CLIP_FOLDER] = str(folder / CLIP_FOLDER)
        return files

    def digest(self, *further: str) -> str:
        """Hash everything that makes up a version: equal contents need no second version."""
        digest = hashlib.sha256(self.card.to_json().encode())
        rejection = self.rejection.to_json() if self.rejection else ""
        for part in (self.packed, self.evidence, self.clip_source.encode(), rejection.encode()):
            digest.update(hashlib.sha256(part).digest())
        for text in further:
            digest.update(f"{text}\n".encode())
        return digest.hexdigest()


def classifier_of(
    prompt: TrainedPrompt,
    packed: bytes,
    clip: FrozenClip,
    class_names: tuple[str, ...],
    template: str,
    decoding: Decoding,
) -> Classifier:
    """Put a packed prompt to use as a version of it will be, without a rejection.

    A method that is bound to the classes of training keeps those instead of `class_names`.

    Raises:
        PromptFileError: prompt, packed prompt and CLIP do not belong together.
    """
    recipe = prompt.resolved_recipe()
    names = prompt.classes.names if recipe.bound_to_classes else class_names
    card = ModelCard(
        recipe=prompt.recipe,
        class_names=names,
        template=template,
        decoding=decoding,
        weights_sha256=clip.weights_sha256,
        clip_identity=clip.identity.to_dict(),
        clip_name=clip.name,
    )
    learner = load_learner(packed, recipe, clip, ClassTexts(names, template))
    return Classifier(card, clip, packed, ClassifierWeights.of(learner, recipe.title))
