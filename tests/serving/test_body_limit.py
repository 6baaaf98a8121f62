"""Bodies are bounded each and together, while they are read."""

from __future__ import annotations

import asyncio

import pytest

from vlprompt_pipeline.registry.limits import RequestLimits, RequestTooLargeError
from vlprompt_pipeline.serving.body_limit import BodyLimit
from vlprompt_pipeline.serving.labeller import BusyError

CHUNK = b"x" * 100


async def _nothing(message: object) -> None:
    """Nobody listens to the answer."""


def scope(**headers: str) -> dict:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": named}


async def chunk() -> dict:
    return {"type": "http.request", "body": CHUNK, "more_body": True}


def test_all_bodies_together_are_bounded_and_what_is_done_counts_no_more():
    async def run() -> list[str]:
        said, go_on = [], asyncio.Event()

        async def application(scope, receive, send):
            for _ in range(3):
                await receive()
            said.append("held")
            await go_on.wait()

        limit = BodyLimit(application, RequestLimits(bytes=1000), together=500)
        first = asyncio.create_task(limit(scope(), chunk, _nothing))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await limit(scope(), chunk, _nothing)  # 300 bytes are held, and the third chunk is 600
        go_on.set()
        await first
        await limit(scope(), chunk, _nothing)
        return said

    assert asyncio.run(run()) == ["held", "held"]


def test_what_is_announced_is_refused_before_it_is_read():
    read = []

    async def watched() -> dict:
        read.append(1)
        return await chunk()

    async def application(scope, receive, send):
        await receive()

    limit = BodyLimit(application, RequestLimits(bytes=150), together=500)
    with pytest.raises(RequestTooLargeError, match="more than 150 B"):
        asyncio.run(limit(scope(content_length="151"), watched, _nothing))
    assert read == []
    asyncio.run(limit(scope(content_length="150"), watched, _nothing))
    assert read == [1]
