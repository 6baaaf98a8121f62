"""A trained prompt: the learner's whole state, and what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vlprompt_pipeline.clip import ClipIdentity, FrozenClip
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.filesystem.tensor_files import TensorFileError, load_tensors, save_tensors
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.build import restore_learner
from vlprompt_pipeline.methods.inputs import ClassTexts
from vlprompt_pipeline.methods.recipe import Recipe, stored_recipe

_FORMAT = "vlprompt_pipeline.trained_prompt.1"


@dataclass(frozen=True)
class TrainedPrompt:
    """State of a learner after training.

    Attributes:
        recipe: the resolved recipe as plain values; `Recipe` builds from it again.
        state: `state_dict` of the learner: full-precision weights and codebooks.
        classes: names and template it was trained with.
        clip_identity: the CLIP it belongs to.
        provenance: dataset, shots, seed and hashes, as plain values.
    """

    recipe: dict[str, Any]
    state: dict[str, Tensor]
    classes: ClassTexts
    clip_identity: ClipIdentity
    provenance: dict[str, Any]

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights of that CLIP."""
        return self.clip_identity.weights

    def resolved_recipe(self) -> Recipe:
        """Return the recipe, parsed again."""
        return stored_recipe(self.recipe)

    def learner(self, clip: FrozenClip) -> PromptLearner:
        """Return the learner as it stood at the end of training.

        Raises:
            PromptFileError: it was trained on another CLIP.
        """
        require_same_clip(self.clip_identity, clip, "the trained prompt")
        return restore_learner(self.resolved_recipe(), clip, self.classes, self.state)

    def save(self, path: Path) -> None:
        """Write as safetensors, everything but tensors as JSON in its header."""
        header = {
            "format": _FORMAT,
            "recipe": self.recipe,
            "class_names": self.classes.names,
            "template": self.classes.template,
            "weights_sha256": self.weights_sha256,
            "clip_identity": self.clip_identity.to_dict(),
            "provenance": self.provenance,
        }
        save_tensors(path, self.state, "prompt", header)

    @classmethod
    def load(cls, path: Path) -> TrainedPrompt:
        """Read what `save` wrote.

        Raises:
            PromptFileError: absent, truncated or something else.
        """
        try:
            state, header = load_tensors(path, "prompt")
        except FileNotFoundError:
            raise PromptFileError(f"no prompt at {path}: run prompt_training first") from None
        except TensorFileError as error:
            raise PromptFileError(f"{error}: train again") from None
        foreign = PromptFileError(f"{path} is not a prompt of this project: train again")
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise foreign
        try:
            classes = ClassTexts(tuple(header["class_names"]), header["template"])
            identity = ClipIdentity.read(header)
            return cls(header["recipe"], state, classes, identity, header["provenance"])
        except (KeyError, TypeError):
            raise foreign from None


def require_same_clip(identity: ClipIdentity, clip: FrozenClip, what: str) -> None:
    """Refuse `what` was made with another CLIP; warn where not all of its CLIP is known.

    Raises:
        PromptFileError: naming both.
    """
    if difference := clip.identity.difference(identity):
        raise PromptFileError(
            f"{what} was made with another CLIP: {clip.name} has {difference}; "
            "load the CLIP it was trained on, or train again"
        )
    identity.warn_if_partial(what)
