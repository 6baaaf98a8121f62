"""Read a request: JSON, a form with files, or the bytes of one image."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.parsing import first_fault
from vlprompt_pipeline.registry.limits import NAME_LENGTH, RequestLimits, RequestTooLargeError
from vlprompt_pipeline.rejection import NONE

TOP = 5  # labels an image: our choice
_COMMAS = 100_000  # of JSON, beside those that a request within its limits may need: our choice


class Prediction(BaseModel):
    """What is said of one image; of one that could not be read, the problem alone."""

    label: str | None = Field(
        description=f"the best label; {NONE!r} for an image of none of the classes, where the "
        "model was calibrated to say so"
    )
    score: float | None = Field(description="its score: the softmax over the classes")
    top_labels: list[str] = Field(description="the best labels, the best first")
    top_scores: list[float]
    label_set: list[str] | None = Field(
        default=None, description="labels that cannot be ruled out, of a model with conformal sets"
    )
    problem: str | None = Field(description="why there is no label")


class PredictAnswer(BaseModel):
    """A prediction for each image, in order, and what made it."""

    model: str
    version: str
    predictions: list[Prediction]


class PredictRequest(BaseModel):
    """Images with the parameters of the call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    images: list[Any] = Field(
        description="base64 or data-URLs of image files; paths and addresses are not opened",
        min_length=1,
    )
    class_names: Annotated[list[str], FailFast()] = Field(
        default=[], description="classes to tell apart instead of the model's own"
    )
    top_k: int = Field(default=TOP, ge=1, description="labels for each image")
    accuracy: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of right answers wanted among the images that are given a label; the "
        f"others are {NONE!r}",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_one_unknown(cls, given: Any) -> Any:
        """Leave one unknown parameter to be refused; pydantic takes a kilobyte to describe each."""
        if isinstance(given, dict):
            for name in [name for name in given if name not in cls.model_fields][1:]:
                del given[name]
        return given


_validate_texts = partial(PredictRequest.model_validate, strict=False)  # numbers are texts in forms
_SCHEMA = PredictRequest.model_json_schema()
_PARAMETERS = {name: of for name, of in _SCHEMA["properties"].items() if name != "images"}
_NUMBERS = ("top_k", "accuracy")
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_FORM = {"type": "object", "properties": {"images": _FILES, **_PARAMETERS}, "required": ["images"]}

BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SCHEMA},
            "multipart/form-data": {"schema": _FORM},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": "beside a body that is an image",
        }
        for name, schema in _PARAMETERS.items()
    ],
}
"""For the OpenAPI page: the three bodies that `read_request` takes."""


async def read_request(request: Request, limits: RequestLimits) -> PredictRequest:
    """Read a request in any of the three forms, and hold it to the limits.

    Raises:
        ConfigError: a parameter is unknown or of the wrong type.
        DataError: it is too large, or of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_image = kind.startswith("image/") or kind == "application/octet-stream"
    if request.query_params and not is_image:
        raise ConfigError(
            f"the address has the parameter {next(iter(request.query_params))!r}: parameters stand "
            "in the body, but for a body that is an image"
        )
    if kind == "application/json":
        body = await request.body()
        _require_few_values(body, limits)
        read = await asyncio.to_thread(_checked, PredictRequest.model_validate_json, body)
    elif kind == "multipart/form-data":
        read = await _of_form(request, limits)
    elif is_image:
        given = _listed(request.query_params.multi_items())
        given["images"] = [await request.body()]
        read = _checked(_validate_texts, given)
    else:
        raise DataError(
            f"a body of the type {kind or 'nothing'} is not read: send application/json, "
            "multipart/form-data or an image"
        )
    limits.require_request(read.images, read.class_names)
    return read


def _require_few_values(body: bytes, limits: RequestLimits) -> None:
    """Refuse JSON of so many values that it would take 40 times its size once it is parsed.

    An empty list is 3 bytes in the body, and 100 in memory. A data-URL has a comma of its own.

    Raises:
        RequestTooLargeError: with how many there are.
    """
    most = _COMMAS + 2 * limits.rows + NAME_LENGTH * limits.classes
    if (commas := body.count(b",")) > most:
        raise RequestTooLargeError(
            f"the request holds {commas + 1:,} values, which no request of {limits.rows:,} images "
            f"and {limits.classes:,} class names needs: send several requests"
        )


async def _of_form(request: Request, limits: RequestLimits) -> PredictRequest:
    try:
        async with request.form(max_files=limits.rows, max_fields=limits.classes + 3) as form:
            items = [
                (name, await value.read() if isinstance(value, UploadFile) else value)
                for name, value in form.multi_items()
            ]
    except HTTPException as error:
        raise DataError(f"this form cannot be read ({error.detail.rstrip('.')})") from None
    return _checked(_validate_texts, _listed(items))


def _listed(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Collect values of a form or an address by name: lists, or one where a number is meant."""
    given: dict[str, Any] = {}
    for name, value in items:
        if name in _NUMBERS:
            given[name] = value
        else:
            given.setdefault(name, []).append(value)
    return given


def _checked(validate: Callable[[Any], PredictRequest], given: Any) -> PredictRequest:
    try:
        return validate(given)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Say the first thing that is wrong, by the name of its parameter."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))[:NAME_LENGTH]
    if first["type"] == "extra_forbidden":
        parameters = list(PredictRequest.model_fields)
        close = get_close_matches(name, parameters, n=1)
        meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(parameters)}"
        return f"unknown parameter {name!r}: {meant}"
    if first["type"] == "missing":
        return f"the parameter {name!r} is missing"
    return first_fault(error)
