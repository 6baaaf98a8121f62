"""The figure of heads by bits.

Accuracies are in percent, bars are ± 1 population standard deviation over seeds.
"""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.analysis.captions import Conditions, bits_text
from vlprompt_pipeline.analysis.heads import FULL, WAYS
from vlprompt_pipeline.analysis.sheet import SeriesSheet
from vlprompt_pipeline.wording import human_bytes, plus_minus


def heads_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base and new accuracy of every head by bits, while and after training."""
    titles, halves = (list(dict.fromkeys(table[name])) for name in ("title", "half"))
    bits = sorted(set(table["bits"]) - {0})
    sheet = SeriesSheet(
        about,
        "Classifiers and tower matrices, by bits",
        "of the packed file, quantized while or after training, codebooks as the weights ask "
        "for them; what has no training stands on the right alone, and nothing bound to its "
        "classes knows new ones",
        x="bits a value",
        ys=[f"{half} accuracy (%)" for half in halves],
        series=titles,
        columns=list(WAYS.values()),
        marks=True,
    )
    for panels, half in zip(sheet.axes, halves, strict=True):
        for axes, (way, meaning) in zip(panels, WAYS.items(), strict=True):
            for number, title in enumerate(titles):
                rows = table[(table["title"] == title) & (table["half"] == half)]
                quantized = rows[rows["training"] == way].sort_values("bits")
                if quantized.empty:
                    continue
                rows = pd.concat([quantized, rows[rows["training"] == FULL]])
                aside = 0.07 * (number - (len(titles) - 1) / 2)
                columns = [bits.index(b) if b else len(bits) for b in rows["bits"]]
                texts = [
                    f"{title}{f', quantized {meaning}' if row.bits else ''}{bits_text(row.bits)}, "
                    f"{human_bytes(row.file_bytes)}: {half} "
                    f"{plus_minus(row.mean_, row.std_, row.n_seeds)} %"
                    for row in rows.rename(columns={"mean": "mean_", "std": "std_"}).itertuples()
                ]
                xs = [column + aside for column in columns]
                sheet.marks(axes, title, xs, rows["mean"], rows["std"], texts, joined=True)
    sheet.categories([*map(str, bits), "full"])
    return sheet
