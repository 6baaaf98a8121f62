"""A folder that `vlprompt export` wrote, computed with onnxruntime; torch is not needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from vlprompt_pipeline.errors import ConfigError, UserError, reason_of
from vlprompt_pipeline.filesystem.files import read_hashes, sha256_file
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.lazy import require_extra
from vlprompt_pipeline.rejection import Rejection
from vlprompt_pipeline.shipping.layout import (
    FORMAT,
    GRAPH,
    HASHES,
    REJECTION,
    TEXT_GRAPH,
    TOKENIZER,
)
from vlprompt_pipeline.shipping.pixels import Preparation
from vlprompt_pipeline.wording import same_names

_DESCRIPTIONS = ("model", "labels", "preprocessing")


class ExportedModel(ImageModel):
    """An exported or published folder; see `ImageModel`."""

    block = 32  # as registered models have on a CPU

    def __init__(self, folder: Path, class_names: Sequence[str] = ()) -> None:
        """Open the graph in single precision.

        Raises:
            UserError: the folder is no export, a file was changed, or a library is missing.
            ConfigError: the model cannot have these classes.
        """
        self.folder = folder
        described = _read(folder, "model")
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise UserError(f"{folder} is no export of this version: export the model again")
        self._described = described
        try:
            self._hashes = read_hashes(folder / HASHES)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{folder} has no {HASHES} ({error}): export it again") from None
        for name in _DESCRIPTIONS:
            self._require_unchanged(f"{name}.json")
        try:
            self._scale = float(described["logit_scale"])
            self.name = described.get("name") or described["title"]
            self.version = described.get("version") or sha256_file(folder / "prompt.vlp")[:12]
            self._preparation = Preparation.of(_read(folder, "preprocessing"))
            self._labels = tuple(_read(folder, "labels"))
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise _contradiction(folder, error) from None
        self.pixel_shape = (3, self._preparation.height, self._preparation.width)
        self._session = self._open(f"onnx/{GRAPH}.onnx")
        shapes = [
            node.shape[1:] for node in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        if shapes[:2] != [list(self.pixel_shape), [len(self._labels)]]:
            raise _contradiction(folder, f"its graph has {shapes[:2]}")
        self._text_side = cache(self._open_text_side)  # once for all copies, see with_classes
        self._set_classes(class_names)

    def pixels(self, source: bytes) -> np.ndarray:
        """Prepare an image as it was evaluated."""
        return self._preparation.pixels(BytesIO(source))

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Compute the graph; other classes have text features of their own."""
        if self._texts is None:
            return self._session.run(["logits"], {"pixel_values": pixels})[0]
        (features,) = self._session.run(["image_embeds"], {"pixel_values": pixels})
        return self._scale * features @ self._texts.T

    def with_classes(self, class_names: Sequence[str]) -> ExportedModel:
        """Return the same model, its graphs shared, for other classes."""
        other = copy(self)
        other._set_classes(class_names)
        return other

    def _set_classes(self, class_names: Sequence[str]) -> None:
        self.class_names = _checked(tuple(class_names), self._labels)
        keeps_labels = self.class_names == self._labels
        self._texts = None if keeps_labels else self._text_features()
        self.rejection = self._read_rejection() if keeps_labels else None

    def _text_features(self) -> np.ndarray:
        """Compute features of other class names, `[classes, embed]`, with the text graph."""
        how = self._described.get("text")
        if not how:
            raise ConfigError(
                f"{self.name} tells apart its own {len(self._labels)} labels only: give no class "
                "names, or export a method that takes any"
            )
        session, tokenizer = self._text_side()
        rows, first = [], {}
        for name in self.class_names:
            texts = [text.replace("{}", name.replace("_", " ")) for text in how["texts"]]
            encoded = [tokenizer.encode(text) for text in texts]
            if any(each.overflowing for each in encoded):
                raise ConfigError(
                    f"the class {name!r} is longer than the {how['tokens']} tokens that "
                    f"{self.name} reads: give it a shorter name"
                )
            ids = np.array([each.ids for each in encoded], np.int64)
            if (same := first.setdefault(ids.tobytes(), name)) != name:
                raise ConfigError(
                    f"{same!r} and {name!r} are the same text to {self.name}: give each class once"
                )
            (features,) = session.run(["text_embeds"], {"input_ids": ids})
            mean = features.mean(0)
            rows.append(mean / np.linalg.norm(mean))
        return np.stack(rows).astype(np.float32)

    def _read_rejection(self) -> Rejection | None:
        if not self._described.get("rejection"):
            return None
        self._require_unchanged(REJECTION)
        return Rejection.load(self.folder / REJECTION)

    def _open_text_side(self) -> tuple[Any, Any]:
        """Open the text graph and its tokenizer."""
        from tokenizers import Tokenizer

        if not (self.folder / TOKENIZER).is_file():
            raise ConfigError(
                f"{self.name} was exported without {TOKENIZER}, and so knows no other classes: "
                "give no class names"
            )
        self._require_unchanged(TOKENIZER)
        return self._open(TEXT_GRAPH), Tokenizer.from_file(str(self.folder / TOKENIZER))

    def _open(self, name: str) -> Any:
        require_extra("onnx", "an exported model", "onnxruntime")
        import onnxruntime

        self._require_unchanged(name)
        options = onnxruntime.SessionOptions()
        # threads that wait by spinning would take the cores from those that decode
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                self.folder / name, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of onnxruntime, which has a kind for each cause
            raise _contradiction(self.folder, reason_of(error)) from None

    def _require_unchanged(self, name: str) -> None:
        if not (self.folder / name).is_file():
            raise UserError(f"{self.folder / name} is not there: export the model again")
        if self._hashes.get(name) != sha256_file(self.folder / name):
            raise UserError(
                f"{self.folder / name} is not as it was exported ({HASHES}): export it again"
            )


def _read(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} is no exported model ({name}.json: {error}): name a folder that "
            "vlprompt export or publish wrote"
        ) from None


def _contradiction(folder: Path, reason: object) -> UserError:
    return UserError(f"{folder} holds files that do not go together ({reason}): export it again")


def _checked(names: tuple[str, ...], labels: tuple[str, ...]) -> tuple[str, ...]:
    if not all(name.strip() for name in names):
        raise ConfigError("a class has no name: separate names by single commas")
    if twice := same_names(names):
        raise ConfigError(f"{' and '.join(map(repr, twice))} read the same: give each class once")
    return names or labels
