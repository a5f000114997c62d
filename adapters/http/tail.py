"""The tail: whatever the log gains, as it gains it, by server-sent events.

An event's id is its position, so whoever comes back says with Last-Event-ID how far it came, and misses nothing and
hears nothing twice. A client that does not keep up is held back by its own connection, and cut off after a while.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sealbook.adapters.http.access import Action, Caller
from sealbook.adapters.http.documented import ACCESS_REASON, OF_A_TARGET, OF_ANY, Schema, may, problems
from sealbook.adapters.http.following import LINE_END, Follower, Told, place
from sealbook.adapters.http.looks import note_list, reason_given, record_look
from sealbook.adapters.http.moments import asked_once
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.targets import Target
from sealbook.application.ports import NO_HEAD, EventStore
from sealbook.domain.catalogue import EVENT_TYPES
from sealbook.domain.errors import Refusal, Refused

PATH = "/v1/events"
WHAT = "event tail"
LISTENERS_MAX = 16
"""In one process: each takes one of the requests that the process has under way at most."""
HEARTBEAT_SECONDS = 15
SEND_SECONDS_MAX = 30.0
"""How long a client may take nothing."""
STREAM_SECONDS_MAX = 3_600.0
"""How long one stream lasts: then the client comes back, with a token that is good still."""
LOOK_UP_SECONDS = 0.5
"""How soon a stream notices that the service stops."""
GOODBYE_SECONDS = 3.0
POSITION_DIGITS_MAX = 18
LAST_EVENT_ID = "Last-Event-ID"

_NAMES = sorted(stored.name for stored in EVENT_TYPES.values())
_KINDS = sorted({name.partition(".")[0] + "." for name in _NAMES})
PARAMETERS: list[Schema] = [
    ACCESS_REASON,
    {
        "name": LAST_EVENT_ID,
        "in": "header",
        "required": False,
        "description": "The position of the last event that was heard; it goes before `after`.",
        "schema": {"type": "string", "pattern": f"^[0-9]{{1,{POSITION_DIGITS_MAX}}}$"},
    },
    {
        "name": "types",
        "in": "query",
        "required": False,
        "description": "Only events of these names, or whose names begin so; separated by commas.",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "minItems": 1, "items": {"enum": [*_KINDS, *_NAMES]}},
    },
]
Wish = Callable[[Told], bool]


class Tail:
    """The route of the tail."""

    def __init__(self, service: Service, follower: Follower | None = None) -> None:
        self._service = service
        self._follower = follower or Follower(service.readers)

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route(PATH, self.listen, methods=["GET"], response_model=None, **_DOCUMENTATION)
        return router

    async def listen(
        self,
        request: Request,
        after: Annotated[
            int | None, Query(ge=0, lt=10**POSITION_DIGITS_MAX, description="Begin after this position.")
        ] = None,
        stream: Annotated[UUID | None, Query(description="Only events of this stream.")] = None,
    ) -> Response:
        """Hear what the ledger records, in its order, from a position on and as it comes."""
        caller = await self._service.caller(request, Action.READ_TAIL)
        begin = _last_event_id(request)
        wish = _wish(asked_once(request, "types"), stream)
        reason = reason_given(request, caller, Action.READ_TAIL)
        if self._follower.listeners >= LISTENERS_MAX:
            raise Problem(Fault.BUSY, "as many listen as this service takes", headers={"Retry-After": "5"})
        self._follower.join()
        try:
            begin, end = await self._entered(caller, after if begin is None else begin, stream, reason)
        except BaseException:
            self._follower.leave()
            raise
        stopping = anyio.Event()
        return Listening(self._frames(begin, wish, stopping), self._follower, end, stopping)

    async def _entered(
        self, caller: Caller, begin: int | None, stream: UUID | None, reason: str | None
    ) -> tuple[int, int]:
        """Return where to begin and where the log ends now, once the look is recorded.

        Raises Problem(position_ahead), and Refused(not_found) for a stream that is none.
        """
        end, holder = await self._service.readers.ask(lambda store: (store.last_position(), _holder(store, stream)))
        if begin is not None and begin > end:
            raise Problem(Fault.POSITION_AHEAD)
        if reason is not None and stream is None:
            note_list(caller, what=WHAT, reason=reason)
        elif reason is not None:
            await record_look(self._service, caller, holder, what=WHAT, reason=reason)
        return end if begin is None else begin, end

    async def _frames(self, position: int, wish: Wish, stopping: anyio.Event) -> AsyncGenerator[bytes]:
        """Yield what a client is sent: events, and how far it is where there is none for it."""
        clock = asyncio.get_running_loop().time
        until = clock() + STREAM_SECONDS_MAX
        # At once: whoever is cut off before the first event knows where it was.
        yield place(position)
        while clock() < until and not stopping.is_set():
            part = await self._follower.after(position, wait_seconds=LOOK_UP_SECONDS)
            if part.position == position:
                continue
            position = part.position
            frames = [each.frame for each in part.events if wish(each)]
            if not (part.events and wish(part.events[-1])):
                frames.append(place(position))
            yield b"".join(frames)


class Listening(EventSourceResponse):
    """A stream to one client, who is counted among the listeners already, until it ends, however it ends."""

    def __init__(self, frames: AsyncGenerator[bytes], follower: Follower, position: int, stopping: anyio.Event) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # a dict of anything may be a frame
            frames,
            ping=HEARTBEAT_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="still here", sep=LINE_END),
            sep=LINE_END,
            send_timeout=SEND_SECONDS_MAX,
            shutdown_event=stopping,
            shutdown_grace_period=GOODBYE_SECONDS,
        )
        self._follower, self._position = follower, position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._follower.follow(self._position)
            await super().__call__(scope, receive, send)
        finally:
            self._follower.leave()


def _last_event_id(request: Request) -> int | None:
    """Return the position that a client came to, None if it says none. Raises Problem(malformed)."""
    said = request.headers.get(LAST_EVENT_ID, "")
    if not said:
        return None
    if said.isascii() and said.isdigit() and len(said) <= POSITION_DIGITS_MAX:
        return int(said)
    raise Problem(Fault.MALFORMED, f"{LAST_EVENT_ID} is the position that was sent as an event's id")


def _wish(types: str | None, stream: UUID | None) -> Wish:
    """Return what tells whether an event was asked for. Raises Problem(invalid_request)."""
    wishes = types.split(",") if types else []
    if not all(each in _NAMES or each in _KINDS for each in wishes):
        raise Problem(Fault.INVALID_REQUEST, "types: names of events, like credential.used, or beginnings: credential.")
    names = {name for name in _NAMES if not wishes or name in wishes or f"{name.partition('.')[0]}." in wishes}
    return lambda each: each.name in names and stream in (None, each.stream)


def _holder(store: EventStore, stream: UUID | None) -> UUID | None:
    """Return whom a stream concerns. Raises Refused(not_found) where there is none of this id."""
    if stream is None:
        return None
    head = store.load(streams=[stream], names=(), commands=()).heads.get(stream, NO_HEAD)
    if head.state is None:
        raise Refused(Refusal.NOT_FOUND, "there is no stream of this id")
    return Target(stream, head.state).holder


_DOCUMENTATION: dict[str, Any] = {
    "summary": "Hear what the ledger records as it comes",
    "description": "Server-sent events: an event's `id` is its position, `event` its stored name, `data` the event as"
    " JSON. It begins after Last-Event-ID or `after`, without either with what comes from now on. A frame that has an"
    " `id` alone says how far the log is. The stream lasts an hour at most, less if the client does not keep up: come"
    f" back with Last-Event-ID. {may(Action.READ_TAIL)}",
    "tags": ["events"],
    "operation_id": "listen-to-events",
    "responses": {
        200: {
            "description": "Events, until the client leaves.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(*OF_ANY, *OF_A_TARGET, 409),
    },
    "openapi_extra": {"parameters": PARAMETERS},
}
