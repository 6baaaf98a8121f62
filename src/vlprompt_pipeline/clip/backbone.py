"""The frozen CLIP as the rest of the project sees it: two towers, a tokenizer, an identity."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.arithmetic import (
    DTYPES,
    Arithmetic,
    Threads,
    resolve_precision,
    resolve_threads,
)
from vlprompt_pipeline.clip.blocks import in_single, rounded
from vlprompt_pipeline.clip.identity import ClipIdentity
from vlprompt_pipeline.clip.image import ImageTower
from vlprompt_pipeline.clip.known_words import KnownWords
from vlprompt_pipeline.clip.packing import SuffixLengths
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.clip.text_base import Prompts
from vlprompt_pipeline.clip.timm_image import TimmImageTower
from vlprompt_pipeline.clip.tokenizers import Tokenizer
from vlprompt_pipeline.clip.towers import image_tower, text_tower
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.precision import Precision, PrecisionSetting


class FrozenClip:
    """A CLIP that never changes, known by its weights and all that decides how they are read.

    Attributes:
        name: what paths and tables call it.
        identity: what features, prompts and results carry.
        tokenizer: its own, with the ids that stand around every text.
        embed_dim: width of the joint space; text_width: width of a prompt token.
        context_length: tokens that a prompt has room for.
        logit_scale: factor on cosine similarities (about 100).
        logit_bias: what sigmoid models (SigLIP) add to scaled similarities, 0 for others. The
            methods compare classes by a softmax, which it cannot change.
        words: which ones its training has met.
        threads: that PyTorch computes with on a CPU.
        precision: of the image tower where it makes features, and of training by default.
        source: what `load_clip` was given; empty where the model was built by hand.

    Example:
        >>> from vlprompt_pipeline.clip import load_clip
        >>> clip = load_clip("embedded")
        >>> features = clip.encode_texts(["a photo of a cat.", "a photo of a dog."])
        >>> features.shape == (2, clip.embed_dim)
        True
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        preprocessing: Preprocessing,
        name: str,
        identity: ClipIdentity,
        seen_tokens: frozenset[int] | None = None,
        source: str = "",
        threads: Threads = "auto",
        precision: PrecisionSetting = "auto",
    ) -> None:
        """Freeze `model`, an open_clip `CLIP` or `CustomTextCLIP`.

        `seen_tokens` are the ids its training met, where that is known. `threads` are those that
        PyTorch computes with; `auto` goes by the size of the towers, that of `precision` by the
        device.
        """
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.text = text_tower(self.model, tokenizer)
        self.preprocessing = preprocessing
        self.name = name
        self.identity = identity
        self.source = source
        self._embedding = getattr(self.model, "text", self.model).token_embedding
        self.embed_dim = self.text.embed_dim
        self.text_width = self._embedding.weight.shape[1]
        self.context_length = self.text.positions.shape[0]
        self.logit_scale = self.model.logit_scale.exp().item()
        bias = self.model.logit_bias
        self.logit_bias = 0.0 if bias is None else bias.item()
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        of_tokens = self._embedding.weight.numel()  # this table is only looked up
        self.threads = resolve_threads(threads, parameters - of_tokens)
        self.precision: PrecisionSetting = precision
        self.words = KnownWords(tokenizer, seen_tokens, name)

    @cached_property
    def image(self) -> ImageTower | TimmImageTower:
        """The image tower with room for prompts.

        Raises:
            ConfigError: it is no plain vision transformer, as that of RN50.
        """
        return image_tower(self.model.visual, self.name)

    def require_attention_weights(self) -> None:
        """Refuse a method that changes the attention of both towers where that cannot be done.

        Raises:
            ConfigError: naming the kind of the tower, and methods that work.
        """
        for kind, tower in (("image", self.image), ("text", self.text)):
            if not tower.has_attention_weights:
                raise ConfigError(
                    f"method: it needs {kind} attention, but the blocks of {self.name} have "
                    "options (qk_norm, scale_heads or their like) under which it is not there; "
                    "give another clip.source, or a method of prompts, such as coop"
                )

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file."""
        return self.identity.weights

    @property
    def identity_sha256(self) -> str:
        """SHA-256 of all that turns pixels and texts into features."""
        return self.identity.digest

    @property
    def arithmetic(self) -> Arithmetic:
        """How it computes."""
        device = self.device.type
        return Arithmetic(device, self.threads, resolve_precision(self.precision, device))

    @property
    def device(self) -> torch.device:
        """Where both towers are."""
        return self.model.logit_scale.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision both towers compute in."""
        return self._embedding.weight.dtype

    def on(self, device: str, precision: Precision) -> FrozenClip:
        """Return this CLIP on a device in a precision: a copy, unless it is there already."""
        if (self.device.type, self.arithmetic.precision) == (device, precision):
            return self
        return FrozenClip(
            copy.deepcopy(self.model).to(device),
            self.tokenizer,
            self.preprocessing,
            self.name,
            self.identity,
            self.words.seen_tokens,
            self.source,
            self.threads,
            precision,
        )

    @cached_property
    def _feature_tower(self) -> nn.Module:
        """The image tower that makes features, in the CLIP's precision; text features are fp32."""
        dtype = DTYPES.get(self.arithmetic.precision, self.dtype)
        visual = self.model.visual
        return visual if dtype == self.dtype else rounded(visual, dtype)

    def computing(self, dtype: torch.dtype, memory: int | None = None) -> FrozenClip:
        """Return this CLIP with towers over prompts that compute in `dtype`, weights shared.

        `memory` in bytes is what a pass through the text tower may keep for the gradient.
        """
        view = copy.copy(self)
        view.text = self.text.computing(dtype, memory)
        if dtype != self.dtype and "image" in vars(self):
            view.image = rounded(self.image, dtype)
        return view

    def token_ids(self, text: str) -> list[int]:
        """Return ids of a text, without those that stand around it."""
        return self.tokenizer.encode(text)

    def embed(self, ids: Iterable[int]) -> Tensor:
        """Return token embeddings `[ids, text_width]`, without positions."""
        indices = torch.tensor(list(ids), dtype=torch.long, device=self.device)
        return self._embedding(indices)

    def encode_texts(self, texts: Sequence[str], *, cut: bool = False) -> Tensor:
        """Return normalised features `[len(texts), embed_dim]` of whole sentences.

        With `cut`, what does not fit into the context is left out, as open_clip's tokenizer does.

        Raises:
            DataError: a text does not fit into the context.
        """
        return F.normalize(self.encode_texts_raw(texts, cut=cut), dim=-1)

    def encode_texts_raw(self, texts: Sequence[str], *, cut: bool = False) -> Tensor:
        """Return the features of `encode_texts` before they are normalised."""
        with torch.no_grad():
            return self.text(self.prompts(texts, cut=cut))[0]

    def prompts(self, texts: Sequence[str], *, cut: bool = False) -> Prompts:
        """Return whole sentences as the text tower reads them; with `cut`, as much as it reads.

        Raises:
            DataError: a text does not fit into the context.
        """
        room = self.context_length - len(self.tokenizer.start) - 1 if cut else None
        ids = [[*self.token_ids(text)[:room], self.tokenizer.end] for text in texts]
        for text, tokens in zip(texts, ids, strict=True):
            self.check_length(text, len(self.tokenizer.start) + len(tokens))
        lengths = SuffixLengths(map(len, ids))
        rows = self.embed(chain.from_iterable(ids)).split(lengths.values)
        suffix = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return Prompts(self.start[None], suffix, lengths)

    @property
    def start(self) -> Tensor:
        """Embeddings `[0 or 1, text_width]` of what stands before every prompt."""
        return self.embed(self.tokenizer.start)

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return normalised features `[images, embed_dim]` of pixels `[images, 3, size, size]`."""
        with torch.no_grad():
            dtype = DTYPES.get(self.arithmetic.precision, self.dtype)
            features = self._feature_tower(pixels.to(self.device, dtype))
        return F.normalize(in_single(features), dim=-1)

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
