"""The parameters of an analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import get_method, resolve_recipe
from vlprompt_pipeline.parametrizations.config import QuantizerName
from vlprompt_pipeline.parsing import Once, Parameters, Several
from vlprompt_pipeline.protocols import get_protocol

Bits = Annotated[int, Field(ge=1, le=8)]
Strength = Annotated[float, Field(gt=0)]


class AnalysisParameters(Parameters):
    """What is compared, and on which method.

    Attributes:
        method: recipe of the host, whose prompt is disturbed, quantized and looked into.
        seeds: how many, counted from the seed of the run.
        storage: recipes to compare by size.
        spectrum: recipes whose rank and information density are followed.
        noise: standard deviations, in units of token embeddings.
        bits: of the codebooks; quantizers: by their names.
        heads: recipes whose classifiers and matrices are quantized; head_bits: of their codebooks.
        ablation_bits: of the codebook whose making is taken apart.
        histogram_every: epochs between two histograms; bins: of each.
        prompts_at_once: prompts times classes in one batch of the text tower, at most.
    """

    method: str
    seeds: int = Field(ge=1)
    storage: Annotated[tuple[str, ...], Several, Once]
    spectrum: Annotated[tuple[str, ...], Several, Field(min_length=1), Once]
    noise: Annotated[tuple[Strength, ...], Several, Once]
    bits: Annotated[tuple[Bits, ...], Several, Field(min_length=1), Once]
    quantizers: Annotated[tuple[QuantizerName, ...], Several, Field(min_length=1), Once]
    heads: Annotated[tuple[str, ...], Several, Field(min_length=1), Once]
    head_bits: Annotated[tuple[Bits, ...], Several, Field(min_length=1), Once]
    ablation_bits: Bits
    histogram_every: int = Field(ge=1)
    bins: int = Field(ge=2)
    prompts_at_once: int = Field(ge=1)

    def recipes(self) -> tuple[str, ...]:
        """Return every recipe of a prompt that is named, the host first, each once."""
        return tuple(dict.fromkeys((self.method, *self.spectrum, *self.storage)))


def check_analysis(analysis: AnalysisParameters, recipes: Mapping[str, Any], protocol: str) -> None:
    """Refuse what cannot be analysed.

    Raises:
        ConfigError: an unknown recipe, one that learns no prompt, one that cannot be followed where
            it must be, two of one title, or a protocol that holds no class out.
    """
    if not get_protocol(protocol).holds_classes_out:
        raise ConfigError(
            f"protocol is {protocol}: the analysis compares base with new classes, so set it to "
            "base_to_new"
        )
    for name in analysis.heads:
        recipe = resolve_recipe(name, recipes)
        if not (recipe.training or get_method(recipe.method).learner.fitted):
            raise ConfigError(f"analysis.heads: {name} has no tensors to quantize; leave it out")
    for name in (analysis.method, *analysis.heads):
        if resolve_recipe(name, recipes).projected:
            raise ConfigError(
                f"analysis: {name} has 4 bits a number by itself, so it is no host and no head; "
                "name it in storage or spectrum"
            )
    for names in (analysis.storage, analysis.spectrum, analysis.heads):
        called: dict[str, str] = {}
        for name in names:
            title = resolve_recipe(name, recipes).title
            if called.setdefault(title, name) != name:
                raise ConfigError(
                    f"analysis: {called[title]} and {name} are both called {title}, by which "
                    "tables and figures tell them apart; give one of them another title"
                )
    followed = (analysis.method, *analysis.spectrum)
    for name in analysis.recipes():
        recipe = resolve_recipe(name, recipes)
        learner = get_method(recipe.method).learner
        if learner.fitted or recipe.bound_to_classes:
            raise ConfigError(
                f"analysis: {name} takes all images at once or knows no new classes; name recipes "
                "that learn prompts, or it in heads"
            )
        readable = recipe.training and learner.reads == "features" and learner.contexts
        if name in followed and not readable:
            raise ConfigError(
                f"analysis: {name} learns no text prompt from image features, so name it in "
                "storage alone"
            )
