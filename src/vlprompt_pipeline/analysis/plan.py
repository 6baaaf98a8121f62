"""What an analysis trains: for each of its parts the variants of a recipe, each with every seed.

A variant often serves several parts; it is trained once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlprompt_pipeline.analysis.config import AnalysisParameters
from vlprompt_pipeline.analysis.runs import Run
from vlprompt_pipeline.methods import Recipe, resolve_recipe
from vlprompt_pipeline.parametrizations import QuantizeConfig
from vlprompt_pipeline.parametrizations.noise import NoiseConfig

ABLATION = {
    "k-means": {"normalise": False, "min_interval_steps": 1, "kl_threshold": 0.0},
    "+ normalise": {"min_interval_steps": 1, "kl_threshold": 0.0},
    "+ CAC": {},
}
"""Stages of the published ablation. Without constrained adaptive clustering the codebook is made
anew after every step that moved an index: our reading, for the paper does not say."""


@dataclass(frozen=True)
class Variant:
    """A recipe in a part; `labels` are the columns that tell it from the others there."""

    labels: Mapping[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Plan:
    """Variants of each part, and the seeds of each variant.

    Attributes:
        plain: the recipe that is looked into, neither quantized nor disturbed.
        storage, noise, quantization, quantizers, spectrum, ablation, heads: what the parts
            compare; a head of 0 bits is not quantized.
    """

    plain: Recipe
    storage: tuple[Variant, ...]
    noise: tuple[Variant, ...]
    quantization: tuple[Variant, ...]
    quantizers: tuple[Variant, ...]
    spectrum: tuple[Variant, ...]
    ablation: tuple[Variant, ...]
    heads: tuple[Variant, ...]
    seeds: tuple[int, ...]

    def runs(self) -> dict[Run, bool]:
        """Return every run once, with whether some part follows it through the epochs."""
        runs: dict[Run, bool] = {}
        followed = (*self.noise, *self.quantization, *self.spectrum)
        others = (*self.quantizers, *self.ablation, *self.storage, *self.heads)
        for variant in (*followed, *others):
            for seed in self.seeds:
                runs.setdefault(Run.of(variant.recipe, seed), variant in followed)
        return runs


def make_plan(
    analysis: AnalysisParameters, recipes: Mapping[str, Mapping[str, Any]], first_seed: int
) -> Plan:
    """Return the variants that the parameters ask for.

    Raises:
        ConfigError: a recipe is not what it should be.
    """
    named = {name: resolve_recipe(name, recipes) for name in analysis.recipes()}
    plain = named[analysis.method].model_copy(update={"quantize": None, "noise": None})
    by_bits = {bits: _quantized(plain, bits) for bits in analysis.bits}
    return Plan(
        plain=plain,
        storage=(
            *(Variant(_titled(named[name], 0), named[name]) for name in analysis.storage),
            *(Variant(_titled(plain, bits), recipe) for bits, recipe in by_bits.items()),
        ),
        noise=tuple(_noisy(plain, (0.0, *analysis.noise))),
        quantization=(
            Variant({"bits": 0}, plain),
            *(Variant({"bits": bits}, recipe) for bits, recipe in by_bits.items()),
        ),
        quantizers=tuple(
            Variant({"quantizer": name, "bits": bits}, _quantized(plain, bits, quantizer=name))
            for name in analysis.quantizers
            for bits in analysis.bits
        ),
        spectrum=tuple(
            Variant({"title": named[name].title}, named[name]) for name in analysis.spectrum
        ),
        ablation=tuple(
            Variant({"stage": stage}, _quantized(plain, analysis.ablation_bits, **settings))
            for stage, settings in ABLATION.items()
        ),
        heads=tuple(
            variant
            for name in analysis.heads
            for variant in _head(resolve_recipe(name, recipes), analysis.head_bits)
        ),
        seeds=tuple(range(first_seed, first_seed + analysis.seeds)),
    )


def _quantized(plain: Recipe, bits: int, **settings: Any) -> Recipe:
    return plain.model_copy(update={"quantize": QuantizeConfig(bits=bits, **settings)})


def _head(recipe: Recipe, all_bits: tuple[int, ...]) -> Iterator[Variant]:
    """Plan a head without quantization and, where it is trained, with it while training."""
    plain = recipe.model_copy(update={"quantize": None})
    yield Variant({"title": recipe.title, "bits": 0}, plain)
    for bits in all_bits if recipe.training else ():
        yield Variant({"title": recipe.title, "bits": bits}, _quantized(plain, bits))


def _noisy(plain: Recipe, strengths: tuple[float, ...]) -> Iterator[Variant]:
    for std in strengths:
        noise = NoiseConfig(std=std) if std else None
        yield Variant({"noise": std}, plain.model_copy(update={"noise": noise}))


def _titled(recipe: Recipe, bits: int) -> dict[str, Any]:
    """Return labels in the part of storage; `bits` only for the row of codebooks by size."""
    title = recipe.title if not bits else f"{recipe.title}, quantized"
    return {"title": title, "bits": bits}
