"""The HTTP interface: /predict, /model, /health, /metrics, and /docs that explains them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi_swagger import patch_fastapi
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from vlprompt_pipeline import __version__
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.limits import RequestTooLargeError
from vlprompt_pipeline.serving.body_limit import BodyLimit
from vlprompt_pipeline.serving.labeller import BusyError, Labeller
from vlprompt_pipeline.serving.metrics import Measured, Metrics
from vlprompt_pipeline.serving.requests import BODIES, PredictAnswer, read_request
from vlprompt_pipeline.serving.settings import ServingSettings

if TYPE_CHECKING:
    from vlprompt_pipeline.inference import ImageModel

_BUSY = "the server is busy: send the request again in a second"
_STOPPED = "the server was stopped: send the request again later"
_FAILED = "the server failed on this request: its log says why"


class StoppedError(Exception):
    """The server is told to stop, and has waited long enough for a request to end."""


class Refusal(BaseModel):
    """Why a request as a whole was not answered."""

    error: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "the request is not understood"},
    413: {"model": Refusal, "description": "the request is larger than is allowed"},
    503: {
        "model": Refusal,
        "description": "the server is busy, and Retry-After says when to come, or was stopped",
    },
}


def create_app(model: ImageModel, settings: ServingSettings) -> FastAPI:
    """Make the application of one model.

    Args:
        model: as `inference.open_model` opens it.
        settings: limits and batches.
    """
    metrics = Metrics(model.name, model.version)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.labeller = Labeller(model, settings, metrics)
        yield
        app.state.labeller.close()

    app = FastAPI(
        title=f"{model.name}, version {model.version}",
        description="Labels images; one that cannot be read has a problem in place of a label.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages take their layout from another server
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    patch_fastapi(app)  # the same page at /docs, with files of this one
    app.add_middleware(BodyLimit, limits=settings.limits, together=settings.bodies)
    _answer_errors(app)
    app.add_middleware(Measured, metrics=metrics, path="/predict")

    @app.post("/predict", openapi_extra=BODIES, responses=_REFUSALS)
    async def predict(request: Request) -> PredictAnswer:
        """Label images: base64 in JSON, files of a form, or one image as the body."""
        try:
            read = await read_request(request, settings.limits)
            label, names = request.app.state.labeller.label, tuple(read.class_names)
            rows = await label(read.images, names, read.top_k, read.accuracy)
        except asyncio.CancelledError:  # uvicorn cancels what is left after its time to stop
            raise StoppedError from None
        return PredictAnswer(model=model.name, version=model.version, predictions=rows)

    @app.get("/model")
    async def describe() -> dict[str, Any]:
        """Tell the model, its classes, how it says none, and the limits on a request."""
        limits = {f"max_{name}": value for name, value in vars(settings.limits).items()}
        return {
            "model": model.name,
            "version": model.version,
            "class_names": list(model.class_names),
            "rejection": model.rejection and model.rejection.model_dump(mode="json"),
            "limits": limits,
        }

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Tell whether the server takes requests."""
        return {"status": "ok", "model": model.name, "version": model.version}

    @app.get("/metrics")
    async def tell_metrics() -> Response:
        """Tell counters as Prometheus reads them."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _answer_errors(app: FastAPI) -> None:
    """Answer errors by a sentence: those from 400 on are the sender's, 503 passes, 500 is ours."""

    @app.exception_handler(UserError)
    async def refuse(request: Request, error: UserError) -> JSONResponse:
        status = 413 if isinstance(error, RequestTooLargeError) else 400
        return JSONResponse({"error": str(error)}, status)

    @app.exception_handler(HTTPException)
    async def no_such_address(request: Request, error: HTTPException) -> JSONResponse:
        what = f"{request.method} {request.url.path}"
        sentence = f"{what} is none of this server's requests: /docs has them"
        return JSONResponse({"error": sentence}, error.status_code, error.headers)

    @app.exception_handler(BusyError)
    async def put_off(request: Request, error: BusyError) -> JSONResponse:
        return JSONResponse({"error": _BUSY}, 503, {"Retry-After": "1"})

    @app.exception_handler(StoppedError)
    async def stop(request: Request, error: StoppedError) -> JSONResponse:
        return JSONResponse({"error": _STOPPED}, 503)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": _FAILED}, 500)
