"""Stop reading a request as soon as it is larger than is allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from vlprompt_pipeline.registry.limits import RequestLimits
from vlprompt_pipeline.serving.labeller import BusyError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BodyLimit:
    """ASGI middleware: bounds the body of each request, and all bodies together.

    What is beyond raises the error that the application answers with, before it is kept.
    """

    def __init__(self, app: Any, limits: RequestLimits, together: int) -> None:
        """Take at most `limits.bytes` of one request and `together` of all under way."""
        self._app, self._limits, self._together = app, limits, together
        self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Any) -> None:
        """Pass the request on, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken, announced = 0, dict(scope["headers"]).get(b"content-length", b"0")

        async def counted() -> Message:
            nonlocal taken
            self._limits.require_bytes(int(announced) if announced.isdigit() else 0)
            message = await receive()
            size = len(message.get("body", b""))
            taken += size
            self._held += size
            self._limits.require_bytes(taken)
            if self._held > self._together:
                raise BusyError
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= taken
