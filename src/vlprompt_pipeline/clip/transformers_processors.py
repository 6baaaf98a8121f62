"""Translate how transformers prepares images into open_clip's `preprocess_cfg`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlprompt_pipeline.errors import WeightsError

_PROCESSORS = {  # image processors with their defaults
    "CLIP": {
        "size": {"shortest_edge": 224},
        "do_center_crop": True,
        "crop_size": 224,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": (0.48145466, 0.4578275, 0.40821073),
        "image_std": (0.26862954, 0.26130258, 0.27577711),
    },
    "Siglip": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.5, 0.5, 0.5),
    },
}
_PILLOW_FILTERS = {2: "bilinear", 3: "bicubic"}


def preprocess_config(config: Mapping[str, Any], image_size: int, where: str) -> dict[str, Any]:
    """Read the `preprocess_cfg` of a `preprocessor_config.json`, for images of this size.

    Raises:
        WeightsError: it does what the image processors of CLIP and SigLIP do not.
    """
    processor = str(config.get("image_processor_type") or config.get("feature_extractor_type"))
    kind = next((kind for kind in _PROCESSORS if processor.startswith(kind)), None)
    if kind is None:
        raise WeightsError(f"{where}: the image processor {processor} is not known")
    config = {**_PROCESSORS[kind], **{k: v for k, v in config.items() if v is not None}}
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not config.get(step, True):
            raise WeightsError(f"{where}: {step} is false, so images do not fit the tower")
    if abs(config["rescale_factor"] * 255 - 1) > 1e-6:
        raise WeightsError(f"{where}: rescale_factor is {config['rescale_factor']}, not 1/255")
    if config["resample"] not in _PILLOW_FILTERS:
        raise WeightsError(f"{where}: resample is {config['resample']}, not 2 or 3")
    resize = _sides(config.get("size"))
    crop = _sides(config.get("crop_size")) if config["do_center_crop"] else {}
    squash = "height" in resize
    if {*resize.values(), *crop.values()} != {image_size} or not (squash or crop):
        raise WeightsError(
            f"{where}: images become {resize} and are cropped to {crop or 'nothing'}, but the "
            f"tower reads squares of {image_size} pixels"
        )
    return {
        "mean": config["image_mean"],
        "std": config["image_std"],
        "interpolation": _PILLOW_FILTERS[config["resample"]],
        "resize_mode": "squash" if squash else "shortest",
        "library": "transformers",
    }


def _sides(size: Any) -> Mapping[str, int]:
    if size is None:
        return {}
    return size if isinstance(size, Mapping) else {"shortest_edge": size}
