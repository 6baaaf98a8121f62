"""The figures of an analysis, each from its table alone.

Accuracies are in percent, bands and bars are ± 1 population standard deviation over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from vlprompt_pipeline.analysis.sheet import Caption, Sheet
from vlprompt_pipeline.evaluation.drawing import MUTED
from vlprompt_pipeline.evaluation.wording import human_bytes, plus_minus

QUANTIZERS = {
    "kmeans": "k-means",
    "lloyd_max": "Lloyd-Max",
    "uniform": "uniform, min-max",
    "symmetric": "uniform, symmetric",
    "power_of_two": "power of two",
    "stochastic": "stochastic rounding",
    "gaussian": "Gaussian noise",
}
_SCORES = {"base_mean": "base accuracy (%)", "new_mean": "new accuracy (%)", "h": "H (%)"}
_STDS = {"base_mean": "base_std", "new_mean": "new_std", "h": "h_std"}
_RIDGE = 1.6
"""Height of the tallest ridge, in distances between two epochs."""


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


def draw(tables: Mapping[str, pd.DataFrame], conditions: Conditions) -> dict[str, Sheet]:
    """Every figure by the name of its table, in the order of the page."""
    return {name: figure(tables[name], conditions) for name, figure in _FIGURES.items()}


def storage_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Base, new and H against the bytes of the file that ships."""
    titles = list(dict.fromkeys(table["title"]))
    sheet = Sheet(
        _caption(
            about,
            "Accuracy against storage",
            "of the packed file, all that ships; numbers: bits a value, quantized while training",
        ),
        x="bytes on disk (logarithmic)",
        ys=list(_SCORES.values()),
        series=titles,
        reference=not table["trainable_parameters"].iloc[0],
        marks=True,
    )
    for [axes], score in zip(sheet.axes, _SCORES, strict=True):
        for title, rows in reversed(list(table.groupby("title", sort=False))):
            texts = [
                f"{title}{_bits(row.bits)}, {human_bytes(row.file_bytes)}: {_scored(row)}"
                for row in rows.itertuples()
            ]
            sheet.marks(
                axes,
                title,
                rows["file_bytes"],
                rows[score],
                rows[_STDS[score]],
                texts,
                joined=len(rows) > 1,
            )
            for row in rows[rows["bits"] > 0].to_dict("records"):
                axes.annotate(
                    row["bits"],
                    (row["file_bytes"], row[score]),
                    xytext=(5, 3),
                    textcoords="offset points",
                    fontsize=7.8,
                    color=MUTED,
                )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda size, _: human_bytes(size).replace(".0 ", " "))
        )
        axes.xaxis.set_minor_locator(NullLocator())
    return sheet


def noise_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Base and new accuracy over epochs under noise."""
    names = {std: "no noise" if not std else f"std {std:g}" for std in table["noise"].unique()}
    return _over_epochs(
        table.assign(series=table["noise"].map(names)),
        _caption(
            about,
            f"{about.method} under noise while training",
            "Gaussian noise added to every value of the prompt in each training step, std in units "
            "of token embeddings; scored without noise, epoch 0 before training",
        ),
    )


def quantization_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Base and new accuracy over epochs with k-means quantization."""
    names = {bits: _bits(bits)[2:] or "not quantized" for bits in table["bits"].unique()}
    return _over_epochs(
        table.assign(series=table["bits"].map(names)),
        _caption(
            about,
            f"{about.method} quantized while training",
            "k-means, constrained adaptive clustering, straight-through gradient; scored as "
            "quantized, epoch 0 before training",
        ),
    )


def histograms_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Ridges of the prompt's values, one an epoch, the first above."""
    epochs = list(table["epoch"].unique())
    sheet = Sheet(
        _caption(
            about,
            f"Values of the {about.method} prompt",
            f"share of the values in each of {len(table) // len(epochs)} bins, seed "
            f"{table['seed'].iloc[0]} alone; heights in the same units",
        ),
        x="value (units of token embeddings)",
        ys=["epoch"],
        series=["share"],
        height=3.6,
    )
    [[axes]] = sheet.axes
    scale = _RIDGE / table["share"].max()
    for place, (epoch, rows) in enumerate(table.groupby("epoch", sort=False)):
        base = len(epochs) - 1 - place
        middles = (rows["low"] + rows["high"]) / 2
        heights = base + scale * rows["share"]
        strength = 0.25 + 0.6 * place / max(1, len(epochs) - 1)
        colour = sheet.style("share")["color"]
        edges = [*rows["low"], rows["high"].iloc[-1]]
        axes.stairs(
            heights, edges, baseline=base, fill=True, color=colour, alpha=strength, zorder=place
        )
        axes.stairs(heights, edges, baseline=base, color=colour, linewidth=0.8, zorder=place)
        texts = [
            f"epoch {epoch}, {row.low:.3f} to {row.high:.3f}: {100 * row.share:.1f} % of the values"
            for row in rows.itertuples()
        ]
        sheet.remember(axes, "share", middles, heights, texts)
    axes.set_yticks(range(len(epochs)), epochs[::-1])
    axes.set_ylim(-0.2, len(epochs) - 1 + _RIDGE + 0.1)
    return sheet


def divergence_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """KL divergence of the values' histogram from that of the epoch before."""
    sheet = Sheet(
        _caption(
            about,
            "How far the values move in an epoch",
            f"KL of the histogram of the {about.method} prompt's values from that of the epoch "
            "before, one added to each count; not quantized",
        ),
        x="epoch",
        ys=["KL divergence (nats)"],
        series=["KL"],
        height=2.2,
    )
    [[axes]] = sheet.axes
    texts = [
        f"epoch {row.epoch}: {row.kl_mean:.4f} ± {row.kl_std:.4f} nats"
        for row in table.itertuples()
    ]
    sheet.curve(axes, "KL", table["epoch"], table["kl_mean"], table["kl_std"], texts)
    axes.set_ylim(bottom=0)
    return sheet


