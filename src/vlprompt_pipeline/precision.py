"""Precision of the frozen towers by name, and what it is by default on a kind of device."""

from __future__ import annotations

from typing import Literal, get_args

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
        ConfigError: there is no such setting, or the device does not compute so.
    """
    if setting not in get_args(PrecisionSetting):
        allowed = ", ".join(get_args(PrecisionSetting))
        raise ConfigError(f"precision: unknown {setting!r}; allowed: {allowed}")
    if setting == "auto":
        return DEFAULT_PRECISION.get(device, "fp32")
    if setting == "tf32" and device != "cuda":
        raise ConfigError(f"precision: tf32 is of NVIDIA GPUs, not of {device}; use fp32 or bf16")
    return setting
