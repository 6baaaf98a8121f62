"""Precisions of the frozen towers by name, which cost no import of torch."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "tf32", "bf16", "fp16-amp"]
PrecisionSetting = Literal["auto", "fp32", "tf32", "bf16", "fp16-amp"]
