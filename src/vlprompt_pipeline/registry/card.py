"""Describe a packaged prompt in JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.config import Template
from vlprompt_pipeline.errors import ConfigError, PromptFileError, reason_of
from vlprompt_pipeline.images import Decoding
from vlprompt_pipeline.methods import Recipe, stored_recipe
from vlprompt_pipeline.parsing import Frozen, first_fault
from vlprompt_pipeline.wording import same_names


class ModelCard(Frozen):
    """All that a user of a packed prompt must know to classify with it.

    Attributes:
        recipe: resolved, as plain values.
        class_names: that it classifies among unless others are given.
        template: of the dataset, `{}` the class name.
        decoding: how image files are read, the same as when it was evaluated.
        weights_sha256: of the CLIP it belongs to; clip_identity: all that this one is known by,
            none in cards of before.
        clip_name: what that CLIP is called.
    """

    recipe: dict[str, Any]
    class_names: tuple[str, ...] = Field(min_length=1)
    template: Template
    decoding: Decoding
    weights_sha256: str
    clip_identity: dict[str, str] | None = None
    clip_name: str

    @property
    def clip(self) -> ClipIdentity:
        """Return the identity of the CLIP it belongs to, as far as the card says."""
        return ClipIdentity(**(self.clip_identity or {"weights": self.weights_sha256}))

    def resolved_recipe(self) -> Recipe:
        """Return the recipe, parsed again."""
        return stored_recipe(self.recipe)

    def names(self, given: Sequence[str]) -> tuple[str, ...]:
        """Return the classes to tell apart: those given, or its own if none are.

        Raises:
            ConfigError: names that cannot be.
        """
        names = tuple(given) or self.class_names
        for number, name in enumerate(names):
            if not isinstance(name, str) or not name.strip():
                raise ConfigError(f"class_names[{number}] is {name!r}: give a name in words")
        if twice := same_names(tuple(given)):
            raise ConfigError(
                f"class_names holds {' and '.join(map(repr, twice))}, which read the same: give "
                "each class once"
            )
        if names != self.class_names and (recipe := self.resolved_recipe()).bound_to_classes:
            raise ConfigError(
                f"class_names: {recipe.title} serves the {len(self.class_names)} classes of its "
                "training only; leave class_names away, or use a method that learns a prompt"
            )
        return names

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1)

    @classmethod
    def load(cls, path: Path) -> ModelCard:
        """Read the file of `to_json`.

        Raises:
            PromptFileError: absent, or no such card.
        """
        try:
            card = cls.model_validate_json(path.read_text(encoding="utf-8"))
            _ = card.clip  # a TypeError for a part that no CLIP is known by
            return card
        except (OSError, TypeError, UnicodeDecodeError, ValidationError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else reason_of(error)
            raise PromptFileError(
                f"{path} is no card of a packaged prompt ({reason}): register it again"
            ) from None
