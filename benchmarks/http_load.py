"""Load over HTTP/1.1 from one process: each connection sends, waits for its answer, and sends the next.

It sits on the same processor as what it measures, so it does little: the requests are ready bytes, and of an answer
it reads the status and the length. A connection that is told that too much is asked (503) waits, and then sends the
same bytes again.
"""

import heapq
import resource
import select
import socket
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.callers import percentile
from sealbook.adapters.collecting import seldom_collected

BYTES_A_READ = 65_536
END_OF_HEAD = b"\r\n\r\n"
STATUS = slice(9, 12)
SHED = b"503"
SILENCE_SECONDS_MAX = 60.0
"""After how long without any answer the server is given up."""
OTHER_FILES = 100
"""How many files a process has open besides its connections."""
SHOWN_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`accepts` is asked of every other answer than 503: whether it, by status and body, is the one to be counted.

    Who is told to wait does so for as long as the answer says (Retry-After), or for `back_off_seconds`, if given.
    """

    connections: int
    seconds: float
    accepts: Callable[[bytes, bytes], bool]
    back_off_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the connections saw: the requests that were answered, each after how long, and how many were shed.

    A request that was shed is counted as often as that happened, and its time begins anew when it is sent again.
    `client_seconds` is the processor time of this process.
    """

    seconds: float
    latencies_ms: "array[float]" = field(repr=False)
    shed: int
    client_seconds: float

    @property
    def answered(self) -> int:
        return len(self.latencies_ms)

    @property
    def answered_a_second(self) -> float:
        return self.answered / self.seconds

    @property
    def client_microseconds(self) -> float:
        return self.client_seconds * 1_000_000 / (self.answered + self.shed)

    def percentile_ms(self, percent: int) -> float:
        return percentile(self.latencies_ms, percent)


@dataclass(slots=True)
class _Line:
    """A connection and its request under way."""

    connection: socket.socket
    request: bytes = b""
    begun: float = 0.0
    heard: bytes = b""


def serve(address: tuple[str, int], requests: Iterator[bytes], load: Load) -> Served:
    """Send requests for a time, or until there are no more, and wait for the last answers.

    Raises RuntimeError for an answer that is not accepted and a server that says nothing: such a figure would be no
    figure.
    """
    _allow_files(load.connections + OTHER_FILES)
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        lines = dict[int, _Line]()
        for _ in range(load.connections):
            connection = stack.enter_context(socket.create_connection(address))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            epoll.register(connection, select.EPOLLIN)
            lines[connection.fileno()] = _Line(connection)
        with seldom_collected():
            return _Serving(epoll, lines, requests, load).run()


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class _Serving:
    def __init__(self, epoll: select.epoll, lines: dict[int, _Line], requests: Iterator[bytes], load: Load) -> None:
        self._epoll = epoll
        self._lines = lines
        self._requests = requests
        self._load = load
        self._latencies_ms = array("d")
        self._shed = 0
        self._under_way = 0
        self._waiting = list[tuple[float, int]]()
        """A heap of the connections that were told to wait, and until when."""
        self._until = 0.0

    def run(self) -> Served:
        processor, begun = time.process_time(), time.perf_counter()
        self._until = begun + self._load.seconds
        for line in self._lines.values():
            self._send_next(line)
        while self._under_way or self._waiting:
            self._turn()
        return Served(
            seconds=time.perf_counter() - begun,
            latencies_ms=self._latencies_ms,
            shed=self._shed,
            client_seconds=time.process_time() - processor,
        )

    def _turn(self) -> None:
        """Take what has come, and send what has waited long enough."""
        wait_seconds = max(0.0, self._waiting[0][0] - time.perf_counter()) if self._waiting else SILENCE_SECONDS_MAX
        ready = self._epoll.poll(wait_seconds)
        if not ready and not self._waiting:
            raise RuntimeError(f"no answer for {SILENCE_SECONDS_MAX:.0f} s: the figures are worth nothing")
        for number, _ in ready:
            self._hear(self._lines[number])
        while self._waiting and self._waiting[0][0] <= time.perf_counter():
            _, number = heapq.heappop(self._waiting)
            if time.perf_counter() < self._until:
                self._send(self._lines[number])

    def _send_next(self, line: _Line) -> None:
        if (request := next(self._requests, None)) is not None:
            line.request = request
            self._send(line)

    def _send(self, line: _Line) -> None:
        line.begun = time.perf_counter()
        # One request is under way at a time, so the socket's buffer is empty.
        if line.connection.send(line.request) != len(line.request):
            raise RuntimeError("a request does not fit into a socket's buffer: make it smaller")
        self._under_way += 1

    def _hear(self, line: _Line) -> None:
        chunk = line.connection.recv(BYTES_A_READ)
        if not chunk:
            raise RuntimeError("the server closed a connection: only requests that it answers are measured")
        heard = line.heard + chunk if line.heard else chunk
        end = heard.find(END_OF_HEAD)
        head = heard[: max(end, 0)].lower()
        if end < 0 or len(heard) < end + len(END_OF_HEAD) + _length(head):
            line.heard = heard
            return
        ended = time.perf_counter()
        line.heard = b""
        self._under_way -= 1
        if self._counted(heard[STATUS], heard[end + len(END_OF_HEAD) :]):
            self._latencies_ms.append((ended - line.begun) * 1_000)
            if ended < self._until:
                self._send_next(line)
        else:
            self._shed += 1
            again = ended + self._back_off_seconds(head)
            if again < self._until:
                heapq.heappush(self._waiting, (again, line.connection.fileno()))

    def _counted(self, status: bytes, body: bytes) -> bool:
        """Tell whether an answer counts; False: it says not now."""
        if status == SHED:
            return False
        if not self._load.accepts(status, body):
            told = body[:SHOWN_CHARACTERS_MAX].decode(errors="replace")
            raise RuntimeError(f"status {status.decode()} was answered, only what succeeds is measured: {told}")
        return True

    def _back_off_seconds(self, head: bytes) -> float:
        if self._load.back_off_seconds is not None:
            return self._load.back_off_seconds
        return float(_field(head, b"retry-after"))


def _length(head: bytes) -> int:
    return int(_field(head, b"content-length"))


def _field(head: bytes, name: bytes) -> bytes:
    """Return a field of a head in small letters."""
    _, found, rest = head.partition(b"\r\n" + name + b":")
    if not found:
        raise RuntimeError(f"an answer has no {name.decode()}: this load generator reads no other answers")
    return rest.partition(b"\r\n")[0]


def posted(path: str, fields: dict[str, str], body: bytes) -> bytes:
    """Return the bytes of a POST request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
