"""What identifies a CLIP: its weights, model configuration, preprocessing and tokenizer.

The same weights give other features under another activation, mean or vocabulary. So what is made
with a CLIP stores all four parts, which are compared when it is used.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.filesystem.files import sha256_file

logger = logging.getLogger(__name__)

_NAMES = {"model": "model configuration"}  # of parts, where it is not that of the attribute


@dataclass(frozen=True)
class ClipIdentity:
    """SHA-256 in hex of each part; an empty text where a part is not known.

    Attributes:
        weights: of the weights file.
        model: of the model configuration, see `describe_model`.
        preprocessing: of size, mean, standard deviation and what else an image passes through.
        tokenizer: of the vocabulary and of how text is cut into it.
    """

    weights: str
    model: str = ""
    preprocessing: str = ""
    tokenizer: str = ""

    @classmethod
    def of(
        cls,
        weights_sha256: str,
        model_config: Mapping[str, Any],
        preprocessing: Any,
        tokenizer: str,
    ) -> ClipIdentity:
        """Return the identity of a CLIP with all parts known.

        Args:
            weights_sha256: of the weights file.
            model_config: `model_cfg` of open_clip's configuration.
            preprocessing: a dataclass; fields that have their default are left out, so that one
                which is added later changes no identity.
            tokenizer: text that tells it from any other tokenizer, its vocabulary included.
        """
        return cls(
            weights_sha256,
            _sha256(describe_model(model_config)),
            _sha256(_without_defaults(asdict(preprocessing), type(preprocessing))),
            _sha256(tokenizer),
        )

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ClipIdentity:
        """Read a stored header: `clip_identity`, or in older files `weights_sha256` alone."""
        return cls(**stored.get("clip_identity", {"weights": stored["weights_sha256"]}))

    @property
    def digest(self) -> str:
        """SHA-256 over all parts: equal for equal CLIPs, and for nothing else."""
        return _sha256(asdict(self))

    @property
    def number(self) -> int:
        """First 32 bits of the digest as a signed integer, the first byte counting most."""
        return int.from_bytes(bytes.fromhex(self.digest)[:4], "big", signed=True)

    def to_dict(self) -> dict[str, str]:
        """Return a mapping for JSON; `read` takes it under the key `clip_identity`."""
        return asdict(self)

    def difference(self, other: ClipIdentity) -> str:
        """Say what differs among the parts that both know, as "the weights 0123… and not 4567…"."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            if mine and theirs and mine != theirs:
                return f"the {_NAMES.get(part.name, part.name)} {mine[:16]}… and not {theirs[:16]}…"
        return ""

    def warn_if_partial(self, what: str) -> None:
        """Warn that `what` is from before CLIPs were identified by more than their weights."""
        missing = [_NAMES.get(name, name) for name, value in asdict(self).items() if not value]
        if missing:
            logger.warning(
                "%s does not say which %s it was made with: of its CLIP only the rest is checked; "
                "make it again to have all of it checked",
                what,
                ", ".join(missing),
            )


def describe_model(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model configuration without the values that open_clip would take anyway."""
    towers = {
        "vision_cfg": open_clip.model.CLIPVisionCfg,
        "text_cfg": open_clip.model.CLIPTextCfg,
    }
    described = dict(config)
    for key, tower in towers.items():
        if isinstance(described.get(key), Mapping):
            described[key] = _without_defaults(described[key], tower)
    return _without_defaults(described, open_clip.CLIP)


def describe_bpe_tokenizer() -> str:
    """Return text that tells CLIP's own tokenizer: its name and its vocabulary's SHA-256."""
    return f"open_clip.SimpleTokenizer {sha256_file(open_clip.tokenizer.default_bpe())}"


def _without_defaults(values: Mapping[str, Any], made_by: type) -> dict[str, Any]:
    parameters = inspect.signature(made_by).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    return {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=list).encode()).hexdigest()
