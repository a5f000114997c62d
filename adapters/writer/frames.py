"""Frames over a Unix socket: each is its length, in four bytes, and its bytes."""

import asyncio
from collections.abc import Iterable
from struct import Struct
from typing import cast

FRAME_BYTES_MAX = 4 * 1024 * 1024
_LENGTH = Struct("!I")


class Frames(asyncio.Protocol):
    """One end of a connection. `paused` says that the other end is slow to take what was written."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.paused = False
        self._rest = b""

    def taken(self, frame: bytes) -> None:
        """Take a frame that came."""
        raise NotImplementedError

    def write(self, frames: Iterable[bytes]) -> None:
        """Write frames at once. To one that has gone nothing is written."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"".join([part for frame in frames for part in (_LENGTH.pack(len(frame)), frame)]))

    def leave(self) -> None:
        """Close the connection; what was written still goes out."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Break the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.transport = None

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        begin, end = 0, len(data)
        while end - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, begin)
            if length > FRAME_BYTES_MAX:
                # Nobody of ours says so.
                self.abort()
                return
            after = begin + _LENGTH.size + length
            if after > end:
                break
            self.taken(data[begin + _LENGTH.size : after])
            begin = after
        self._rest = data[begin:]

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
