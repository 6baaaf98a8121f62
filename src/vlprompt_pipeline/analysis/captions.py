"""What stands around the figures of an analysis: captions, and a row of a table in words."""

from __future__ import annotations

from dataclasses import dataclass

from vlprompt_pipeline.reports.sheet import Caption
from vlprompt_pipeline.wording import plus_minus

SCORES = {"base_mean": "base accuracy (%)", "new_mean": "new accuracy (%)", "h": "H (%)"}
STDS = {"base_mean": "base_std", "new_mean": "new_std", "h": "h_std"}


@dataclass(frozen=True)
class Conditions:
    """What stands in every caption.

    Attributes:
        text: for instance "demo_aerial, 16 shots, seeds 1-3".
        method: title of the host; seeds: how many.
        command: what made the figure.
    """

    text: str
    method: str
    seeds: int
    command: str


def caption(about: Conditions, title: str, note: str) -> Caption:
    """Return what a figure shows, of which run, how to read it, and the command that makes it."""
    spread = "mean ± 1 std over seeds" if about.seeds > 1 else "one seed: spread unknown"
    return Caption(title, about.text, f"{note}; {spread}", f"$ {about.command}")


def scored(row) -> str:
    """Write, for instance, "base 86.5 ± 0.3, new 79.7 ± 1.1, H 83.0 ± 0.7 %"."""
    parts = [
        f"{name} {plus_minus(getattr(row, mean), getattr(row, std), row.n_seeds)}"
        for name, (mean, std) in zip(("base", "new", "H"), STDS.items(), strict=True)
    ]
    return f"{', '.join(parts)} %"


def bits_text(bits: int) -> str:
    """Write, for instance, ", 2 bits"; nothing for what is not quantized."""
    return f", {bits} bit{'s' if bits > 1 else ''}" if bits else ""
