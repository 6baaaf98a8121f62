"""A CLIP's own tokenizer: from a text to token ids, and the ids that stand around every text.

CLIP's byte-pair encoding is open_clip's `SimpleTokenizer`; all others are read from their
`tokenizer.json` with the `tokenizers` package. Which ids stand before and behind a text is asked
of the tokenizer, never assumed: SigLIP's puts nothing before it, CLIPA's end token is the padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from tokenizers import Tokenizer as TokenizersTokenizer

from vlprompt_pipeline.clip.forms import (
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG,
    TOKENIZER_FILE,
    read_json,
)
from vlprompt_pipeline.clip.identity import describe_bpe_tokenizer
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

_PROBE = "a photo"  # any text: what stands around it stands around all
# classes of transformers that rewrite what stands around a text by two keys of their configuration
_ENDS_FROM_CONFIG = ("Gemma", "Llama", "Siglip2")


class Tokenizer(Protocol):
    """What a frozen CLIP asks of its tokenizer.

    Attributes:
        start: ids before every text, one or none.
        end: the id behind every text.
        pad: the id of the places behind the end.
        identity: short text that two tokenizers share only if they give the same ids.
    """

    start: tuple[int, ...]
    end: int
    pad: int
    identity: str

    def encode(self, text: str) -> list[int]:
        """Return ids of a text, without those around it."""

    def vocabulary(self) -> dict[int, str]:
        """Return tokens by id, without special ones; pieces of words end in a hyphen."""


class ClipTokenizer:
    """CLIP's byte-pair encoding: open_clip's `SimpleTokenizer`."""

    def __init__(self, tokenizer: Any = None) -> None:
        """Take an open_clip `SimpleTokenizer`, or make the ordinary one."""
        self._tokenizer = tokenizer or open_clip.SimpleTokenizer()
        self.start = (self._tokenizer.sot_token_id,)
        self.end = self._tokenizer.eot_token_id
        self.pad = 0
        clean = self._tokenizer.clean_fn.__name__.removeprefix("_clean_")
        special = self._tokenizer.all_special_ids
        usual = clean == "lower" and len(special) == 2
        self.identity = describe_bpe_tokenizer() + ("" if usual else f" {clean} {special}")

    def encode(self, text: str) -> list[int]:
        """Return ids of a text, without start and end."""
        return self._tokenizer.encode(text)

    def vocabulary(self) -> dict[int, str]:
        """Return tokens by id, without start and end; pieces of words end in a hyphen."""
        special = set(self._tokenizer.all_special_ids)
        return {
            number: _word(piece, starts_marked=False, ends_marked=True)
            for number, piece in self._tokenizer.decoder.items()
            if number not in special
        }


class FileTokenizer:
    """A tokenizer of Hugging Face, read from its files; no hub and no transformers needed."""

    def __init__(
        self, folder: Path, clean: str | None = None, strip_sep_token: bool = False
    ) -> None:
        """Read `tokenizer.json` and what lies beside it.

        Args:
            folder: holds the files.
            clean: what open_clip does to a text first: `whitespace`, `lower` or `canonicalize`.
            strip_sep_token: whether id 0 stands in for the separator, as in CLIPA.

        Raises:
            WeightsError: a file is missing or broken, or puts more than one id before a text.
        """
        self._tokenizer, padding = _read_tokenizer(folder / TOKENIZER_FILE)
        config, tokens = (
            read_json(folder / name) if (folder / name).is_file() else {}
            for name in (TOKENIZER_CONFIG, SPECIAL_TOKENS)
        )
        special = {**config, **tokens}
        kind = str(config.get("tokenizer_class", ""))
        self._clean = open_clip.tokenizer.get_clean_fn(clean) if clean else None
        self._lower = kind.startswith("Siglip2")  # that class lowers what its file does not
        self._separator = self._id_of(special.get("sep_token")) if strip_sep_token else None
        self.start, self.end = self._around(kind, config, special, folder)
        pad = self._id_of(special.get("pad_token"))
        self.pad = self._without_separator([padding if pad is None else pad])[0]
        digest = sha256_file(folder / TOKENIZER_FILE)
        details = (clean, self._lower, self._separator, self.start, self.end, self.pad)
        self.identity = f"file {digest} {details}"

    def encode(self, text: str) -> list[int]:
        """Return ids of a text, without those around it."""
        text = self._clean(text) if self._clean else text
        text = text.lower() if self._lower else text
        return self._without_separator(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def vocabulary(self) -> dict[int, str]:
        """Return tokens by id, without special ones; pieces of words end in a hyphen.

        SentencePiece marks where a word begins, CLIP's encoding where it ends, and the pieces are
        those without the mark.
        """
        added = self._tokenizer.get_added_tokens_decoder()
        pieces = self._tokenizer.get_vocab(with_added_tokens=False)
        starts_marked = sum(piece.startswith("▁") for piece in pieces) > 100
        ends_marked = any(piece.endswith("</w>") for piece in pieces)
        return {
            number: _word(piece, starts_marked, ends_marked)
            for piece, number in pieces.items()
            if number not in added
        }

    def _around(
        self, kind: str, config: dict, special: dict, folder: Path
    ) -> tuple[tuple[int, ...], int]:
        """Return ids before every text, and the one behind it."""
        bare = self._tokenizer.encode(_PROBE, add_special_tokens=False).ids
        whole = self._tokenizer.encode(_PROBE).ids
        places = (i for i in range(len(whole) + 1) if whole[i : i + len(bare)] == bare)
        first = next(places, len(whole))
        start, end = whole[:first], whole[first + len(bare) :]
        if kind.startswith(_ENDS_FROM_CONFIG):
            if "add_bos_token" in config:
                start = [self._id_of(special.get("bos_token"))] if config["add_bos_token"] else []
            if "add_eos_token" in config:
                end = [self._id_of(special.get("eos_token"))] if config["add_eos_token"] else []
        if len(start) > 1 or len(end) != 1 or None in (*start, *end):
            raise WeightsError(
                f"{folder / TOKENIZER_FILE} puts {len(start)} tokens before a text and {len(end)} "
                "behind it, but a text tower reads at most one before and exactly one behind"
            )
        return tuple(self._without_separator(start)), self._without_separator(end)[0]

    def _without_separator(self, ids: list[int]) -> list[int]:
        return [0 if each == self._separator else each for each in ids]

    def _id_of(self, token: Any) -> int | None:
        content = token.get("content") if isinstance(token, dict) else token
        return self._tokenizer.token_to_id(content) if isinstance(content, str) else None


@cache
def clip_tokenizer() -> ClipTokenizer:
    """Return CLIP's own tokenizer, made once."""
    return ClipTokenizer()


