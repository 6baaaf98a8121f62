"""Texts of classes: templates, and sentences about each class from a file (CuPL, ICCV 2023).

A file of descriptions is JSON or YAML: `{class name: [sentence, …]}`. Class names are compared in
lower case and with spaces for underscores; classes may have different numbers of sentences. The
feature of a class is the renormalised mean of the normalised features of all its texts, templates
and sentences alike, as sarahpratt/CuPL, classify_imagenet.py. Longer sentences than the CLIP reads
are cut, as there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from typing import Any, Self
from unicodedata import category
from weakref import WeakKeyDictionary

import torch
import yaml
from pydantic import Field, field_validator, model_validator
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import named, readable, templates
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.inputs import ClassTexts
from vlprompt_pipeline.parsing import Parameters, is_none, one_place

NO_TEMPLATES = "none"
AT_ONCE = 1024  # texts: their embeddings are padded to the longest of them
MAX_TEMPLATE = 255  # bytes, as of every text in a packed prompt (`export.wire`)
_FORM = "give {class name: [sentence, …]} as JSON or YAML"


_ENCODED: WeakKeyDictionary[nn.Module, dict[Hashable, Tensor]] = WeakKeyDictionary()
"""Features by text tower and texts: a run builds a learner several times, to train, export and
evaluate it and for its file, and 80 templates of 1,000 classes take minutes on a CPU."""
_KEPT = 64
"""Sets of texts of a tower, the latest ones: each request to a server may name new classes."""


class TextParameters(Parameters):
    """Which texts stand for a class.

    Attributes:
        templates: name of a set in `clip/templates.py`; or one template, with `{}` for the name; or
            `none`, with descriptions.
        descriptions: file of sentences about each class; relative to where the run starts.
        descriptions_sha256: hash of that file, which is filled in when a recipe is read. So results
            depend on the sentences, and a changed file is noticed.
    """

    templates: str
    # left out where absent, so that recipes without them hash as before there were any
    descriptions: str | None = Field(default=None, exclude_if=is_none)
    descriptions_sha256: str | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="before")
    @classmethod
    def _remember_the_file(cls, values: Any) -> Any:
        path = values.get("descriptions") if isinstance(values, Mapping) else None
        if not isinstance(path, str) or values.get("descriptions_sha256"):
            return values
        return {**values, "descriptions_sha256": _sha256(_read(path))}

    @field_validator("templates")
    @classmethod
    def _set_or_template(cls, templates: str) -> str:
        if not {"{", "}"} & set(templates):
            return templates
        unfit = any(category(character) in ("Cc", "Cs") for character in templates)
        if unfit or len(templates.encode()) > MAX_TEMPLATE:
            raise ValueError(
                f"a template is one line of up to {MAX_TEMPLATE} bytes of UTF-8, without control "
                "characters: the packed prompt holds it"
            )
        return one_place(templates)

    @model_validator(mode="after")
    def _some_texts(self) -> Self:
        if self.templates == NO_TEMPLATES and self.descriptions is None:
            raise ValueError("templates: none goes with descriptions, give a file of them")
        return self


class HandWrittenTexts(PromptLearner):
    """A learner that has features of hand-written texts, `texts` `[classes, embed]`."""

    texts: Tensor
    settings: TextParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if templates, descriptions or names do not fit."""
        super().build(clip, generator)
        features = text_features(clip, self.classes, self.settings)
        self.register_buffer("texts", features, persistent=False)


class FixedTexts(HandWrittenTexts):
    """A learner whose class features are those of its hand-written texts."""

    contexts = ()

    def class_features(self) -> Tensor:
        """Return the features of the texts, `[classes, embed]`."""
        return self.texts


