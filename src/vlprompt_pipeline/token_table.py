"""The token embeddings of a CLIP, read with numpy alone, and the words nearest to a vector.

CoOp (IJCV 2022, section 4.4; interpret_prompt.py of its repository) lists the words whose token
embeddings have the smallest Euclidean distance to each context vector, and finds that they seldom
make sense. Training moves a vector in directions that no word stands in, so it grows longer than
any word, and the distances say more of its length than of its meaning: we order by the cosine
(our choice) and give the distance beside it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from vlprompt_pipeline.errors import WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

_CONFIGS = ("open_clip_config.json", "config.json")
_WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
_WORDS = 49408  # of CLIP's own tokenizer
_BYTES = 256


class Word(NamedTuple):
    """A token of the vocabulary beside a vector; a text with a hyphen is a piece of a word."""

    text: str
    cosine: float
    distance: float


@dataclass(frozen=True)
class TokenTable:
    """Embeddings `[tokens, width]` and what each token reads."""

    embeddings: np.ndarray
    texts: Sequence[str]

    def nearest(self, vectors: np.ndarray, count: int) -> list[list[Word]]:
        """Give the tokens with the highest cosine to each of `vectors`, the highest first.

        Args:
            vectors: `[vectors, width]`, without positions, as a context is.
            count: how many for each.
        """
        cosines = _unit(vectors) @ _unit(self.embeddings).T
        words = []
        for vector, row in zip(vectors, cosines, strict=True):
            nearest = np.argsort(-row, kind="stable")[:count]
            distances = np.linalg.norm(self.embeddings[nearest] - vector, axis=-1)
            words.append(
                [
                    Word(self.texts[token], float(row[token]), float(distance))
                    for token, distance in zip(nearest, distances, strict=True)
                ]
            )
        return words


def embedded_weights() -> Path:
    """Say where the CLIP that comes with the package has its weights."""
    return Path(__file__).parent / "clip/embedded" / _WEIGHTS[0]


def find_weights_file(folder: Path) -> Path:
    """Find the weights in the folder of a CLIP, in the form of open_clip or of transformers.

    Raises:
        WeightsError: there are none in one file.
    """
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"{folder} has no {' or '.join(_WEIGHTS)}: name the folder of a CLIP")


def read_token_table(weights: Path, wanted_sha256: str) -> TokenTable:
    """Read the token embeddings of a CLIP that has CLIP's own tokenizer.

    Args:
        weights: its safetensors file; nothing but the table is read into memory.
        wanted_sha256: first digits of the hash that the file must have.

    Raises:
        WeightsError: it is another file, cannot be read, or has another tokenizer.
    """
    if not sha256_file(weights).startswith(wanted_sha256):
        raise WeightsError(f"{weights} is not the CLIP with the weights {wanted_sha256}…")
    _require_own_tokenizer(weights.parent)
    try:
        with safe_open(weights, "numpy") as stored:
            names = list(stored.keys())
            if "token_embedding.row_ids" in names:  # a compact table: rows that training met
                ids = stored.get_tensor("token_embedding.row_ids")
                embeddings = stored.get_tensor("token_embedding.rows")
            else:
                (name,) = [name for name in names if name.endswith("token_embedding.weight")]
                embeddings = stored.get_tensor(name)
                ids = np.arange(len(embeddings))
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{weights} has no table of tokens that can be read ({error})") from None
    words = clip_vocabulary()
    kept = ids < len(words)  # the two tokens behind them are no words
    texts = [words[number] for number in ids[kept].tolist()]
    return TokenTable(embeddings[kept].astype(np.float32), texts)


def clip_vocabulary() -> list[str]:
    """Read the words of CLIP's own tokenizer by id; pieces of words end in a hyphen.

    They come from the vocabulary file in open_clip's folder; open_clip, which needs torch, is not
    imported.
    """
    folder = find_spec("open_clip").submodule_search_locations[0]
    packed = (Path(folder) / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : _WORDS - 2 * _BYTES - 2 + 1]]
    letters = _byte_letters()
    whole = [f"{letter}</w>" for letter in letters]
    pieces = [*letters, *whole, *("".join(pair) for pair in merges)]
    return [f"{piece}-".replace("</w>-", "") for piece in pieces]


def _byte_letters() -> list[str]:
    """Give the letter that stands for each byte in the vocabulary, in its order."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    shown += range(ord("®"), ord("ÿ") + 1)
    hidden = _BYTES - len(shown)  # bytes without a letter have those behind the first 256
    return [*map(chr, shown), *map(chr, range(_BYTES, _BYTES + hidden))]


def _require_own_tokenizer(folder: Path) -> None:
    for name in _CONFIGS:
        try:
            config = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        text = config.get("model_cfg", {}).get("text_cfg", {})
        other = text.get("hf_tokenizer_name") or config.get("model_type", "clip") != "clip"
        if other:
            raise WeightsError(f"{folder} has another tokenizer than CLIP's own")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
