"""The writer's end of the socket: commands of other processes in, replies out."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb

from sealbook.adapters.eventstore.gatherer import Busy, Gatherer
from sealbook.adapters.writer.frames import Frames
from sealbook.adapters.writer.local import LocalWriter
from sealbook.adapters.writer.port import Answered
from sealbook.adapters.writer.request_codec import Reply, Trouble, Unreadable, decode_command, encode_reply
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable

SOCKET_PATH_BYTES_MAX = 107
LEAVE_SECONDS = 5.0
"""How long those who are slow to take their last replies are waited for."""


async def serve_writer(
    path: Path,
    *,
    gatherer: Gatherer,
    writer: LocalWriter,
    stopping: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Carry out what comes over a socket until `stopping` is set; then answer what was taken, and end.

    The socket's folder must be the user's own and private. `writer` hands its commands to `gatherer`, which is
    opened and closed here. `ready` is called when the socket listens. Raises Unavailable.
    """
    listener = _Listener(writer)
    try:
        async with gatherer:
            await listener.listen(path)
            ready()
            await stopping.wait()
            listener.take_no_more()
            path.unlink(missing_ok=True)
    finally:
        await writer.close()
        await listener.leave()


class _Listener:
    """The socket and whoever is connected to it."""

    def __init__(self, writer: LocalWriter) -> None:
        self.writer = writer
        self.stopping = False
        self.peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None
        self._left = asyncio.Event()

    async def listen(self, path: Path) -> None:
        _check_place(path)
        # A writer that was killed leaves its socket behind.
        path.unlink(missing_ok=True)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Peer(self), str(path))
        except OSError as error:
            why = (error.strerror or "unknown").lower()
            raise Unavailable(f"the writer's socket {path} cannot be made: {why}") from error

    def take_no_more(self) -> None:
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for peer in self.peers:
            peer.heed()

    async def leave(self) -> None:
        for peer in self.peers:
            peer.write_gathered()
            peer.leave()
        if self.peers:
            await asyncio.wait([asyncio.create_task(self._left.wait())], timeout=LEAVE_SECONDS)
        for peer in self.peers:
            peer.abort()

    def gone(self, peer: "_Peer") -> None:
        self.peers.discard(peer)
        if not self.peers:
            self._left.set()


class _Peer(Frames):
    """A process that sends commands. While it is slow to take replies, no more commands are taken from it."""

    def __init__(self, listener: _Listener) -> None:
        super().__init__()
        self._listener = listener
        self._hand_in = listener.writer.hand_in
        self._gathered: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.peers.add(self)
        self.heed()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._listener.gone(self)

    def taken(self, frame: bytes) -> None:
        try:
            number, command = decode_command(frame)
        except Unreadable as error:
            if error.number is None:
                self.abort()
            else:
                self.reply(Reply(error.number, None, trouble_of(error)))
            return
        try:
            self._hand_in(command, _PeerAsker(self, number))
        except Exception as error:  # noqa: BLE001 (told to the one caller whose command it is)
            self.reply(Reply(number, None, trouble_of(error)))

    def reply(self, reply: Reply) -> None:
        """Send a reply, with all others of this turn of the loop."""
        if self.transport is None:
            return
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self.write_gathered)
        self._gathered.append(encode_reply(reply))

    def write_gathered(self) -> None:
        if self._gathered:
            self.write(self._gathered)
            self._gathered.clear()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.heed()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.heed()

    def heed(self) -> None:
        """Take commands, or take none for now."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.paused or self._listener.stopping:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


class _PeerAsker:
    """Waits for the answer to one command of a peer. If that has gone, the answer is dropped."""

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: _Peer, number: int) -> None:
        self._peer = peer
        self._number = number

    def done(self) -> bool:
        return self._peer.transport is None

    def set_result(self, answered: Answered) -> None:
        self._peer.reply(Reply(self._number, answered))

    def set_exception(self, error: Exception) -> None:
        self._peer.reply(Reply(self._number, None, trouble_of(error)))


def trouble_of(error: Exception) -> Trouble:
    """Return an error as another process is told of it."""
    match error:
        case Busy():
            return Trouble("busy", str(error), error.retry_after_seconds)
        case Unavailable():
            return Trouble("unavailable", str(error))
        case OutcomeUnknown():
            return Trouble("unknown", str(error))
        case LedgerDamaged():
            return Trouble("damaged", str(error))
        case _:
            return Trouble("defect", f"the writer cannot carry out this command: {_place_of(error)}")


def _place_of(error: Exception) -> str:
    # Where and what, without the message: that may hold what the command said.
    places = extract_tb(error.__traceback__)
    where = f" at {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    return f"{type(error).__name__}{where}"


def _check_place(path: Path) -> None:
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise Unavailable(f"the path of the writer's socket has more than {SOCKET_PATH_BYTES_MAX} bytes: {path}")
    try:
        status = path.parent.lstat()
    except OSError as error:
        raise Unavailable(f"the folder of the writer's socket is not there: {path.parent}") from error
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not ours or stat.S_IMODE(status.st_mode) & 0o077:
        raise Unavailable(f"the folder of the writer's socket is open to others: chmod 700 {path.parent}")
