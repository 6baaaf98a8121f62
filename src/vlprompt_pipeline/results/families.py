"""Which results may stand in one table, and what that table is called."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vlprompt_pipeline.protocols import find_protocol, protocol_title
from vlprompt_pipeline.results.cells import Result
from vlprompt_pipeline.results.dataset_names import OWN, dataset_kind
from vlprompt_pipeline.results.groups import GroupKey
from vlprompt_pipeline.wording import shots_text


class FamilyKey(NamedTuple):
    """What must be equal in one table; `data` where a dataset is not the same in all cells.

    `shots` is 0 where they stand side by side. `kind` is that of the datasets (`dataset_kind`): own
    photos are averaged neither with published datasets nor with demonstration ones.
    """

    protocol: str
    clip: str
    weights_sha256: str
    template_set: str
    shots: int
    source: str
    data: tuple[object, ...]
    kind: str


@dataclass(frozen=True)
class Family:
    """Results that may stand in one table.

    Attributes:
        key: what they share.
        name: unique, fits a file name.
        title: for people.
        results: by method as the records list them, then by dataset, shots and seed.
    """

    key: FamilyKey
    name: str
    title: str
    results: tuple[Result, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names as they stand in tables: those trained on, or the source and then its targets."""
        names = dict.fromkeys(images.dataset for r in self.results for images in r.sets)
        return tuple(names) if self.key.source else tuple(sorted(names))

    @property
    def titles(self) -> dict[str, str]:
        """What a row is called, by its name: "QCoOp, 1 bit / QCoOp, 2 bits" if it has both."""
        titles: dict[str, dict[str, None]] = defaultdict(dict)
        for result in self.results:
            titles[result.name][result.title] = None
        return {name: " / ".join(each) for name, each in titles.items()}

    @property
    def averaged(self) -> tuple[str, ...]:
        """The datasets that an average is over: all, but not a source."""
        return self.datasets[1:] if self.key.source else self.datasets


def families(results: Sequence[Result]) -> tuple[Family, ...]:
    """Return results apart by protocol, weights, templates, shots, and source with its targets.

    A dataset that was run with two splits or class lists has a family for each: nobody could say
    which of the two is meant beside other datasets.
    """
    variants: dict[tuple[FamilyKey, str], set[tuple[object, ...]]] = defaultdict(set)
    for result in results:
        variants[_key(result.key), result.key.dataset].add(_data(result.key))
    members: dict[FamilyKey, list[Result]] = defaultdict(list)
    for result in results:
        key = _key(result.key)
        if len(variants[key, result.key.dataset]) > 1:
            key = key._replace(data=_data(result.key))
        members[key].append(result)
    keys = sorted(members)
    return tuple(
        Family(key, name, title, tuple(_sorted(members[key])))
        for key, name, title in zip(keys, _names(keys), _titles(keys), strict=True)
    )


def shots_side_by_side(protocol: str) -> bool:
    """Tell whether results of a protocol, by its label, stand in one table for all shots."""
    registered = find_protocol(protocol)
    return registered is not None and registered.shots_side_by_side


def _key(key: GroupKey) -> FamilyKey:
    return FamilyKey(
        key.protocol,
        key.clip,
        key.weights_sha256,
        key.template_set,
        0 if shots_side_by_side(key.protocol) else key.shots,
        key.data if key.targets else "",
        _data(key) if key.targets else (),
        dataset_kind(key.dataset),
    )


def _data(key: GroupKey) -> tuple[object, ...]:
    return key.dataset, key.split_sha256, key.random_split, key.classes, key.targets


def _sorted(results: list[Result]) -> list[Result]:
    """Sort by dataset, shots and seed, methods in the order of their first appearance."""
    order = {name: number for number, name in enumerate(dict.fromkeys(r.name for r in results))}
    return sorted(results, key=lambda r: (order[r.name], r.key.data, r.key.shots, r.seed))


def _names(keys: Sequence[FamilyKey]) -> list[str]:
    plain = []
    for key in keys:
        shots = f"{key.shots}shots" if key.shots else ""
        own_photos = OWN if key.kind == OWN else ""
        parts = (key.protocol, key.source, key.clip, shots, own_photos.replace(" ", "_"))
        plain.append(re.sub(r"[^A-Za-z0-9_-]+", "-", "_".join(filter(None, parts))))
    return [
        name if plain.count(name) == 1 else f"{name}_{_digest(key)}"
        for name, key in zip(plain, keys, strict=True)
    ]


def _titles(keys: Sequence[FamilyKey]) -> list[str]:
    """Return titles for people; families of one title are told apart by what differs."""
    plain = []
    for key in keys:
        trained = f"trained on {key.source}" if key.source else ""
        shots = shots_text(key.shots) if key.shots else ""
        own_photos = OWN if key.kind == OWN and not key.source else ""
        words = (protocol_title(key.protocol), trained, own_photos, shots, f"CLIP {key.clip}")
        plain.append(", ".join(filter(None, words)))
    return [
        f"{title} ({_difference(key, [k for k, t in zip(keys, plain, strict=True) if t == title])})"
        if plain.count(title) > 1
        else title
        for key, title in zip(keys, plain, strict=True)
    ]


def _difference(key: FamilyKey, alike: Sequence[FamilyKey]) -> str:
    words = []
    if len({other.weights_sha256 for other in alike}) > 1:
        words.append(f"weights {key.weights_sha256[:8]}")
    if len({other.template_set for other in alike}) > 1:
        words.append(f"templates {key.template_set}")
    if len({other.kind for other in alike}) > 1:
        words.append(key.kind)
    if len({other.data for other in alike}) > 1:
        dataset = f"{key.data[0]} of " if key.data and not key.source else ""
        words.append(f"{dataset}data {_digest(key.data)}" if key.data else "all other datasets")
    return ", ".join(words)


def _digest(value: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]
