"""A witness over HTTP: `POST /add-checkpoint`, as C2SP tlog-witness has it."""

import socket
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import cast

from sealbook.adapters.seal.tiles import SealBroken
from sealbook.adapters.seal.witness import Outcome, Verdict, Witness
from sealbook.adapters.seal.witness_request import REQUEST_BYTES_MAX
from sealbook.application.ports import Unavailable

ADD_CHECKPOINT = "/add-checkpoint"
TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
IDLE_SECONDS_MAX = 30
"""How long a caller may say nothing before its connection is closed."""
_LENGTH_DIGITS_MAX = 19
STATUS = {
    Outcome.COSIGNED: HTTPStatus.OK,
    Outcome.UNREADABLE: HTTPStatus.BAD_REQUEST,
    Outcome.UNKNOWN_LOG: HTTPStatus.NOT_FOUND,
    Outcome.UNSIGNED: HTTPStatus.FORBIDDEN,
    Outcome.SHRINKS: HTTPStatus.BAD_REQUEST,
    Outcome.OTHER_SIZE: HTTPStatus.CONFLICT,
    Outcome.FORKED: HTTPStatus.CONFLICT,
    Outcome.INCONSISTENT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Outcome.CLOCK_BEHIND: HTTPStatus.SERVICE_UNAVAILABLE,
}

Told = Callable[[Mapping[str, object]], None]
"""Who is told of each request, once it is answered."""


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness until `shutdown`. `clock` gives seconds since 1970 UTC. Raises OSError for the address."""

    daemon_threads = True
    # An answer that is cut off does no harm: what it says is on disk, and the log asks again.
    block_on_close = False

    def __init__(self, witness: Witness, *, host: str, port: int, clock: Callable[[], int], told: Told) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.witness = witness
        self.clock = clock
        self.told = told
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not the one of HTTPServer: that asks for the host's name, and may wait long for it.
        TCPServer.server_bind(self)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the library's)
        """Tell what broke; mostly, a caller has gone. The others are served on."""
        self.told({"status": 0, "reason": f"the connection broke: {sys.exc_info()[1]!r}"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sealbook-witness", ""
    error_message_format, error_content_type = "%(message)s\n", TEXT
    timeout = IDLE_SECONDS_MAX
    # Head and body of an answer leave together.
    wbufsize = -1

    def do_POST(self) -> None:
        if self.path != ADD_CHECKPOINT:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not (length := self.headers.get("Content-Length", "")).isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > _LENGTH_DIGITS_MAX or int(length) > REQUEST_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif len(body := self.rfile.read(int(length))) < int(length):
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            self._add_checkpoint(body)

    def do_GET(self) -> None:
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED if self.path == ADD_CHECKPOINT else HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library calls it so)
        """Say nothing: who asked is told by name, in a line of our own."""

    def _add_checkpoint(self, body: bytes) -> None:
        server = cast("WitnessServer", self.server)
        try:
            verdict = server.witness.add_checkpoint(body, time_seconds=server.clock())
        except (SealBroken, Unavailable, OSError) as error:
            server.told({"status": int(HTTPStatus.SERVICE_UNAVAILABLE), "reason": str(error)})
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, "this witness cannot answer: its owner must look\n")
            return
        status = STATUS[verdict.outcome]
        self._answer(status, *_body(verdict))
        told = {"status": int(status), "outcome": verdict.outcome, "origin": verdict.origin, "size": verdict.size}
        server.told({**told, "reason": verdict.reason, "evidence": verdict.evidence})

    def _answer(self, status: HTTPStatus, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus) -> None:
        # This closes the connection: what the caller still sends is not read, and is no next request.
        self.send_error(status)
        server = cast("WitnessServer", self.server)
        server.told({"status": int(status), "reason": status.phrase})


def _body(verdict: Verdict) -> tuple[str, str]:
    """Return the type and the text of an answer."""
    if verdict.cosignature:
        return TEXT, verdict.cosignature.line
    if verdict.outcome is Outcome.OTHER_SIZE:
        return SIZE, f"{verdict.size}\n"
    return TEXT, f"{verdict.reason}\n"
