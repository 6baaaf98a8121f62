"""What a server tells Prometheus."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from starlette.requests import ClientDisconnect

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one server; memory and processor time of its process are among them."""

    def __init__(self, model: str, version: str) -> None:
        """Name the model in `vlprompt_model_info`."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        info = Info("vlprompt_model", "The model that is served", registry=registry)
        info.info({"name": model, "version": version})
        self.requests = Counter(
            "vlprompt_requests",
            "Requests to /predict by HTTP status",
            ["status"],
            registry=registry,
        )
        self.images = Counter(
            "vlprompt_images",
            "Images by outcome: labelled, none, refused",
            ["outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "vlprompt_request_seconds",
            "From a request to its answer",
            registry=registry,
            buckets=_SECONDS,
        )
        self.batch = Histogram(
            "vlprompt_batch_images", "Images in one call", registry=registry, buckets=_SIZES
        )
        self.waiting = Gauge("vlprompt_waiting_images", "Images under way", registry=registry)


class Measured:
    """ASGI middleware: counts the requests to one path, with their status and their time."""

    def __init__(self, app: Any, metrics: Metrics, path: str) -> None:
        """Count for `metrics` what is asked at `path`."""
        self._app, self._metrics, self._path = app, metrics, path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, and look at its answer; who left meanwhile needs none."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        def count(status: int) -> None:
            self._metrics.seconds.observe(time.perf_counter() - began)
            self._metrics.requests.labels(status).inc()

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception:  # which Starlette answers further outside
            count(500)
            raise
