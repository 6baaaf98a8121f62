"""Turn a graph into an ONNX model, and that into smaller ones."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.lazy import require_extra

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""Version of the ONNX operators: the lowest that torch's exporter writes, so the most readable."""
BATCH = 16
"""Images that pass at once while ranges are taken (our choice)."""
BLOCK = 32
"""Weights that share a scale in 4 bits: the smallest block that onnxruntime's kernels take."""


def export_graph(graph: nn.Module, example: Tensor, names: tuple[str, ...]) -> onnx.ModelProto:
    """Export a graph with one input whose first dimension is free.

    Args:
        graph: in evaluation mode.
        example: an input with two rows or more, since the exporter takes one row for a constant.
        names: of the input, and of each output.

    Raises:
        UserError: the ONNX libraries are not installed, or the exporter made the number of rows a
            constant.
    """
    require_onnx()
    first, *outputs = names
    rows = torch.export.Dim("rows", min=1)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[first],
            output_names=outputs,
            dynamic_shapes=({0: rows},),
        )
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise UserError(
            f"this model cannot be exported: as a graph it would take {len(example)} inputs at "
            "once and no other number; a model with a ViT can be"
        )
    return model


def require_onnx() -> None:
    """Refuse where the extra is missing.

    Raises:
        UserError: with the command that installs it.
    """
    require_extra("onnx", "ONNX export", "onnx", "onnxruntime", "onnxscript")


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert weights and arithmetic to half precision; inputs and outputs stay single.

    So do layer norms, as in the published CLIP; in half, onnxruntime (1.31) crashes on some graphs.
    """
    from onnxruntime.transformers.float16 import (  # noqa: PLC0415
        DEFAULT_OP_BLOCK_LIST,
        convert_float_to_float16,
    )

    single = [*DEFAULT_OP_BLOCK_LIST, "LayerNormalization"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tells of every weight below 6e-8, which becomes that
        half = convert_float_to_float16(
            _copy(model), keep_io_types=True, disable_shape_infer=True, op_block_list=single
        )
    # a weight that two of them read is cast twice, by two nodes of one name
    unique = {node.name: node for node in reversed(half.graph.node)}
    kept = [node for node in half.graph.node if unique[node.name] is node]
    del half.graph.node[:]
    half.graph.node.extend(kept)
    return half


def to_int8(model: onnx.ModelProto, calibration: np.ndarray) -> onnx.ModelProto:
    """Convert weights by channel and activations to 8 bits, with ranges from `calibration`.

    Args:
        model: in single precision, with the input `pixel_values`.
        calibration: pixels `[images, 3, height, width]` of a few images of the task.
    """
    import onnx  # noqa: PLC0415
    from onnxruntime.quantization import (  # noqa: PLC0415
        CalibrationDataReader,
        QuantFormat,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    starts = range(0, len(calibration), BATCH)
    batches = ({"pixel_values": calibration[start : start + BATCH]} for start in starts)

    class Reader(CalibrationDataReader):
        """Hands out the images batch by batch."""

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(batches, None)

    with TemporaryDirectory() as folder, _quiet():
        source, prepared, target = (Path(folder) / name for name in ("in", "prepared", "out"))
        onnx.save_model(model, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm", "Conv"],
        )
        return onnx.load_model(target)


def to_four_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights of matrix products in 4 bits by blocks; arithmetic stays single."""
    from onnxruntime.quantization.matmul_nbits_quantizer import (  # noqa: PLC0415
        MatMulNBitsQuantizer,
    )

    with _quiet():
        quantizer = MatMulNBitsQuantizer(_copy(model), bits=4, block_size=BLOCK, is_symmetric=True)
        quantizer.process()
        return quantizer.model.model


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model, since the converters change the one they are given."""
    copied = type(model)()
    copied.CopyFrom(model)
    return copied


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the ONNX libraries, which log every step and their own deprecations."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
