"""The split of own photos, kept from its first draw on, so that a test photo stays a test photo.

A photo that was in a part stays there, known by its content, whatever its name, folder or label is
now; in a set so large that contents are not read (see `fingerprints`), it is known by its path.
Photos that are new are dealt out so that each class has its shares again (our choice). So a model
that was trained before and one that is trained after photos, labels or classes were added have test
photos in common that neither was trained on.

The file also lists photos that are gone: one that comes back returns to its part. It begins with a
digest of its rows, so that one that was changed by accident moves no photo unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.filesystem.places import is_there, publish
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import PARTS


@dataclass
class KeptSplit:
    """Which photos are in which part.

    Attributes:
        file: where it is kept.
        parts: fingerprint to path to part; copies of a photo may be in several parts.
        has_digest: whether the file has a digest; files of earlier versions have none.
    """

    file: Path
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    has_digest: bool = True

    @classmethod
    def load(cls, folder: Path, name: str, split: RandomSplit) -> KeptSplit:
        """Load the kept split of a dataset with these shares and this seed; empty if none is kept.

        Raises:
            DataError: the file is broken, or was changed since it was written.
        """
        shares = f"{split.train:g}_{split.val:g}_{split.test:g}"
        file = folder / f"{name}_seed{split.seed}_{shares}.json"
        if not is_there(file):
            return cls(file)
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            parts: dict[str, dict[str, str]] = defaultdict(dict)
            for part in PARTS:
                for fingerprint, path in stored[part]:
                    parts[fingerprint][path] = part
            digest = stored.get("sha256")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"the kept split {file} cannot be read ({error!r}): restore it, or delete it to "
                "have the test part drawn anew"
            ) from None
        kept = cls(file, dict(parts), digest is not None)
        if kept.has_digest and digest != _digest({part: stored[part] for part in PARTS}):
            raise DataError(
                f"the kept split {file} has been changed since it was written: restore it, delete "
                "its line sha256 if the change is meant, or delete the file to have the test part "
                "drawn anew"
            )
        return kept

    def divide(
        self, split: RandomSplit, paths: list[str], key: str, fingerprints: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """Deal the photos of the class `key` out; those that have a part keep it."""
        kept: dict[str, list[str]] = defaultdict(list)
        new = []
        for path in paths:
            part = self._part(fingerprints.get(path, ""), path)
            (new if part is None else kept[part]).append(path)
        return split.extend(kept, new, key, fingerprints)

    def update(self, table: pd.DataFrame) -> Counter[str]:
        """Keep the parts of an index as well; return the number of new photos by part."""
        new, changed = Counter(), not self.has_digest
        for path, part, fingerprint in table[["path", "part", "fingerprint"]].itertuples(False):
            new[part] += self._part(fingerprint, path) is None
            before = self.parts.setdefault(fingerprint, {})
            changed |= before.get(path) != part
            before[path] = part
        if changed:
            rows = {part: self._rows(part) for part in PARTS}
            with atomic_write(self.file) as temporary:
                content = {"sha256": _digest(rows), **rows}
                temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
            publish(self.file)
        return new

    def _part(self, fingerprint: str, path: str) -> str | None:
        """Return the part that a photo was in, None for a new one.

        Copies may have been in several. The part of this path counts first, then `test` before the
        others. Where a fingerprint is not of the content, the path decides.
        """
        earlier = self.parts.get(fingerprint, {})
        if path in earlier:
            return earlier[path]
        parts = set(earlier.values()) or {
            part
            for kept, part in self._of_path.get(path, ())
            if kept.startswith("stat:") or fingerprint.startswith("stat:")
        }
        return next((part for part in reversed(PARTS) if part in parts), None)

    @cached_property
    def _of_path(self) -> dict[str, list[tuple[str, str]]]:
        """Path to the fingerprints, with their parts, that it had."""
        pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for fingerprint, by_path in self.parts.items():
            for path, part in by_path.items():
                pairs[path].append((fingerprint, part))
        return pairs

    def _rows(self, part: str) -> list[tuple[str, str]]:
        return sorted(
            (fingerprint, path)
            for fingerprint, by_path in self.parts.items()
            for path, its_part in by_path.items()
            if its_part == part
        )


def _digest(rows: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """Return the SHA-256 of the (fingerprint, path) of each part, in their order."""
    return hashlib.sha256(json.dumps([rows[part] for part in PARTS]).encode()).hexdigest()
