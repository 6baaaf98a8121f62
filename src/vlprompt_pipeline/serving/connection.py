"""Close connections that keep the server waiting, so that a few clients cannot take all of them."""

from __future__ import annotations

from asyncio import Transport

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """A connection on which a request has to arrive.

    uvicorn closes one that is silent between two requests, but waits for ever for the first request
    and for the rest of one. Its other protocol, httptools, takes headers without an end.
    """

    def connection_made(self, transport: Transport) -> None:
        """Look at it from now on."""
        super().connection_made(transport)
        self._received = 0
        self._look()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a body; those of a head are no progress until it is whole."""
        super().data_received(data)
        if self._has_request() and self.cycle.more_body:
            self._received += len(data)

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self, before: tuple[object, int] | None = None) -> None:
        """Close it if a request is awaited of which nothing came since the look before."""
        now = (self.cycle, self._received)
        is_answering = self._has_request() and not self.cycle.more_body
        if now == before and not is_answering:
            self.transport.close()
        elif not self.transport.is_closing():
            self.loop.call_later(self.timeout_keep_alive, self._look, now)
