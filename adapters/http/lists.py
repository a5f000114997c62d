"""Lists and reports: what a bank asks of the whole record. Each folds the log, and may take its time.

So they have a lane of their own in each process: one at a time, a few that wait, and the rest is told to come
again. Whoever asks for a use or a record is not held up.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.access import PERSONAL, Action, Caller
from sealbook.adapters.http.answers import MOMENT, NAMES, When, answered, good
from sealbook.adapters.http.documented import ACCESS_REASON, OF_A_TARGET, OF_ANY, may, problems
from sealbook.adapters.http.listed import ALL, LISTS, SINCE, Filters, Listed
from sealbook.adapters.http.looks import note_list, reason_given, record_look
from sealbook.adapters.http.moments import AS_OF, KNOWN_AT, asked_once, moment_asked, moment_parameter
from sealbook.adapters.http.pages import BEGINNING, CURSOR, LIMIT, LINK, PURPOSE, Cursors, Place, limit_asked
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.reading import Readers
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.shapes import Schema, record, rows, shape
from sealbook.adapters.http.targets import Asked as Sought
from sealbook.adapters.http.targets import found
from sealbook.application import questions
from sealbook.application.bank_questions import Answer, Asked, streams_in
from sealbook.application.ports import EventStore
from sealbook.projections.counts import Report

T = TypeVar("T")
WAITING_MAX = 4
STATEMENT_SECONDS = 60.0
"""How long the database may take for one statement of a list."""
BUSY_SECONDS = 5
REPORT = record({"known_at": MOMENT, **shape(Report)["properties"]})
_MOMENTS = (moment_parameter(AS_OF), moment_parameter(KNOWN_AT))


class Lane:
    """One question at a time, over a store and in a thread of its own. It is closed with the readers."""

    def __init__(self, readers: Readers) -> None:
        self._reader = readers.apart(count_max=1, statement_seconds=STATEMENT_SECONDS)

    async def ask(self, question: Callable[[PostgresEventStore], T]) -> T:
        """Answer a question in a thread. Raises Problem(busy) if too many wait, and what the question raises.

        Who is cancelled waits no longer; the thread goes on to its end, and keeps its turn until then.
        """
        if self._reader.unanswered > WAITING_MAX:
            raise Problem(Fault.BUSY, headers={"Retry-After": str(BUSY_SECONDS)})
        return await self._reader.ask(question)


class Lists:
    """The routes of lists and reports."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lane = Lane(service.readers)
        self._cursors = Cursors(service.keys.service_key(PURPOSE))

    def router(self) -> APIRouter:
        router = APIRouter()
        _add(router, "/v1/reports/counts", self.counts, Action.READ_REPORTS, REPORT, _MOMENTS)
        for listed in LISTS:
            schema = record({"as_of": MOMENT, "known_at": MOMENT, "rows": rows(shape(listed.row)), "names": NAMES})
            parameters = (*_MOMENTS, LIMIT, CURSOR, *listed.parameters)
            _add(router, listed.path, self._endpoint(listed), listed.action, schema, parameters, listed=listed)
        return router

    async def counts(self, request: Request) -> Response:
        """Count credentials by state and kind, and events by type."""
        await self._service.caller(request, Action.READ_REPORTS)
        when = When.asked(request, self._service.now())
        counts = await self._lane.ask(lambda store: questions.count(store, as_of=when.moment, known_at=when.known_at))
        return answered({"known_at": when.known_at or when.now, **_members(counts)})

    def _endpoint(self, listed: Listed) -> Callable[..., Any]:
        async def rows_of(request: Request) -> Response:
            service = self._service
            caller = await service.caller(request, listed.action)
            when, limit = When.asked(request, service.now()), limit_asked(request)
            place = self._cursors.place_asked(request, caller)
            filters = await self._filters(request, caller, listed)
            reason = reason_given(request, caller, listed.action)
            if reason is not None and place is None:
                note_list(caller, what=listed.path, reason=reason)
                holder = None if filters.target is None else filters.target.holder
                await record_look(service, caller, holder, what=listed.path.rpartition("/")[2], reason=reason)

            def question(store: EventStore) -> Response:
                asked = self._asked(store, when, place)
                answer = listed.question(asked, filters)
                page, following = _page(answer.rows, place or BEGINNING, limit, asked)
                told = {"as_of": asked.as_of, "known_at": asked.known_at, "rows": page, "names": _names(answer, page)}
                return answered(told, self._cursors.link(following, request, caller))

            return await self._lane.ask(question)

        rows_of.__doc__ = listed.told
        return rows_of

    async def _filters(self, request: Request, caller: Caller, listed: Listed) -> Filters:
        """Return what the address says beside the moments. Raises Problem(invalid_request), Refused(not_found)."""
        everything = asked_once(request, ALL)
        if everything not in (None, "true", "false"):
            raise Problem(Fault.INVALID_REQUEST, f"{ALL} is true or false")
        since = moment_asked(request, SINCE)
        text = None if listed.named is None else asked_once(request, listed.named)
        target = None
        if text is not None:
            sought = [Sought(text, listed.kinds)]
            (target,) = await self._service.readers.ask(lambda store: found(store, sought, caller=caller))
        return Filters(target=target, since=since, everything=everything == "true")

    def _asked(self, store: EventStore, when: When, place: Place | None) -> Asked:
        """Return about which moments is asked: on every page those of the first, so that no row moves."""
        kinds = self._service.kinds
        if place is not None and place.as_of is not None:
            return Asked(store=store, kinds=kinds, as_of=place.as_of, known_at=place.known_at)
        known_at = when.known_at or _last_recorded_at(store) or when.now
        return Asked(store=store, kinds=kinds, as_of=when.moment, known_at=known_at)


def _last_recorded_at(store: EventStore) -> datetime | None:
    """Return when the last event was recorded, by the ledger's own clock: what is known then is all of now."""
    last = store.read(after=store.last_position() - 1, limit=1)
    return last[0].recorded_at if last else None


def _page(
    found_rows: Sequence[object], place: Place, limit: int, asked: Asked
) -> tuple[Sequence[object], Place | None]:
    after = place.after + limit
    page = found_rows[place.after : after]
    if after >= len(found_rows):
        return page, None
    return page, Place(after=after, as_of=asked.as_of, known_at=asked.known_at)


def _names(answer: Answer[Any], page: Sequence[object]) -> dict[str, str]:
    """Return what the bank calls the streams of a page."""
    shown = set(streams_in(tuple(page)))
    return {str(stream): name for stream, name in answer.names.items() if stream in shown}


def _members(counts: Report) -> dict[str, object]:
    return {each.name: getattr(counts, each.name) for each in fields(counts)}


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    action: Action,
    schema: Schema,
    parameters: Sequence[Schema],
    *,
    listed: Listed | None = None,
) -> None:
    text, words = endpoint.__doc__ or "", path.removeprefix("/v1/").split("/")
    own = (ACCESS_REASON,) if action in PERSONAL else ()
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=None,
        summary=text.partition(".")[0].partition(":")[0],
        description=f"{text} {may(action)}",
        tags=[words[0]],
        operation_id="-".join(words),
        responses={
            200: good(schema, "As it was then.", LINK if listed is not None else {}),
            **problems(*OF_ANY, *(OF_A_TARGET if listed is not None and listed.named is not None else ())),
        },
        openapi_extra={"parameters": [*own, *parameters]},
    )