def tokenizer_of(text_cfg: Mapping[str, Any], folder: Path | None, where: str) -> Tokenizer:
    """Return the tokenizer of a text tower of open_clip.

    Args:
        text_cfg: section of the model's configuration.
        folder: where the files of a Hugging Face tokenizer are, if it names one.
        where: the model is, for messages.

    Raises:
        WeightsError: its files are missing or broken, or options are unknown.
    """
    options = dict(text_cfg.get("tokenizer_kwargs") or {})
    is_clips_own = not text_cfg.get("hf_tokenizer_name")
    if folder is None and not is_clips_own:
        raise WeightsError(
            f"no {TOKENIZER_FILE} in {where}: copy it there from {text_cfg['hf_tokenizer_name']}, "
            "or write it with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    try:
        if is_clips_own:
            return ClipTokenizer(open_clip.SimpleTokenizer(**options))
        return FileTokenizer(folder, **{"clean": "whitespace", **options})
    except (TypeError, AssertionError) as error:
        raise WeightsError(f"{where}: tokenizer_kwargs {options} ({error})") from None


def _read_tokenizer(path: Path) -> tuple[TokenizersTokenizer, int]:
    """Return a tokenizer that neither cuts nor pads, and the id that its file pads with."""
    if not path.is_file():
        raise WeightsError(
            f"no {path.name} in {path.parent}: copy it there from the model's repository, or write "
            "it with transformers' AutoTokenizer.from_pretrained(…).save_pretrained(folder)"
        )
    try:
        tokenizer = TokenizersTokenizer.from_file(str(path))
    except Exception as error:  # the package raises plain Exception on whatever is wrong
        raise WeightsError(f"{path} is no file of the tokenizers package ({error})") from error
    padding = tokenizer.padding
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, padding["pad_id"] if padding else 0


def _word(piece: str, starts_marked: bool, ends_marked: bool) -> str:
    if starts_marked:
        return piece[1:] if piece.startswith("▁") else f"{piece}-"
    if ends_marked:
        return f"{piece}-".replace("</w>-", "")
    return f"{piece[2:]}-" if piece.startswith("##") else piece
