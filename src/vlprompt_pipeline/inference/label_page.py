"""A page that shows what a run of labels did: counts, and the photos to look at first."""

from __future__ import annotations

import base64
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline import __version__
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.images import read_rgb
from vlprompt_pipeline.templates import templates_of

SHOWN = 8
"""Photos of each label: those with the lowest scores (our choice)."""
_MOST, _PROBLEMS, _SIDE = 400, 50, 112  # photos and problems on the page, pixels of a photo


class _Shown(NamedTuple):
    path: str
    score: float
    picture: str
    beside: str


def write_label_page(
    page: Path, rows: Iterable[Mapping[str, str]], folder: Path | None, title: str
) -> None:
    """Write one HTML file that needs nothing but itself.

    Args:
        page: of the file.
        rows: of a table of labels; read once, and a few kept.
        folder: that the paths start from; the working folder if not given.
        title: model and version.
    """
    counts: Counter[str] = Counter()
    least: dict[str, list[tuple[float, int, Mapping[str, str]]]] = {}
    problems: list[Mapping[str, str]] = []
    broken = 0
    for number, row in enumerate(rows):
        if row["problem"]:
            broken += 1
            problems += [row][: _PROBLEMS - len(problems)]
            continue
        counts[row["label"]] += 1
        kept = least.setdefault(row["label"], [])
        entry = (-float(row["score"]), number, row)  # a heap whose first is the surest
        if len(kept) < SHOWN:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    most = max(1, _MOST // max(len(least), 1))
    groups = [
        (label, count, [_shown(row, folder) for _, _, row in sorted(least[label])[::-1][:most]])
        for label, count in counts.most_common()
    ]
    text = (
        templates_of("inference", html=True)
        .get_template("label_page.html.j2")
        .render(
            title=title,
            groups=groups,
            largest=max(counts.values(), default=1),
            labelled=counts.total(),
            broken=broken,
            problems=problems,
            version=__version__,
        )
    )
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _shown(row: Mapping[str, str], folder: Path | None) -> _Shown:
    second = row.get("label_2")
    return _Shown(
        path=row["path"],
        score=float(row["score"]),
        picture=thumbnail((folder or Path()) / row["path"]),
        beside=f"{second} {float(row['score_2']):.2f}" if second else "",
    )


def thumbnail(path: Path, side: int = _SIDE) -> str:
    """Return a small JPEG as a data URL, or nothing for a photo that is gone meanwhile.

    Its longer side has twice `side` pixels at most, for screens of double density.
    """
    try:
        image = read_rgb(path, "as_seen", side)
    except DataError:
        return ""
    image.thumbnail((2 * side, 2 * side))
    stream = BytesIO()
    image.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
