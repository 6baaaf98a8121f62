"""Text features of classes in a few bits: their mean, and codes of what is left.

The codes are a tensor of the packed format with scales of rows and columns (encoding 11, or 13
where entropy coding makes it smaller): outlier columns of a real CLIP do not spoil them. The mean
is kept in half precision, so that cosines stay what they are; no prediction needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlprompt_pipeline.config import FeatureQuantization
from vlprompt_pipeline.export.tensor_bytes import read_tensor, tensor_bytes
from vlprompt_pipeline.export.tensors import StructuredTensor
from vlprompt_pipeline.export.wire import Reader, malformed
from vlprompt_pipeline.parametrizations.scaled import fit_scaled

_NAME, _MEAN, _CODES = "features", "mean", "codes"
_MAX_VALUES, _MINOR = 1 << 27, 2


@dataclass(frozen=True, eq=False)
class FeatureCodes:
    """Features `[classes, embed]` as a mean and codes.

    Attributes:
        mean: `[embed]` float16, over classes.
        codes: of what is left, without kept columns.
    """

    mean: NDArray[np.float16]
    codes: StructuredTensor

    @classmethod
    def of(cls, features: Tensor, quantization: FeatureQuantization) -> FeatureCodes:
        """Fit them to features."""
        values = features.detach().cpu().double().numpy()
        mean = values.mean(0).astype(np.float16)
        fitted = fit_scaled(values - mean, quantization.bits, rate=quantization.rate)
        none = np.zeros((len(values), 0), np.float16), np.zeros(0, np.intp)
        parts = fitted.indices, fitted.codebook, fitted.rows, fitted.columns
        return cls(mean, StructuredTensor(values.shape, *parts, *none))

    def features(self) -> Tensor:
        """Return what they stand for, `[classes, embed]` float32."""
        return torch.from_numpy(self.codes.decode() + self.mean.astype(np.float32))

    def stored(self) -> dict[str, Tensor]:
        """Return what a file of tensors holds."""
        packed = np.frombuffer(tensor_bytes(_NAME, self.codes), np.uint8)
        return {_MEAN: torch.from_numpy(self.mean), _CODES: torch.from_numpy(packed.copy())}

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor]) -> FeatureCodes:
        """Read what `stored` gave.

        Raises:
            PromptFileError: it is something else.
        """
        types = {name: tensor.dtype for name, tensor in tensors.items()}
        if types != {_MEAN: torch.float16, _CODES: torch.uint8}:
            raise malformed(f"its tensors are {types}, not the float16 {_MEAN} and uint8 {_CODES}")
        data = memoryview(tensors[_CODES].numpy().tobytes())
        codes, mean = read_tensor(_NAME, Reader(data), _MAX_VALUES, _MINOR), tensors[_MEAN]
        if not isinstance(codes, StructuredTensor) or mean.shape != codes.shape[1:]:
            raise malformed(f"codes of shape {codes.shape} do not go with {mean.numel()} means")
        return cls(mean.numpy(), codes)
