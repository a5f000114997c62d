"""The edge: what holds for every request, before any route is asked and after the last byte is sent.

Too many requests at once are sent away before anybody is authenticated, so that what was admitted stays fast. A
body has a longest length, a request a last moment, and whatever goes wrong is a problem that repeats nothing sent.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol
from uuid import UUID

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealbook.adapters.http.problems import MEDIA_TYPE, STATUS, Fault, content

UNCOUNTED = ("/livez", "/readyz", "/metrics")
"""Asked by who watches the service: answered however busy it is."""
LONG = ("/v1/events", "/v1/reports", "/v1/lists", "/v1/tiles", "/v1/checkpoints")
"""Answers that take their time: no deadline ends them."""
LONG_AT_ITS_END = "/bundle"
"""The same, of any credential or customer."""
REQUEST_ID = b"request-id"


class Told(Protocol):
    """Who is told of every request: metrics and the access log."""

    def __call__(
        self, *, method: str, route: str | None, status: int, seconds: float, code: str | None, request_id: UUID
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    in_flight_max: int
    body_bytes_max: int
    deadline_seconds: float
    retry_after_seconds: int = 1


class Edge:
    """The outermost application of a process."""

    def __init__(
        self,
        app: ASGIApp,
        limits: EdgeLimits,
        *,
        told: Told,
        failed: Callable[[Exception], None],
        shed: Callable[[], None],
        new_id: Callable[[], UUID],
    ) -> None:
        self._app, self._limits = app, limits
        self._told, self._failed, self._shed, self._new_id = told, failed, shed, new_id
        self.in_flight = 0
        self._busy = _answer(Fault.BUSY, retry_after_seconds=limits.retry_after_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        if self.in_flight >= self._limits.in_flight_max:
            self._shed()
            await _send(send, *self._busy)
            return
        self.in_flight += 1
        try:
            await self._carried(scope, receive, send, timed=not _long(path))
        finally:
            self.in_flight -= 1

    async def _carried(self, scope: Scope, receive: Receive, send: Send, *, timed: bool) -> None:
        exchange = Exchange(receive, send, self._new_id(), bytes_max=self._limits.body_bytes_max)
        begun = perf_counter()
        try:
            exchange.check_length(scope)
            async with asyncio.timeout(self._limits.deadline_seconds if timed else None):
                await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            await exchange.end(Fault.DEADLINE)
        except BodyTooLarge:
            await exchange.end(Fault.BODY_TOO_LARGE)
        except Exception as error:  # noqa: BLE001 (the last one to hear of it: told by its type, and never by its words)
            self._failed(error)
            await exchange.end(Fault.INTERNAL)
        finally:
            self._told(
                method=scope["method"],
                route=template_of(scope),
                status=exchange.status,
                seconds=perf_counter() - begun,
                code=exchange.code,
                request_id=exchange.request_id,
            )


class BodyTooLarge(Exception):
    """A body went on and on."""


class Exchange:
    """One request and its answer, watched."""

    def __init__(self, receive: Receive, send: Send, request_id: UUID, *, bytes_max: int) -> None:
        self._receive, self._send, self._left_bytes = receive, send, bytes_max
        self.request_id = request_id
        self.status = 0
        self.code: str | None = None

    def check_length(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._left_bytes):
                raise BodyTooLarge

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left_bytes -= len(message.get("body", b""))
            if self._left_bytes < 0:
                raise BodyTooLarge
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (REQUEST_ID, str(self.request_id).encode())]
        await self._send(message)

    async def end(self, fault: Fault) -> None:
        """Answer with a problem, if no answer has begun; else let the connection break."""
        self.code = fault
        if not self.status:
            self.status = STATUS[fault]
            await _send(self._send, *_answer(fault, closing=True))


def _long(path: str) -> bool:
    return path.startswith(LONG) or path.endswith(LONG_AT_ITS_END)


class Bare(Route):
    """A route without the framework around it, which is known by its template all the same."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is not Match.NONE:
            found["route"] = self
        return match, found


def template_of(scope: Scope) -> str | None:
    route = scope.get("route")
    # As it is described: without the form that a part of it has.
    template: str | None = getattr(route, "path_format", None)
    return template


def _answer(fault: Fault, *, retry_after_seconds: int | None = None, closing: bool = False) -> tuple[Message, Message]:
    body = content(fault)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    if retry_after_seconds is not None:
        headers.append((b"retry-after", str(retry_after_seconds).encode()))
    if closing:
        # What of the body was not read must not be taken for the next request.
        headers.append((b"connection", b"close"))
    start = {"type": "http.response.start", "status": STATUS[fault], "headers": headers}
    return start, {"type": "http.response.body", "body": body}


async def _send(send: Send, start: Message, body: Message) -> None:
    # A copy: the server may add headers of its own.
    await send({**start, "headers": list(start["headers"])})
    await send(dict(body))
