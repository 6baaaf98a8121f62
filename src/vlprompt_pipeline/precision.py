"""Precision of the frozen towers by name, and what it is by default on a kind of device."""

from __future__ import annotations

from typing import Literal

from vlprompt_pipeline.errors import ConfigError

Precision = Literal["fp32", "tf32", "bf16", "fp16-amp"]
PrecisionSetting = Literal["auto", "fp32", "tf32", "bf16", "fp16-amp"]

DEFAULT_PRECISION: dict[str, Precision] = {"cuda": "bf16"}
"""What `auto` means by kind of device, where that is not `fp32` (our choice).

Published CLIP computes in fp16 on a GPU. bf16 needs no scaled loss and is as fast there; prompts
trained in it on a CPU are as accurate as in fp32, within the spread over seeds
(docs/performance.md).
"""


def resolve_precision(setting: PrecisionSetting, device: str) -> Precision:
    """Say what a setting means on a kind of device.

    Raises:
        ConfigError: the device does not compute so.
    """
    if setting == "auto":
        return DEFAULT_PRECISION.get(device, "fp32")
    if setting == "tf32" and device != "cuda":
        raise ConfigError(f"precision: tf32 is of NVIDIA GPUs, not of {device}; use fp32 or bf16")
    return setting
