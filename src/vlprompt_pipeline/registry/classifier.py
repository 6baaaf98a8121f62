"""Classify image files with a packaged prompt, without MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.clip import EvaluationView, FrozenClip, ImageEncoder, load_clip
from vlprompt_pipeline.clip.same_texts import same_tokens
from vlprompt_pipeline.errors import ConfigError, DataError, WeightsError
from vlprompt_pipeline.export import ClassifierWeights, load_learner
from vlprompt_pipeline.methods import ClassTexts, PromptLearner
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.image_bytes import image_bytes
from vlprompt_pipeline.registry.limits import RequestLimits
from vlprompt_pipeline.registry.ranking import ranked_table, top_table
from vlprompt_pipeline.rejection import Rejection, rejection_for_accuracy

INCLUDED = "included"  # the source of a CLIP that lies beside the prompt
FILES = {
    "card": "card.json",
    "prompt": "prompt.vlp",
    "head": "classifier_weights.safetensors",
    "rejection": "rejection.json",
}
"""Names of the files of a classifier but its CLIP, by what they hold."""

_ELSEWHERE = (
    "name where the prompt's CLIP lies with vlprompt's --clip or MLflow's model_config clip_source"
)
TOP = 5
BATCH = 64  # images in the tower at once: our choice
_LOG_ZERO = -1e4  # of a probability that is zero in single precision
_CLASS_SETS = 8  # lists of class names whose text features are kept: our choice


class Classifier:
    """Classify images as the prompt was evaluated: same file, same CLIP, same view of an image.

    Attributes:
        card: how to use the prompt.
        clip: the frozen CLIP.
        packed: the packed prompt, as it lies in the file.
        head: text features of the card's classes, where the method has any.
        rejection: how it says "none of these", if it does.
        view: from an image file to pixels.
        image_side: from pixels to features: the frozen tower, or one with prompts in it.

    Example:
        >>> from PIL import Image
        >>> from vlprompt_pipeline.export import pack, pack_learner
        >>> from vlprompt_pipeline.methods import build_learner, resolve_recipe
        >>> values = {"method": "zero_shot", "title": "CLIP", "prompt": {"templates": "benchmark"}}
        >>> recipe = resolve_recipe("zero_shot", {"zero_shot": values})
        >>> clip, names, template = load_clip("embedded"), ("cat", "dog"), "a photo of a {}."
        >>> learner = build_learner(recipe, clip, ClassTexts(names, template), seed=1)
        >>> card = ModelCard(
        ...     recipe=recipe.model_dump(mode="json"),
        ...     class_names=names,
        ...     template=template,
        ...     decoding="as_seen",
        ...     weights_sha256=clip.weights_sha256,
        ...     clip_identity=clip.identity.to_dict(),
        ...     clip_name=clip.name,
        ... )
        >>> classifier = Classifier(card, clip, pack(pack_learner(learner, recipe)))
        >>> picture = BytesIO()
        >>> Image.new("RGB", (40, 30), "red").save(picture, "PNG")
        >>> classifier.classify([picture.getvalue()]).columns.tolist()
        ['label', 'score', 'top_labels', 'top_scores', 'problem']
    """

    def __init__(
        self,
        card: ModelCard,
        clip: FrozenClip,
        packed: bytes,
        head: ClassifierWeights | None = None,
        rejection: Rejection | None = None,
    ) -> None:
        """Raise WeightsError for another CLIP than that of the card, PromptFileError as export."""
        if difference := clip.identity.difference(card.clip):
            raise WeightsError(
                f"the prompt belongs to another CLIP ({card.clip_name}): "
                f"{clip.source or clip.name} has {difference}; {_ELSEWHERE}"
            )
        card.clip.warn_if_partial("the card of the registered model")
        self.card, self.clip, self.packed, self.head = card, clip, packed, head
        self._recipe, self.rejection = card.resolved_recipe(), rejection
        self.view = EvaluationView(clip.preprocessing, card.decoding)
        self._learner = lru_cache(_CLASS_SETS)(self._make_learner)
        # text features of a head are there already, and only its image side is needed
        self.image_side: ImageEncoder = (
            clip if head else self._learner(card.class_names).image_side()
        )

    @classmethod
    def load(cls, files: Mapping[str, str], clip_source: str, device: str) -> Classifier:
        """Load a classifier from the files of a package: `card`, `prompt`, `head`, `rejection`.

        Args:
            files: paths by name; not every package has the last two.
            clip_source: as `clip.source`, or `included` for the folder `clip` among the files.
            device: as of `load_clip`.

        Raises:
            UserError: a file or the CLIP is absent, broken or not the one expected.
        """
        card = ModelCard.load(Path(files["card"]))
        source = f"local-dir:{files['clip']}" if clip_source == INCLUDED else clip_source
        try:
            clip = load_clip(source, card.clip_name, device)
        except WeightsError as error:
            raise WeightsError(f"{error}; {_ELSEWHERE}") from error
        head = ClassifierWeights.load(Path(files["head"])) if "head" in files else None
        rejection = Rejection.load(Path(files["rejection"])) if "rejection" in files else None
        return cls(card, clip, Path(files["prompt"]).read_bytes(), head, rejection)

    def write(self, folder: Path) -> dict[str, str]:
        """Write the files of `load` but the CLIP; return their paths by name."""
        content = {"card": self.card.to_json().encode(), "prompt": self.packed}
        if self.head:
            content["head"] = self.head.to_bytes()
        if self.rejection:
            content["rejection"] = self.rejection.to_json().encode()
        for name, data in content.items():
            (folder / FILES[name]).write_bytes(data)
        return {name: str(folder / FILES[name]) for name in content}

    def names(self, given: Sequence[str]) -> tuple[str, ...]:
        """Return the classes to tell apart: those given, or those of the card if none are.

        Raises:
            ConfigError: names that cannot be, or that are one text to the CLIP.
        """
        names = self.card.names(given)
        if names != self.card.class_names:
            for same in same_tokens(self.clip.tokenizer, names, self.card.template):
                raise ConfigError(
                    f"class_names holds {' and '.join(map(repr, same))}, which are the same text "
                    f"to CLIP {self.clip.name}: give each class once"
                )
        return names

    def pixels(self, image: object, limits: RequestLimits | None = None) -> Tensor:
        """Prepare an encoded image, as `image_bytes` takes it, as `[3, size, size]`.

        Raises:
            DataError: it is no image, or larger than the limits allow.
        """
        content = image_bytes(image)
        if limits:
            limits.require_image(content)
        return self.view.of(BytesIO(content))

    def classify(
        self,
        images: Sequence[object],
        class_names: Sequence[str] = (),
        top: int = TOP,
        limits: RequestLimits | None = None,
        accuracy: float | None = None,
    ) -> pd.DataFrame:
        """Classify images; return a row each of `label`, `score`, `top_labels` and `top_scores`.

        The best label is first. With a rejection, and among the classes of the card, `label` is
        "none" for an image that is none of them (`rejection.NONE`), and scores have the calibrated
        temperature; conformal sets are in the column `label_set`. A file that is no image has none
        of these, and a sentence in the column `problem`; the others are classified.

        Args:
            images: encoded, as `pixels` takes them.
            class_names: to tell apart instead of those of the card; any, unless the prompt is bound
                to the classes of training.
            top: how many labels; all where there are fewer.
            limits: on each image, where they come from strangers.
            accuracy: wanted among the images that are given a label; none for the threshold that
                the model has.

        Raises:
            ConfigError: class names that cannot be, `top` below 1, or an accuracy that no threshold
                of the model has.
        """
        names = self.names(class_names)
        if top < 1:
            raise ConfigError(f"top_k is {top}: ask for 1 or more labels")
        rejection = self.rejection if self.rejects(names) else None
        if accuracy is not None:
            rejection = rejection_for_accuracy(rejection, accuracy, "the model")
        problems: list[str | None] = [None] * len(images)
        rows: list[pd.DataFrame] = []
        for start in range(0, len(images), BATCH):
            batch, numbers = [], []
            for number, image in enumerate(images[start : start + BATCH], start):
                try:
                    batch.append(self.pixels(image, limits))
                    numbers.append(number)
                except DataError as error:
                    problems[number] = str(error)
            if batch:
                logits = self.logits_of_pixels(torch.stack(batch), names)
                table = ranked_table(logits, names, top, rejection)
                rows.append(table.set_index(pd.Index(numbers)))
        table = pd.concat(rows) if rows else top_table((), (), ())
        table = table.reindex(range(len(images)))
        for column in {"top_labels", "top_scores", "label_set"} & set(table):
            table[column] = [value if isinstance(value, list) else [] for value in table[column]]
        table["label"] = table["label"].astype("object").where(table["label"].notna(), None)
        return table.assign(problem=pd.Series(problems, dtype="object"))

    @torch.no_grad()
    def logits_of_pixels(self, pixels: Tensor, names: tuple[str, ...]) -> np.ndarray:
        """Return what a rejection decides on, of `[images, 3, size, size]`."""
        return self.logits(self.image_side.encode_images(pixels.to(self.clip.device)), names)

    @torch.no_grad()
    def logits(self, features: Tensor, class_names: Sequence[str] = ()) -> np.ndarray:
        """Return `[images, classes]` of features `[images, embed]` that `image_side` gave.

        They are log-probabilities where predictions are averaged over samples (`has_logits`).
        """
        names = tuple(class_names) or self.card.class_names
        if self.head and names == self.head.class_names:
            return self.head.logits(features.cpu()).numpy()
        learner, features = self._learner(names), features.to(self.clip.device)
        if sampled := learner.sampled(features):
            return sampled.probabilities.cpu().log().clamp(min=_LOG_ZERO).numpy()
        return learner.logits(features).cpu().numpy()

    @property
    def has_logits(self) -> bool:
        """Whether `logits` are no log-probabilities."""
        if self.head:
            return True
        return type(self._learner(self.card.class_names)).sampled is PromptLearner.sampled

    def rejects(self, class_names: Sequence[str] = ()) -> bool:
        """Tell whether an answer may be "none": thresholds hold for the classes of the card."""
        return self.rejection is not None and tuple(class_names) in ((), self.card.class_names)

    def _make_learner(self, names: tuple[str, ...]) -> PromptLearner:
        texts = ClassTexts(names, self.card.template)
        return load_learner(self.packed, self._recipe, self.clip, texts).freeze()
