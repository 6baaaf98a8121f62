"""Gather what goes into a version from the files of a finished method."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.copying import copy_clip
from vlprompt_pipeline.export import ClassifierWeights, load_learner
from vlprompt_pipeline.images import Decoding
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.classifier import INCLUDED, Classifier
from vlprompt_pipeline.registry.integrity import CLIP_FOLDER
from vlprompt_pipeline.results.records import CellRecord, MethodResult

_EVIDENCE = "evidence.parquet"


@dataclass(frozen=True)
class Contents:
    """Hold a classifier, and what it is compared with others by.

    Attributes:
        classifier: the packed prompt with all that is needed to classify with it.
        evidence: the Parquet file of `evidence_of`.
        clip_source: where its CLIP comes from, or `included`.
        record: the results of its cell, this method alone.
    """

    classifier: Classifier
    evidence: bytes
    clip_source: str
    record: CellRecord

    @property
    def name(self) -> str:
        """Return the name of the registered model, `<dataset>.<method>`."""
        return f"{self.record.cell.dataset}.{self.result.method}"

    @property
    def result(self) -> MethodResult:
        """Return scores and sizes."""
        return self.record.methods[0]

    def write(self, folder: Path) -> dict[str, str]:
        """Write the files, those of an included CLIP too; return their paths by name.

        Raises:
            WeightsError: the CLIP is no longer there.
        """
        files = self.classifier.write(folder) | {"evidence": str(folder / _EVIDENCE)}
        (folder / _EVIDENCE).write_bytes(self.evidence)
        if self.clip_source == INCLUDED:
            copy_clip(self.classifier.clip.source, folder / CLIP_FOLDER)
            files[CLIP_FOLDER] = str(folder / CLIP_FOLDER)
        return files

    def digest(self, *further: str) -> str:
        """Hash everything that makes up a version: equal contents need no second version."""
        model = self.classifier
        digest = hashlib.sha256(model.card.to_json().encode())
        rejection = model.rejection.to_json() if model.rejection else ""
        for part in (model.packed, self.evidence, self.clip_source.encode(), rejection.encode()):
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
