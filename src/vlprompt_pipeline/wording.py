"""How figures are written for people: one place, so that terminal, page and figures agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd


def readable(name: str) -> str:
    """Return `base_to_new` as "base to new"."""
    return name.replace("_", " ")


def capital(text: str) -> str:
    """Return a text that begins with a capital, its other letters as they are."""
    return text[:1].upper() + text[1:]


def spoken(name: str) -> str:
    """Return a class's name as prompts have it: words with one space between them."""
    return " ".join(readable(name).split())


def shots_text(shots: int) -> str:
    """Write, for instance, "16 shots"."""
    return f"{shots} shot" if shots == 1 else f"{shots} shots"


def seeds_text(seeds: Sequence[int]) -> str:
    """Write, for instance, "seeds 1–3", "seeds 1, 4" or "seed 2"; `seeds` ascend."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]}–{seeds[-1]}"
    return f"seeds {join(seeds)}"


def counted(number: int, noun: str) -> str:
    """Write, for instance, "1 test", "1,200 tests" or "2 classes"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def probability(p_value: float) -> str:
    """Write, for instance, "p = 0.078" or "p < 0.001"."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def human_bytes(count: float) -> str:
    """Write bytes as people do, 1 kB = 1000 B as in the papers: "68 B", "4.1 kB", "1.8 MB"."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            value = count / factor
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"


def plus_minus(mean: float, std: float, seeds: int) -> str:
    """Write, for instance, "65.7 ± 1.2".

    The mean alone where no spread is known, "–" without a mean.
    """
    if pd.isna(mean):
        return "–"
    return f"{mean:.1f}" if seeds == 1 or pd.isna(std) else f"{mean:.1f} ± {std:.1f}"


def one_decimal(value: float) -> str:
    """Write, for instance, "3.1"; "–" where there is no value."""
    return "–" if pd.isna(value) else f"{value:.1f}"


def times(factor: float) -> str:
    """Write, for instance, "1.00×" or "11.7×"; "–" where it is not known."""
    if pd.isna(factor):
        return "–"
    return f"{factor:.2f}×" if factor < 9.995 else f"{factor:.1f}×"


def signed(difference: float) -> str:
    """Write, for instance, "+2.1" or "−3.0"; "–" where there is nothing to compare with."""
    if pd.isna(difference):
        return "–"
    text = f"{difference:+.1f}"
    return "0.0" if text[1:] == "0.0" else text.replace("-", "−")


def program(project: Path, name: str) -> str:
    """Return how a program is called in the project's folder: that of its .venv, if it has one."""
    local = Path(".venv/bin") / name
    return local.as_posix() if (project / local).is_file() else name


def command_parameters(values: Mapping[str, object], above: str = "") -> str:
    """Return parameters as `--params` takes them, for instance "shots=4,few_shot.curve=1+2+4"."""
    parts = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            parts.append(command_parameters(value, f"{above}{key}."))
        else:
            parts.append(f"{above}{key}={_parameter(value)}")
    return ",".join(filter(None, parts))


def _parameter(value: object) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def join(values: Sequence[object]) -> str:
    """Write, for instance, "1, 2, 3"."""
    return ", ".join(str(value) for value in values)


def some(names: Sequence[str], shown: int = 10) -> str:
    """Write the first names, and how many more there are."""
    more = len(names) - shown
    return join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def same_names(names: Sequence[str]) -> tuple[str, ...]:
    """Find the first class names that are one name in a prompt, where underscores are spaces."""
    first: dict[str, str] = {}
    for name in names:
        words = spoken(name)
        if words in first:
            return (first[words], name)
        first[words] = name
    return ()
