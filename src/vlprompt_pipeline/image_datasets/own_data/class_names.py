"""What own classes are called in prompts: like their folder, or as a mapping file says."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from vlprompt_pipeline.errors import DataError, reason_of
from vlprompt_pipeline.wording import some, spoken

_FORM = "a mapping from class folder (or label) to class name"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class _TextLoader(yaml.BaseLoader):
    """Loads YAML with all scalars as text: `no` is not false, and `01` is not 1."""


def _unique_mapping(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a mapping of pairs; ValueError if a key stands twice."""
    twice = [key for key, number in Counter(key for key, _ in pairs).items() if number > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands twice")
    return dict(pairs)


def _yaml_mapping(loader: _TextLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return _unique_mapping([tuple(map(loader.construct_object, pair)) for pair in node.value])


_TextLoader.add_constructor("tag:yaml.org,2002:map", _yaml_mapping)


def name_classes(keys: Sequence[str], mapping: Path | None) -> dict[str, str]:
    """Return the name of each class, its own or that of the mapping, with spaces for underscores.

    Args:
        keys: classes as folders or tables name them.
        mapping: JSON or YAML object, or a CSV of two columns with a heading; None: no class is
            renamed.

    Raises:
        DataError: the file is broken, or names an unknown class or one class twice; or there is no
            file and all classes are numbers.
    """
    names = {key: spoken(key) for key in keys}
    if mapping is None:
        _require_words(names)
    else:
        given = _match_spelling(_read(mapping, names), names)
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise DataError(
                f"{mapping} names classes that are not there ({some(unknown)}); the classes are "
                f"{some(list(names))}"
            )
        names |= {key: spoken(name) for key, name in given.items()}
    empty = [key for key, name in names.items() if not name]
    if empty:
        raise DataError(f"the class {empty[0]!r} has no name; rename it or use a mapping file")
    return names


def _match_spelling(given: dict[str, str], keys: Collection[str]) -> dict[str, str]:
    """Return the mapping by keys as folders spell them; macOS writes é as two code points."""
    spelt = {unicodedata.normalize("NFC", key): key for key in keys}
    return {
        key if key in keys else spelt.get(unicodedata.normalize("NFC", key), key): name
        for key, name in given.items()
    }


def _require_words(names: Mapping[str, str]) -> None:
    """Refuse classes that are all numbers: "a photo of a 0." says nothing."""
    if all(_NUMBER.fullmatch(name) for name in names.values()):
        raise DataError(
            f"all classes are numbers ({some(list(names))}), which say nothing in a prompt; name "
            f"in own_data.class_names a file with {_FORM}, even if the numbers are the names"
        )


def _read(file: Path, keys: Collection[str]) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or reason_of(error)
        raise DataError(
            f"cannot read own_data.class_names {file} ({reason}); name {_FORM} in JSON, YAML or CSV"
        ) from error
    try:
        content = _parse(text, file.suffix.lower(), keys)
    except (ValueError, TypeError, RecursionError, csv.Error, yaml.YAMLError) as error:
        raise DataError(f"{file} is not {_FORM} ({reason_of(error)})") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and spoken(name) for name in content.values()
    ):
        raise DataError(f"{file} is not {_FORM}: every name is a text")
    return {str(key): name for key, name in content.items()}


def _parse(text: str, suffix: str, keys: Collection[str]) -> Any:
    match suffix:
        case ".json":
            return json.loads(text, object_pairs_hook=_unique_mapping)
        case ".yml" | ".yaml":
            return yaml.load(text, Loader=_TextLoader)
        case ".csv":
            reader = csv.reader(StringIO(text, newline=""), strict=True)
            heading, *rows = [row for row in reader if row] or [[]]
            if heading and heading[0] in keys:
                raise ValueError(f"its first row is the class {heading[0]}: put a heading above it")
            wrong = next((row for row in rows if len(row) != 2), None)
            if wrong is not None:
                raise ValueError(f"a row is folder,name, found {','.join(wrong)}")
            return _unique_mapping([(row[0], row[1]) for row in rows])
        case _:
            raise ValueError("its name ends neither in .json, .yml, .yaml nor .csv")
