"""Results of one method that must not be averaged over seeds, since they were made differently.

What one method in the cells of one group was made with (settings, pictures, CLIP, code) is compared
over its seeds. The most frequent keeps the method's name, the one of the lowest seed where several
are; any other becomes a row of its own, named by what differs: "QCoOp, 1 bit (quantize.bits=2)".
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from vlprompt_pipeline.results.groups import GroupKey, group_key
from vlprompt_pipeline.results.records import CellRecord, MadeWith, MethodResult
from vlprompt_pipeline.wording import counted

_SHOWN = 3  # differences in a name
_DIGEST = 8  # characters of a hash in a name
_UNKNOWN = "code unknown"
"""Name of a result whose record is of a version that did not record how it was made."""

Variants = Mapping[tuple[GroupKey, int, str], str]
"""What a method in the cell of a seed is told apart by; not there where nothing differs."""


def find_variants(records: Iterable[CellRecord]) -> Variants:
    """Name in what a method's cell differs from its other seeds; cells that do not are left out."""
    made: dict[tuple[GroupKey, str], dict[int, MethodResult]] = defaultdict(dict)
    for record in records:
        for result in record.methods:
            made[group_key(record), result.method][record.cell.seed] = result
    variants = {}
    for (key, method), by_seed in made.items():
        usual = _usual(by_seed)
        made_with = {seed: result.made_with for seed, result in by_seed.items()}
        words = {seed: _differences(usual, each) for seed, each in made_with.items()}
        for seed, text in words.items():
            same_words = [made_with[other] for other in words if words[other] == text]
            if any(_differences(same_words[0], each) for each in same_words):
                variants[key, seed, method] = f"{text}, {_digest(made_with[seed])}"
            elif text:
                variants[key, seed, method] = text
    return variants


def _usual(by_seed: Mapping[int, MethodResult]) -> MadeWith | None:
    """Return what most seeds were made with; of two as frequent, that of the lowest seed."""
    seeds: dict[str, list[int]] = defaultdict(list)
    for seed, result in sorted(by_seed.items()):
        seeds[_text(result.made_with)].append(seed)
    most = max(seeds.values(), key=len)  # the first of them has the lowest seed
    return by_seed[most[0]].made_with


def _text(made_with: MadeWith | None) -> str:
    return json.dumps(made_with and made_with.model_dump(mode="json"), sort_keys=True)


def _digest(made_with: MadeWith | None) -> str:
    """Return a digest that tells apart differences of one name, which shows only some of them."""
    return f"digest {hashlib.sha256(_text(made_with).encode()).hexdigest()[:_DIGEST]}"


def _differences(usual: MadeWith | None, other: MadeWith | None) -> str:
    """Return the differences in words, empty where the two are equal."""
    if usual == other:
        return ""
    if other is None:
        return _UNKNOWN
    if usual is None:  # most seeds are of a version that recorded nothing
        return f"code {other.code[:_DIGEST] or 'known'}"
    names = sorted({*usual.settings, *other.settings})
    words = [
        f"{name}={_shown(other.settings.get(name))}"
        for name in names
        if usual.settings.get(name) != other.settings.get(name)
    ]
    if (more := len(words) - _SHOWN) > 0:
        words[_SHOWN:] = [counted(more, "more setting")]
    for name, label in (("images", "images"), ("clip", "CLIP"), ("code", "code")):
        before, now = getattr(usual, name), getattr(other, name)
        if before != now:
            words.append(f"{label} {now[:_DIGEST] or 'unknown'}")
    return ", ".join(words)


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