def class_texts(classes: ClassTexts, parameters: TextParameters) -> list[list[str]]:
    """Return all texts of each class, templates first.

    Raises:
        ConfigError: no template set of that name; or the file of descriptions is absent, of another
            form, changed since the recipe was stored, or lacks a class.
    """
    texts: list[list[str]] = [[] for _ in classes.names]
    if parameters.templates != NO_TEMPLATES:
        chosen = templates(parameters.templates, classes.template)
        texts = [[named(text, name) for text in chosen] for name in classes.names]
    if parameters.descriptions:
        sentences = read_descriptions(parameters.descriptions, parameters.descriptions_sha256)
        for of_class, name in zip(texts, classes.names, strict=True):
            about = sentences.get(_comparable(name))
            if not about:
                raise ConfigError(
                    f"prompt.descriptions: {parameters.descriptions} has no sentence about the "
                    f"class {name!r}; add one, under that name"
                )
            of_class.extend(about)
    return texts


def text_features(clip: FrozenClip, classes: ClassTexts, parameters: TextParameters) -> Tensor:
    """Return the normalised mean text feature of each class, `[classes, embed]`.

    Raises:
        ConfigError: as `class_texts`.
        DataError: a template with a class name is too long.
    """
    return F.normalize(mean_features(clip, classes, parameters), dim=-1)


def mean_features(
    clip: FrozenClip, classes: ClassTexts, parameters: TextParameters, *, raw: bool = False
) -> Tensor:
    """Return the mean feature of each class's texts, `[classes, embed]`, each normalised or `raw`.

    Raises:
        ConfigError: as `class_texts`.
        DataError: a template with a class name is too long.
    """
    texts = class_texts(classes, parameters)
    flat = [text for of_class in texts for text in of_class]
    clip.words.warn_unseen(flat)
    counts = [len(of_class) for of_class in texts]
    cut = parameters.descriptions is not None
    encoded = _ENCODED.setdefault(clip.text, {})
    digest = hashlib.sha256(json.dumps([flat, counts, cut, raw]).encode()).digest()
    key = (digest, clip.dtype, clip.device)
    means = encoded.get(key)
    if means is None:
        encode = clip.encode_texts_raw if raw else clip.encode_texts
        with clip.arithmetic.running():  # whoever asks first: last bits go by the threads
            parts = [encode(flat[i : i + AT_ONCE], cut=cut) for i in range(0, len(flat), AT_ONCE)]
        means = torch.stack([of_class.mean(0) for of_class in torch.cat(parts).split(counts)])
        encoded[key] = means
        for earliest in list(encoded)[:-_KEPT]:
            encoded.pop(earliest, None)
    return means.clone()


def read_descriptions(path: str, sha256: str) -> dict[str, list[str]]:
    """Return the sentences of a file by normalised class name.

    Args:
        path: of a JSON or YAML file.
        sha256: what its content must hash to.

    Raises:
        ConfigError: the file is absent, of another form, or another than it was.
    """
    data = _read(path)
    if _sha256(data) != sha256:
        raise ConfigError(
            f"prompt.descriptions: {path} has changed since the prompt was trained with it; train "
            "again, or bring the old file back"
        )
    try:
        stored = json.loads(data) if path.endswith(".json") else yaml.safe_load(data)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"prompt.descriptions: {path} cannot be read ({error}); {_FORM}"
        ) from None
    if not isinstance(stored, dict):
        raise ConfigError(f"prompt.descriptions: {path} is no mapping; {_FORM}")
    by_name: dict[str, list[str]] = {}
    for name, sentences in stored.items():
        key = _comparable(str(name))
        listed = isinstance(sentences, list) and all(isinstance(s, str) for s in sentences)
        if not listed or key in by_name:
            reason = "is there twice" if key in by_name else "has no list of sentences"
            raise ConfigError(
                f"prompt.descriptions: in {path} the class {name!r} {reason}; {_FORM}"
            )
        by_name[key] = sentences
    return by_name


def _comparable(name: str) -> str:
    return readable(name).strip().lower()


def _read(path: str) -> bytes:
    try:
        return at_home(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"prompt.descriptions: {path} cannot be read ({error.strerror}); give the path of a "
            "file {class name: [sentence, …]}"
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
