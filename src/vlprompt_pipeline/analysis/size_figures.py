"""Figures of what a packed prompt costs and keeps: by bytes, bits, and part of the quantizer.

Accuracies are in percent, bars are ± 1 population standard deviation over seeds.
"""

from __future__ import annotations

import pandas as pd

from vlprompt_pipeline.analysis.captions import SCORES, STDS, Conditions, bits_text, scored
from vlprompt_pipeline.analysis.heads import WAYS
from vlprompt_pipeline.analysis.sheet import SeriesSheet
from vlprompt_pipeline.parametrizations import QUANTIZERS
from vlprompt_pipeline.reports.scatter import byte_axis
from vlprompt_pipeline.reports.sheet import MUTED
from vlprompt_pipeline.wording import human_bytes


def storage_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base, new and H against the bytes of the file that ships."""
    titles = list(dict.fromkeys(table["title"]))
    sheet = SeriesSheet(
        about,
        "Accuracy against storage",
        "of the packed file, all that ships; numbers: bits a value, quantized while training",
        x="bytes on disk (logarithmic)",
        ys=list(SCORES.values()),
        series=titles,
        reference=not table["trainable_parameters"].iloc[0],
        marks=True,
    )
    for [axes], score in zip(sheet.axes, SCORES, strict=True):
        for title, rows in reversed(list(table.groupby("title", sort=False))):
            texts = [
                f"{title}{bits_text(row.bits)}, {human_bytes(row.file_bytes)}: {scored(row)}"
                for row in rows.itertuples()
            ]
            sizes, means, stds = rows["file_bytes"], rows[score], rows[STDS[score]]
            sheet.marks(axes, title, sizes, means, stds, texts, joined=len(rows) > 1)
            for bits, *point in zip(rows["bits"], sizes, means, strict=True):
                if bits:
                    style = {"fontsize": 7.8, "color": MUTED}
                    axes.annotate(bits, point, (5, 3), textcoords="offset points", **style)
        byte_axis(axes, (1, 3))
    return sheet


def quantizers_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base, new and H by bits, for each quantizer, while and after training."""
    bits = list(dict.fromkeys(table["bits"]))
    quantizers = list(dict.fromkeys(table["quantizer"]))
    sheet = SeriesSheet(
        about,
        f"Quantizers on {about.method}, by bits",
        "of the packed file, quantized while or after training; Gaussian noise has the "
        "variance of k-means' error at as many bits and stores values, not indices",
        x="bits a value",
        ys=list(SCORES.values()),
        series=[QUANTIZERS[name].title for name in quantizers],
        columns=list(WAYS.values()),
        marks=True,
    )
    for row, score in zip(sheet.axes, SCORES, strict=True):
        for axes, (way, meaning) in zip(row, WAYS.items(), strict=True):
            for number, name in enumerate(quantizers):
                rows = table[(table["training"] == way) & (table["quantizer"] == name)]
                aside = 0.09 * (number - (len(quantizers) - 1) / 2)
                xs = [bits.index(value) + aside for value in rows["bits"]]
                title, means, stds = QUANTIZERS[name].title, rows[score], rows[STDS[score]]
                texts = [
                    f"{title}, quantized {meaning}{bits_text(row.bits)}: {scored(row)}"
                    for row in rows.itertuples()
                ]
                sheet.marks(axes, title, xs, means, stds, texts, joined=True)
    sheet.categories([str(value) for value in bits])
    return sheet


def ablation_figure(table: pd.DataFrame, about: Conditions) -> SeriesSheet:
    """Return base, new and H as the parts of the quantizer are added."""
    sheet = SeriesSheet(
        about,
        "What each part of the quantizer does",
        f"{about.method}; without CAC the codebook is made anew after every step that moves an "
        "index (our reading)",
        x="",
        ys=list(SCORES.values()),
        series=["score"],
        height=1.4,
    )
    for [axes], score in zip(sheet.axes, SCORES, strict=True):
        texts = [f"{row.stage}: {scored(row)}" for row in table.itertuples()]
        positions = range(len(table))
        sheet.marks(axes, "score", positions, table[score], table[STDS[score]], texts)
    sheet.categories([_broken(stage) for stage in table["stage"]])
    return sheet


def _broken(stage: str) -> str:
    """Write it in two lines where there are two long words."""
    return stage.replace(" ", "\n") if len(stage) > 12 else stage
