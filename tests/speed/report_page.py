"""The size of the report's page over a grid as large as a survey's.

Run: python tests/speed/report_page.py [file]

25 methods, 4 protocols, 5 shots, 15 datasets and 3 seeds, every cell finished and every test made,
in records and tests drawn by chance. Prints the bytes of the page and the seconds it takes; writes
it to the file.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from results.synthetic import DATASETS, SHIFTED, comparison
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.results.results import Comparison

SHOTS = (1, 2, 4, 8, 16)
METHODS = {"zero_shot": "Zero-shot CLIP", "coop": "CoOp"}
METHODS |= {f"method_{number}": f"Method {number}" for number in range(23)}


def grid() -> Comparison:
    """Tables of the whole grid; protocols other than few-shot have a table a number of shots."""
    datasets = [*DATASETS, *SHIFTED[1:]]
    whole = comparison(methods=METHODS, datasets=datasets)
    tested = whole.pairs["against"].isin(["zero_shot", "coop"])
    whole = replace(whole, pairs=whole.pairs[tested])
    names = ("families", "scores", "pairs", "sizes", "provenance")
    parts = {name: [getattr(whole, name)] for name in names}
    for name in names:
        table = getattr(whole, name)
        others = table[~table["family"].str.startswith("few_shot")]
        for shots in SHOTS[:-1]:
            changed = {"family": others["family"].str.replace("16shots", f"{shots}shots")}
            if "shots" in others:
                changed["shots"] = shots
            parts[name].append(others.assign(**changed))
    return replace(whole, **{n: pd.concat(p, ignore_index=True) for n, p in parts.items()})


def main() -> None:
    """Print what the page is of and how large it is."""
    whole = grid()
    print(f"{len(whole.scores):,} scores and {len(whole.pairs):,} tests of {len(METHODS)} methods")
    started = perf_counter()
    page = render(whole)
    print(f"{perf_counter() - started:.1f} s, {len(page.encode()) / 1e6:.2f} MB (aim: 3)")
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
