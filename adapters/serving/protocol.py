"""HTTP on a connection, within bounds: a client may be slow, silent or endless, and only its own connection suffers.

The server bounds neither the headers of a request nor the time that they may take, and it waits for ever until a
client has taken what was sent, even after it has closed the connection. Bodies and answers are bounded by the edge.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_BYTES_MAX = 32_768
"""A request line and headers; a bearer token of 8 KiB is the longest of them."""
HEADERS_SECONDS_MAX = 10.0
"""How long a connection may be open without a whole request having come."""
STALLED_SECONDS_MAX = 30.0
"""How long a client may take nothing of what is sent to it."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 (the server's own)
        super().__init__(*args, **named)
        self._headers_bytes = 0
        self._in_headers = True
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._left_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._left_bytes = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALLED_SECONDS_MAX, self._look_up)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._headers_bytes += len(data)
            # What came with the end of the headers may be a body: the bound is for what is still headers then.
        super().data_received(data)
        if self._in_headers and self._headers_bytes > HEADERS_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._headers_bytes = 0
        if self._patience is None:
            self._wait()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._headers_bytes = 0
        self._wait_no_more()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._in_headers = True
        self._headers_bytes = 0

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEADERS_SECONDS_MAX, self._too_slow)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()

    def _look_up(self) -> None:
        """Break the connection of a client that has taken nothing since the last look."""
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes >= self._left_bytes:
            self.transport.abort()
            return
        self._left_bytes = left_bytes
        self._stalled = self.loop.call_later(STALLED_SECONDS_MAX, self._look_up)

    def _taken(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
