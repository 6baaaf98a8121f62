"""How tensors are quantized, as the `quantize` section of a recipe says it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parametrizations.clustering import Floats
from vlprompt_pipeline.parametrizations.rate import entries_at_rate
from vlprompt_pipeline.parametrizations.registry import QUANTIZERS, Start, require_quantizer
from vlprompt_pipeline.parsing import Parameters

QuantizerName = Annotated[str, AfterValidator(require_quantizer)]


class QuantizeConfig(Parameters):
    """How a tensor is quantized.

    Attributes:
        quantizer: `kmeans` (QPrompt); `lloyd_max`, `uniform` (min-max), `symmetric` and
            `power_of_two`, codebooks of `quantizers`; `stochastic`: as uniform, but in training a
            value goes to the entry below or above by chance, the nearer the likelier; `gaussian`:
            no quantization, but in training noise of the variance of k-means' error at `bits`.
        bits: per value; a codebook has 2**bits entries.
        rate: about how many bits an index takes once it is entropy-coded, fewer than `bits`: the
            codebook has evenly spaced cells of the size for that (module `rate`). None: k-means'
            entries, which are used about equally often.
        normalise: fit the codebook to (W - mean) / std of the values that share it, and scale back
            by the mean and std of the moment, so that it follows them between clusterings.
        codebook: one for the whole tensor, for each row (along the last dimension), for each
            group of `group_size` consecutive values; or `scaled`: one for values in units of their
            row and column (module `scaled`), which outlier columns do not spoil. `auto` chooses
            from the values themselves (module `structured`): where no column is an outlier and the
            tensor is no classifier it is `tensor`.
        outliers: `keep` stores columns six times larger than the median column in half precision;
            with `codebook` `tensor` or `scaled`.
        centre: take the mean over rows off and do not store it: no prediction of a linear
            classifier depends on it. For other tensors it changes what they are.
        moment: `few_shot` chooses codes and scales of a matrix that image features are multiplied
            with by what their error does to the products with the few-shot images, `none` by the
            error of the values.
        group_size: of `codebook: group`; a smaller tensor is one group.
        start: where the iteration of `lloyd_max` begins.
        post_training: train without, and quantize the trained tensor.
        min_interval_steps: training steps that a clustering stays in force at least. Not published;
            our choice where none is given: one epoch.
        kl_threshold: drift of the index histogram, in nats, above which the tensor is clustered
            anew. Not published; 0.05 is our tentative choice, untested on the published datasets:
            with 1 bit it is reached when a sixth of the values have changed sides.

    Example:
        >>> from vlprompt_pipeline.parametrizations import QuantizeConfig
        >>> QuantizeConfig(bits=2, codebook="group", group_size=64).quantizer
        'kmeans'
    """

    quantizer: QuantizerName = "kmeans"
    bits: int = Field(ge=1, le=8)
    rate: float | None = Field(default=None, gt=0)
    normalise: bool = True
    codebook: Literal["auto", "tensor", "row", "group", "scaled"] = "auto"
    group_size: int | None = Field(default=None, ge=1)
    start: Start = "quantiles"
    outliers: Literal["quantize", "keep"] = "quantize"
    centre: bool = False
    moment: Literal["none", "few_shot"] = "none"
    post_training: bool = False
    min_interval_steps: int | None = Field(default=None, ge=1)
    kl_threshold: float = Field(default=0.05, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.codebook == "group") != (self.group_size is not None):
            raise ValueError("group_size goes with codebook: group, give both or neither")
        if self.rate is not None and not (self.bits > 1 and self.rate < self.bits):
            raise ValueError(f"rate {self.rate:g} is not below bits {self.bits}, which are 2 to 8")
        if self.quantizer != "kmeans" and (self.rate is not None or self.moment == "few_shot"):
            raise ValueError("rate and moment make codebooks of their own: leave quantizer away")
        if self.rate is not None and self.codebook in ("row", "group"):
            raise ValueError("rate goes with codebook: auto, tensor or scaled")
        if self.asks_for_columns and self.codebook in ("row", "group"):
            raise ValueError("outliers: keep and centre go with codebook: tensor or scaled")
        if self.moment == "few_shot" and self.codebook not in ("auto", "scaled"):
            raise ValueError("moment: few_shot goes with codebook: auto or scaled")
        if self.moment == "few_shot" and self.outliers == "keep":
            raise ValueError("moment: few_shot chooses codes for all columns: leave outliers away")
        if self.asks_for_columns and QUANTIZERS[self.quantizer].parametrization:
            raise ValueError(f"{self.quantizer} has one plain codebook: leave scales and outliers")
        if self.post_training and not QUANTIZERS[self.quantizer].post_training:
            raise ValueError(
                f"{self.quantizer} is noise in training, there is nothing to do afterwards"
            )
        return self

    @property
    def code(self) -> tuple[Callable[..., Any], ...]:
        """What the quantizer of this name is made of, as `Recipe.code`."""
        kind = QUANTIZERS[self.quantizer]
        return (kind.fit, kind.parametrization) if kind.parametrization else (kind.fit,)

    @property
    def asks_for_columns(self) -> bool:
        """Whether columns are told apart in any case."""
        return self.codebook == "scaled" or self.outliers == "keep" or self.centre

    @property
    def structured(self) -> bool:
        """Whether columns may be told apart."""
        plain = QUANTIZERS[self.quantizer].parametrization is None
        return self.asks_for_columns or (self.codebook == "auto" and plain)

    def of_classifier(self, mean_free: bool) -> QuantizeConfig:
        """Return the configuration for a matrix that image features are multiplied with.

        Args:
            mean_free: whether no prediction depends on the mean over its rows.
        """
        if self.codebook != "auto" or not self.structured:
            return self
        return self.model_copy(update={"codebook": "scaled", "centre": mean_free or self.centre})

    def codebooks(self, shape: Sequence[int], name: str = "the tensor") -> int:
        """Return how many codebooks a tensor of that shape has.

        Raises:
            ConfigError: groups do not fill it.
        """
        values = math.prod(shape)
        if self.codebook in ("auto", "tensor", "scaled") or not shape:
            return 1
        size = shape[-1] if self.codebook == "row" else min(self.group_size, values)
        if values % size:
            raise ConfigError(
                f"quantize.group_size: groups of {size} do not fill the {values} values of {name}; "
                "give a divisor of that number"
            )
        return values // size

    def fit(self, values: Floats) -> Floats:
        """Return the entries of a codebook `[2**bits]` for the values that share it, ascending.

        Raises:
            ConfigError: the quantizer gives something else.
        """
        entries = 2**self.bits
        if self.rate is not None:
            return entries_at_rate(values, entries, self.rate)
        fitted = np.asarray(QUANTIZERS[self.quantizer].fit(values, entries, self.start), float)
        if fitted.shape != (entries,) or not np.isfinite(fitted).all():
            raise ConfigError(
                f"quantize.quantizer: {self.quantizer} gives {reprlib.repr(fitted.tolist())} for a "
                f"codebook: its fit has to return {entries} finite numbers"
            )
        return np.sort(fitted)
