"""A real service for the client's tests, and a bad stretch of network in front of it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import httpx
import pyotp
from pyotp.totp import TOTP

from sealbook.adapters.client.clients import Client
from sealbook.adapters.client.results import Secret

FACTS = '{"at": "2024-03-15T10:00:00+09:00", "credential": "OLD-1", "fact": "issued", "customer": "OLD"}\n'
STOP_SECONDS = 30
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Running:
    """A service of its own process in development mode; the policy D is in force."""

    address: str
    folder: Path

    def token(self, role: str, *, customer: str | None = None, subject: str = "trial") -> str:
        own = () if customer is None else ("--customer", customer)
        return _sealbook("token", role, *own, "--subject", subject, "--ledger", str(self.folder)).strip()

    @cached_property
    def teller(self) -> str:
        return self.token("teller")

    def client(self, token: str | None = None) -> Client:
        return Client(self.address, token=token or self.teller)


@dataclass(frozen=True)
class Holder:
    """A customer with a mobile OTP."""

    customer: str
    secret: Secret

    @property
    def code(self) -> str:
        assert self.secret.provisioning_uri is not None
        totp = pyotp.parse_uri(self.secret.provisioning_uri)
        assert isinstance(totp, TOTP)
        return totp.now()


@contextmanager
def running(folder: Path) -> Generator[Running]:
    facts = folder / "facts.jsonl"
    facts.write_text(FACTS)
    ledger = folder / "ledger"
    _sealbook("import", str(facts), "--ledger", str(ledger))
    command = ["serve", "--development", "--port", "0", "--json", "--ledger", str(ledger)]
    with (
        (folder / "service.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "sealbook", *command], stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield Running(json.loads(process.stdout.readline())["listening"], ledger)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def holder(client: Client) -> Holder:
    """Enroll a customer, register a phone and issue a mobile OTP at the counter."""
    customer = f"100-{uuid4().hex[:8]}"
    client.enroll(customer, identity=f"identity of {customer}")
    phone = client.register_device(
        f"key of {customer}", model="phone", os_version="16", app_version="6.2.0", app_store="google_play"
    )
    assert phone.id is not None
    attestation = {"level": "secure_element", "digest": "a1"}
    secret = client.issue(
        customer=customer,
        kind="mobile_otp",
        device=phone.id,
        policy_id="D",
        evidence="proofing-1",
        attestation=attestation,
        otp=True,
    )
    return Holder(customer, secret)


def _sealbook(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sealbook", *arguments], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- The bad stretch


class Fault(Enum):
    """What befalls a request on its way."""

    CUT_BEFORE = auto()
    """The connection breaks before the service hears of it."""
    CUT_AFTER = auto()
    """The service has done it, and the connection breaks before the answer."""
    CUT_WITHIN = auto()
    """Half of the answer comes."""
    CUT_AFTER_EVENT = auto()
    """A stream breaks within what follows its first event."""
    SILENT_AFTER = auto()
    """The service has done it, and nothing comes."""
    BUSY = auto()
    """503 with Retry-After; the service heard nothing."""
    LIMITED = auto()
    GATEWAY_TIMEOUT = auto()
    """504 from a proxy, in its own words; the service has done it."""


@dataclass
class Faulty:
    """Hands requests on to a service, and does to each what the next of `faults` says; then nothing more."""

    service: str
    faults: deque[Fault] = field(default_factory=deque[Fault])
    keys: list[str | None] = field(default_factory=list[str | None])
    """The Idempotency-Keys that came, one an attempt."""
    over: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def plan(self, *faults: Fault) -> None:
        self.faults.clear()
        self.keys.clear()
        self.faults.extend(faults)


@contextmanager
def faulty(service: str) -> Generator[Faulty]:
    stretch = Faulty(service)

    class Handler(_Handler):
        way = stretch

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stretch.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stretch
    finally:
        stretch.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    way: ClassVar[Faulty]

    def do_GET(self) -> None:
        self._carry()

    def do_POST(self) -> None:
        self._carry()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""

    def _carry(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.way.keys.append(self.headers.get("Idempotency-Key"))
        match self.way.faults.popleft() if self.way.faults else None:
            case None if "event-stream" in self.headers.get("Accept", ""):
                self._stream()
            case None:
                self._answer(self._handed_on(content))
            case Fault.CUT_BEFORE:
                self.close_connection = True
            case Fault.CUT_AFTER:
                self._handed_on(content)
                self.close_connection = True
            case Fault.CUT_AFTER_EVENT:
                self._stream(events_max=1)
            case Fault.CUT_WITHIN:
                self._answer(self._handed_on(content), cut=True)
            case Fault.SILENT_AFTER:
                self._handed_on(content)
                self.way.over.wait()
            case Fault.BUSY:
                self._refuse(503, b'{"code":"busy","status":503,"detail":"later"}', "application/problem+json")
            case Fault.LIMITED:
                self._refuse(429, b'{"code":"rate_limited","status":429,"detail":"later"}', "application/problem+json")
            case Fault.GATEWAY_TIMEOUT:
                self._handed_on(content)
                self._refuse(504, b"<html>the gateway waited in vain</html>", "text/html")

    def _handed_on(self, content: bytes) -> httpx.Response:
        headers = {name: said for name, said in self.headers.items() if name.lower() not in HOP_BY_HOP}
        return httpx.request(self.command, self.way.service + self.path, headers=headers, content=content, timeout=30)

    def _answer(self, answer: httpx.Response, *, cut: bool = False) -> None:
        self.send_response(answer.status_code)
        for name, said in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, said)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2] if cut else answer.content)
        self.close_connection = cut

    def _stream(self, *, events_max: int | None = None) -> None:
        """Hand on a stream without end, or one that is cut within the frame after so many events."""
        headers = {name: said for name, said in self.headers.items() if name.lower() not in HOP_BY_HOP}
        events = 0
        with httpx.stream("GET", self.way.service + self.path, headers=headers, timeout=30) as answer:
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.close_connection = True
            for line in answer.iter_lines():
                events += line.startswith("data:")
                if self.way.over.is_set() or (events_max is not None and events > events_max):
                    return
                with suppress(BrokenPipeError):
                    self.wfile.write(line.encode() + b"\n")

    def _refuse(self, status: int, content: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
