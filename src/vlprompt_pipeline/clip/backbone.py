"""The frozen CLIP as the rest of the project sees it: two towers, a tokenizer, an identity."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.identity import ClipIdentity
from vlprompt_pipeline.clip.image import ImageTower
from vlprompt_pipeline.clip.text import Prompts, TextTower
from vlprompt_pipeline.errors import DataError

logger = logging.getLogger(__name__)

START_TOKEN = 49406
END_TOKEN = 49407  # found by value, since the padding id 0 is a word too


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image before the tower; size in pixels, mean and std per channel."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"


class FrozenClip:
    """A CLIP that never changes, known by its weights and all that decides how they are read.

    Attributes:
        name: what paths and tables call it.
        identity: what features, prompts and results carry.
        embed_dim: width of the joint space; text_width: width of a prompt token.
        logit_scale: factor on cosine similarities (about 100).
        source: what `load_clip` was asked for; empty where it was built by hand.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        preprocessing: Preprocessing,
        name: str,
        identity: ClipIdentity,
        seen_tokens: frozenset[int] | None = None,
        source: str = "",
    ) -> None:
        """Freeze `model` (an open_clip `CLIP`); `seen_tokens` are the ids its training met."""
        self.model = model.eval().requires_grad_(False)
        self.text = TextTower(self.model)
        self.preprocessing = preprocessing
        self.name = name
        self.identity = identity
        self.source = source
        self.embed_dim = self.model.text_projection.shape[1]
        self.text_width = self.model.token_embedding.weight.shape[1]
        self.context_length = self.model.positional_embedding.shape[0]
        self.logit_scale = self.model.logit_scale.exp().item()
        self._tokenizer = tokenizer
        self._seen_tokens = seen_tokens
        self._warned_of: set[str] = set()

    @cached_property
    def image(self) -> ImageTower:
        """The image tower with room for prompts.

        Raises:
            ConfigError: it is no vision transformer, as that of RN50.
        """
        return ImageTower(self.model.visual, self.name)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file."""
        return self.identity.weights

    @property
    def identity_sha256(self) -> str:
        """SHA-256 of all that turns pixels and texts into features."""
        return self.identity.digest

    @property
    def device(self) -> torch.device:
        """Where both towers are."""
        return self.model.logit_scale.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision both towers compute in."""
        return self.model.token_embedding.weight.dtype

    def to(self, device: torch.device | str) -> FrozenClip:
        """Move both towers; returns self."""
        self.model.to(device)
        return self

    def computing(self, dtype: torch.dtype, memory: int | None = None) -> FrozenClip:
        """The same CLIP with towers over prompts that compute in `dtype`; it shares the weights.

        `memory` in bytes is what a pass through the text tower may keep for the gradient.
        """
        view = copy.copy(self)
        view.text = self.text.computing(dtype, memory)
        if dtype != self.dtype and "image" in vars(self):
            view.image = copy.deepcopy(self.image).to(dtype)
        return view

    def token_ids(self, text: str) -> list[int]:
        """BPE ids of a text, without start and end token."""
        return self._tokenizer.encode(text)

    def vocabulary(self) -> dict[int, str]:
        """Tokens that have an embedding of their own, by id; pieces of words end in a hyphen.

        Start and end token, and what the training of this CLIP never met, are left out.
        """
        words = {
            number: f"{piece}-".replace("</w>-", "")
            for number, piece in self._tokenizer.decoder.items()
            if number not in (START_TOKEN, END_TOKEN)
        }
        if self._seen_tokens is None:
            return words
        return {number: word for number, word in words.items() if number in self._seen_tokens}

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Token embeddings `[len(ids), text_width]`, without positions."""
        indices = torch.tensor(list(ids), dtype=torch.long, device=self.device)
        return self.model.token_embedding(indices)

    def suffixes(self, texts: Iterable[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Embeddings `[classes, longest, text_width]` of id lists, padded, and their lengths."""
        rows = [self.embed(ids) for ids in texts]
        lengths = torch.tensor([len(row) for row in rows])
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Normalised features `[len(texts), embed_dim]` of whole sentences.

        Raises:
            DataError: a text does not fit into the context.
        """
        return F.normalize(self.encode_texts_raw(texts), dim=-1)

    def encode_texts_raw(self, texts: Sequence[str]) -> Tensor:
        """As `encode_texts`, not normalised."""
        ids = [[*self.token_ids(text), END_TOKEN] for text in texts]
        for text, tokens in zip(texts, ids, strict=True):
            self.check_length(text, 1 + len(tokens))
        suffix, lengths = self.suffixes(ids)
        with torch.no_grad():
            return self.text(Prompts(self.embed([START_TOKEN])[None], suffix, lengths))[0]

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Normalised features `[images, embed_dim]` of pixels `[images, 3, size, size]`."""
        with torch.no_grad():
            features = self.model.encode_image(pixels.to(self.device, self.dtype))
        return F.normalize(features.to(torch.promote_types(features.dtype, torch.float32)), dim=-1)

    def check_length(self, text: str, tokens: int) -> None:
        """Refuse a prompt that is longer than the context.

        Raises:
            DataError: naming the text, its tokens and the limit.
        """
        if tokens > self.context_length:
            raise DataError(
                f"the prompt for {text!r} has {tokens} tokens, but {self.name} reads at most "
                f"{self.context_length}: shorten the class name or the context (prompt.length)"
            )

    def unseen_words(self, texts: Iterable[str]) -> list[str]:
        """Words holding a token the CLIP never met in training; empty where that is not known."""
        if self._seen_tokens is None:
            return []
        words = dict.fromkeys(w.strip(".,:;!?") for text in texts for w in text.lower().split())
        return [word for word in words if not self._seen_tokens.issuperset(self.token_ids(word))]

    def warn_unseen(self, texts: Iterable[str]) -> None:
        """Log a warning that names the words this CLIP never met, each once."""
        words = [word for word in self.unseen_words(texts) if word not in self._warned_of]
        if words:
            self._warned_of.update(words)
            shown = ", ".join(words[:12]) + (f" and {len(words) - 12} more" if words[12:] else "")
            logger.warning(
                "%s never saw these words and cannot tell them apart: %s", self.name, shown
            )
