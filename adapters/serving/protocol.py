"""HTTP on a connection, within bounds: a client may be slow, silent or endless, and only its own connection suffers.

The server bounds neither the headers of a request, nor the time that they may take, nor how long it waits for a client
that does not read. Bodies are bounded by the edge.
"""

import asyncio
import socket
import struct
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from sealbook.adapters.http.problems import MEDIA_TYPE, STATUS, Fault, content

HEADERS_BYTES_MAX = 32_768
"""A request line and headers; a bearer token of 8 KiB is the longest of them."""
HEADER_BYTES = 32
"""What a header costs beside its own bytes: many short ones are dear, too."""
HEADERS_SECONDS_MAX = 10.0
"""How long a connection may be open without a whole request having come."""
NO_LINGER = struct.pack("ii", 1, 0)
UNREAD_SECONDS_MAX = 10.0
"""How long a client may leave unread what it was sent."""

_BODY = content(Fault.MALFORMED, "this is no HTTP, or its headers are too long")
_MALFORMED = b"%scontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
    *(STATUS_LINE[STATUS[Fault.MALFORMED]], MEDIA_TYPE.encode()),
    *(len(_BODY), _BODY),
)


class HeadersTooLong(Exception):
    """Headers, or what follows the last chunk of a body, go on and on."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 (the server's own)
        super().__init__(*args, **named)
        self._headers_bytes = 0
        self._between_bytes = 0
        self._in_body = False
        self._answering: RequestResponseCycle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._was_read()
        if self._answering is not None:
            # The server tells the last request alone, which may still wait for its turn.
            self._answering.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            # A header that does not end is told to nobody by the parser.
            self._between_bytes += len(data)
            if self._patience is None:
                self._wait()
        super().data_received(data)
        if not self._in_body and self._between_bytes > HEADERS_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body, self._between_bytes = False, 0
        self._wait_no_more()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 (the server's own)
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self._patience is None:
            # Answered before the body came. The rest is read so that the answer arrives, but not for ever.
            self._wait()
        if self.transport.is_closing():
            self._end()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (a constant text of the server's own)
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.response_complete:
            cycle = None
        if cycle is not None and not cycle.more_body:
            # What was understood is answered: this must not be taken for its answer. Then the connection ends.
            cycle.keep_alive = False
            return
        if not (self.pipeline or (cycle is not None and cycle.response_started)):
            self.transport.write(_MALFORMED)
        self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        self._was_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def _count(self, *parts: bytes) -> None:
        self._headers_bytes += HEADER_BYTES + sum(map(len, parts))
        if self._headers_bytes > HEADERS_BYTES_MAX:
            # The parser ends with an error of its own, which is answered like any other.
            raise HeadersTooLong

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEADERS_SECONDS_MAX, self._end)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _expect_reading(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_SECONDS_MAX, self._cut)

    def _was_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _cut(self) -> None:
        # Else the system would keep what was not read, and go on offering it.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _end(self) -> None:
        # A transport that is closed still waits until all is read: for ever, if nobody reads.
        self._expect_reading()
        self.transport.close()