def quantizers_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Base, new and H by bits, for each quantizer, while and after training."""
    bits = list(dict.fromkeys(table["bits"]))
    quantizers = list(dict.fromkeys(table["quantizer"]))
    modes = {"QAT": "quantized while training", "PTQ": "quantized after training"}
    sheet = Sheet(
        _caption(
            about,
            f"Quantizers on {about.method}, by bits",
            "of the packed file; Gaussian noise has the variance of k-means' error at as many bits "
            "and stores values, not indices",
        ),
        x="bits a value",
        ys=list(_SCORES.values()),
        series=[QUANTIZERS[name] for name in quantizers],
        columns=list(modes.values()),
        marks=True,
    )
    for row, score in zip(sheet.axes, _SCORES, strict=True):
        for axes, mode in zip(row, modes, strict=True):
            for place, name in enumerate(quantizers):
                own = table[(table["training"] == mode) & (table["quantizer"] == name)]
                aside = 0.09 * (place - (len(quantizers) - 1) / 2)
                xs = [bits.index(value) + aside for value in own["bits"]]
                texts = [
                    f"{QUANTIZERS[name]}, {mode}{_bits(one.bits)}: {_scored(one)}"
                    for one in own.itertuples()
                ]
                sheet.marks(
                    axes, QUANTIZERS[name], xs, own[score], own[_STDS[score]], texts, joined=True
                )
    sheet.categories([str(value) for value in bits])
    return sheet


def spectrum_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """Information density, effective rank and new accuracy over epochs."""
    sheet = Sheet(
        _caption(
            about,
            "Rank and information density",
            "of the merged prompt; ID_1 is the largest singular value's share in their sum, the "
            "effective rank the exponential of the shares' entropy",
        ),
        x="epoch",
        ys=["ID_1", "effective rank", "new accuracy (%)"],
        series=list(dict.fromkeys(table["title"])),
    )
    for [axes], name in zip(sheet.axes, ("density", "rank", "new"), strict=True):
        for title, rows in table.groupby("title", sort=False):
            means, stds = rows[f"{name}_mean"], rows[f"{name}_std"]
            texts = [
                f"{title}, epoch {row.epoch}: ID_1 {row.density_mean:.3f}, effective rank "
                f"{row.rank_mean:.2f}, new {row.new_mean:.1f} %"
                for row in rows.itertuples()
            ]
            sheet.curve(axes, title, rows["epoch"], means, stds, texts)
    return sheet


def ablation_figure(table: pd.DataFrame, about: Conditions) -> Sheet:
    """What each ingredient of the quantizer does."""
    sheet = Sheet(
        _caption(
            about,
            "What each part of the quantizer does",
            f"{about.method}; without CAC the codebook is made anew after every step that moves an "
            "index (our reading)",
        ),
        x="",
        ys=list(_SCORES.values()),
        series=["score"],
        height=1.4,
    )
    for [axes], score in zip(sheet.axes, _SCORES, strict=True):
        texts = [f"{row.stage}: {_scored(row)}" for row in table.itertuples()]
        places = range(len(table))
        sheet.marks(axes, "score", places, table[score], table[_STDS[score]], texts)
    sheet.categories([_broken(stage) for stage in table["stage"]])
    return sheet


def _over_epochs(table: pd.DataFrame, caption: Caption) -> Sheet:
    """Base above new accuracy, a curve for each series; the first is the reference."""
    sheet = Sheet(
        caption,
        x="epoch",
        ys=["base accuracy (%)", "new accuracy (%)"],
        series=list(dict.fromkeys(table["series"])),
        reference=True,
    )
    for [axes], half in zip(sheet.axes, ("base", "new"), strict=True):
        for name, rows in table.groupby("series", sort=False):
            means, stds = rows[f"{half}_mean"], rows[f"{half}_std"]
            texts = [f"{name}, epoch {row.epoch}: {_scored(row)}" for row in rows.itertuples()]
            sheet.curve(axes, name, rows["epoch"], means, stds, texts)
    return sheet


def _caption(about: Conditions, title: str, note: str) -> Caption:
    spread = "mean ± 1 std over seeds" if about.seeds > 1 else "one seed: spread unknown"
    return Caption(title, about.text, f"{note}; {spread}", f"$ {about.command}")


def _scored(row) -> str:
    """For instance "base 86.5 ± 0.3, new 79.7 ± 1.1, H 83.0 ± 0.7 %"."""
    parts = [
        f"{name} {plus_minus(getattr(row, mean), getattr(row, std), row.n_seeds)}"
        for name, (mean, std) in zip(("base", "new", "H"), _STDS.items(), strict=True)
    ]
    return f"{', '.join(parts)} %"


def _broken(stage: str) -> str:
    """In two lines where there are two long words."""
    return stage.replace(" ", "\n") if len(stage) > 12 else stage


def _bits(bits: int) -> str:
    return f", {bits} bit{'s' if bits > 1 else ''}" if bits else ""


_FIGURES = {
    "storage": storage_figure,
    "quantizers": quantizers_figure,
    "noise": noise_figure,
    "quantization": quantization_figure,
    "histograms": histograms_figure,
    "spectrum": spectrum_figure,
    "divergence": divergence_figure,
    "ablation": ablation_figure,
}
"""In the order of the page, where two of about the same height stand side by side."""
