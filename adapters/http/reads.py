"""Reads: one customer, device or credential, its history, and when to renew, each at a moment on both axes of time."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import reduce
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action, Caller, acts_as_app
from sealbook.adapters.http.answers import (
    CREDENTIAL,
    CUSTOMER,
    DEVICE,
    ETAG,
    HISTORY,
    HOLDINGS,
    IF_NONE_MATCH,
    RENEWAL_INFO,
    RETRY_AFTER,
    When,
    answered,
    customer_told,
    good,
    unless_known,
)
from sealbook.adapters.http.commands import NameOrId
from sealbook.adapters.http.documented import ACCESS_REASON, OF_A_TARGET, OF_ANY, may, problems
from sealbook.adapters.http.looks import Look, looked_at
from sealbook.adapters.http.moments import AS_OF, KNOWN_AT, moment_parameter
from sealbook.adapters.http.pages import BEGINNING, CURSOR, LIMIT, LINK, PURPOSE, Cursors, limit_asked, page_of
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.shapes import Schema
from sealbook.adapters.http.targets import Target
from sealbook.adapters.plain import told_entry
from sealbook.application import bank_questions, questions
from sealbook.application.names import NameKind
from sealbook.application.ports import NO_HEAD, EventStore
from sealbook.application.questions import Standing
from sealbook.domain.catalogue import Aggregate, RecordedEvent, evolve
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer, LegalHoldLifted, LegalHoldPlaced, RecordViewed
from sealbook.domain.device import Device, DeviceBound
from sealbook.domain.errors import Refusal, Refused
from sealbook.projections.moment import known_by
from sealbook.projections.renewal_window import RenewalWindow
from sealbook.projections.timeline import Entry

ASK_AGAIN_SECONDS_MIN, ASK_AGAIN_SECONDS_MAX = 60, 6 * 60 * 60
"""How soon to ask for renewal info again (RFC 9773 4.3 has six hours)."""


MOMENTS = (moment_parameter(AS_OF), moment_parameter(KNOWN_AT))
PAGED = (*MOMENTS, LIMIT, CURSOR)
_THINGS: Mapping[str, tuple[NameKind, Action]] = {
    "customer": (NameKind.CUSTOMER, Action.READ_CUSTOMER),
    "device": (NameKind.DEVICE_KEY, Action.READ_DEVICE),
    "credential": (NameKind.CREDENTIAL, Action.READ_CREDENTIAL),
}
_FOR_STAFF = (RecordViewed, LegalHoldPlaced, LegalHoldLifted)
"""What a customer's app is not told: who looked and why, and that a case is under way."""
Endpoint = Callable[[Request, str], Awaitable[Response]]


class Reads:
    """The routes of reads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cursors = Cursors(service.keys.service_key(PURPOSE))

    def router(self) -> APIRouter:
        router = APIRouter()
        for thing, (of, action) in _THINGS.items():
            _add(router, f"/v1/{thing}s/{{id}}", self._one(thing, of, action), action, _SCHEMAS[thing], single=True)
            history = self._history(thing, of)
            _add(router, f"/v1/{thing}s/{{id}}/history", history, Action.READ_HISTORY, HISTORY, paged=True)
        _add(router, "/v1/customers/{id}/holdings", self.holdings, Action.READ_CUSTOMER, HOLDINGS)
        renewal_info = "/v1/credentials/{id}/renewal-info"
        _add(router, renewal_info, self.renewal_info, Action.READ_RENEWAL_INFO, RENEWAL_INFO, headers=RETRY_AFTER)
        return router

    # --- Routes

    def _one(self, thing: str, of: NameKind, action: Action) -> Endpoint:
        look = Look(of=(of,), action=action, what=thing)

        async def one(request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
            caller = await self._service.caller(request, action)
            when = When.asked(request, self._service.now())
            to_app = acts_as_app(caller)

            def question(store: EventStore, target: Target) -> Response:
                if of is NameKind.CREDENTIAL:
                    return _credential(store, target, when, request, id)
                version, state = _state_at(store, target, when, since=_own_since(store, target, caller))
                told = customer_told(state, to_app=to_app) if isinstance(state, Customer) else state
                return unless_known(request, version, {**when.told(id, target.stream), "version": version, thing: told})

            return await looked_at(self._service, request, caller, id, look, question)

        one.__doc__ = f"Read a {thing}."
        return one

    def _history(self, thing: str, of: NameKind) -> Endpoint:
        look = Look(of=(of,), action=Action.READ_HISTORY, what=f"{thing} history")

        async def history(request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
            caller = await self._service.caller(request, Action.READ_HISTORY)
            when, limit = When.asked(request, self._service.now()), limit_asked(request)
            place = self._cursors.place_asked(request, caller)

            def question(store: EventStore, target: Target) -> Response:
                entries = questions.history(store, target.stream, kinds=(), as_of=when.as_of, known_at=when.known_at)
                since = _own_since(store, target, caller)
                shown = [each for each in entries if _is_shown(each, since=since, to_app=acts_as_app(caller))]
                page, following = page_of(shown, place or BEGINNING, limit)
                link = self._cursors.link(following, request, caller)
                return answered({**when.told(id, target.stream), "entries": list(map(told_entry, page))}, link)

            return await looked_at(self._service, request, caller, id, look, question, seen_before=place is not None)

        history.__doc__ = f"Tell what happened to a {thing}, with the state before and after each event."
        return history

    async def holdings(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Tell what a customer holds and applied for, with links, unlock methods and what to see to."""
        caller = await self._service.caller(request, Action.READ_CUSTOMER)
        when = When.asked(request, self._service.now())

        def question(store: EventStore, target: Target) -> Response:
            asked = bank_questions.Asked(
                store=store, kinds=self._service.kinds, as_of=when.moment, known_at=when.known_at
            )
            found = bank_questions.ask_holdings(asked, target.stream)
            return answered({**when.told(id, target.stream), "holdings": found.rows, "names": found.names})

        look = Look(of=(NameKind.CUSTOMER,), action=Action.READ_CUSTOMER, what="holdings")
        return await looked_at(self._service, request, caller, id, look, question)

    async def renewal_info(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Tell when the credential is best renewed, and what is still missing."""
        caller = await self._service.caller(request, Action.READ_RENEWAL_INFO)
        when = When.asked(request, self._service.now())

        def question(store: EventStore, target: Target) -> Response:
            standing = questions.show(store, target.stream, as_of=when.moment, known_at=when.known_at)
            assert isinstance(target.state, Application | Credential)  # noqa: S101 (what was asked for)
            told = {
                **when.told(id, target.stream),
                "suggested_window": standing.window,
                "explanation_url": str(self._service.kinds.kind(target.state.kind).details_url),
                "eligibility": standing.eligibility,
            }
            return answered(told, {"Retry-After": str(ask_again_seconds(standing.window, when.now))})

        look = Look(of=(NameKind.CREDENTIAL,), action=Action.READ_RENEWAL_INFO, what="renewal info")
        return await looked_at(self._service, request, caller, id, look, question)


# --- Questions


def _credential(store: EventStore, target: Target, when: When, request: Request, text: str) -> Response:
    state = target.state
    assert isinstance(state, Application | Credential)  # noqa: S101 (what was asked for)
    standing = questions.show(store, target.stream, as_of=when.moment, known_at=when.known_at)
    version = standing.validity.version
    told = {
        **when.told(text, target.stream),
        "version": version,
        "customer": state.customer,
        "kind": state.kind,
        **_standing_told(standing),
    }
    still = when.as_of is not None or _as_the_last_event_left_it(store, target.stream, standing, when)
    return unless_known(request, version, told, holds=still)


def _as_the_last_event_left_it(store: EventStore, stream: UUID, standing: Standing, when: When) -> bool:
    """Tell whether the clock has decided nothing since: else an answer of the same version may be out of date.

    The days that are left do not count: they are told as of the moment that the answer names.
    """
    left_at = store.load(streams=[stream], names=(), commands=()).heads.get(stream, NO_HEAD).latest_at
    if left_at is None or left_at > when.now:
        return False
    then = questions.show(store, stream, as_of=left_at, known_at=when.known_at)
    return _lasting(then) == _lasting(standing)


def _lasting(standing: Standing) -> object:
    expiry = standing.expiry
    return standing.validity, standing.eligibility, expiry and (expiry.expires_at, expiry.period, expiry.anchor)


def _standing_told(standing: Standing) -> dict[str, object]:
    return {"validity": standing.validity, "expiry": standing.expiry, "eligibility": standing.eligibility}


def _state_at(store: EventStore, target: Target, when: When, *, since: int) -> tuple[int, Aggregate]:
    """Return a stream's version and state at a moment. Raises Refused(not_found) if there was nothing then."""
    known = known_by(store.stream(target.stream), when.known_at)
    events = [recorded for recorded in known if recorded.event.at <= when.moment]
    if not events or events[0].version > 1 or events[-1].version < since:
        raise Refused(Refusal.NOT_FOUND, "there was nothing of it then, or nothing was known of it")
    return events[-1].version, reduce(_moved, events, None)


def _moved(state: Aggregate, recorded: RecordedEvent) -> Aggregate:
    return evolve(state, recorded.event)


def _own_since(store: EventStore, target: Target, caller: Caller) -> int:
    """Return the version from which on a stream is the app's to see: a phone may have been somebody else's before."""
    if not acts_as_app(caller) or not isinstance(target.state, Device):
        return 0
    return max((each.version for each in store.stream(target.stream) if isinstance(each.event, DeviceBound)), default=0)


def _is_shown(entry: Entry, *, since: int, to_app: bool) -> bool:
    recorded = entry.recorded
    return recorded.version >= since and not (to_app and isinstance(recorded.event, _FOR_STAFF))


def ask_again_seconds(window: RenewalWindow | None, now: datetime) -> int:
    """Return in how many seconds something may have changed: when the window opens or closes, or in a few hours."""
    ahead = [] if window is None else [(each - now).total_seconds() for each in (window.start, window.end)]
    soonest = min((seconds for seconds in ahead if seconds > 0), default=ASK_AGAIN_SECONDS_MAX)
    return int(min(max(soonest, ASK_AGAIN_SECONDS_MIN), ASK_AGAIN_SECONDS_MAX))


# --- The description of the interface

_SCHEMAS: Mapping[str, Schema] = {"customer": CUSTOMER, "device": DEVICE, "credential": CREDENTIAL}


def _add(
    router: APIRouter,
    path: str,
    endpoint: Endpoint,
    action: Action,
    schema: Schema,
    *,
    single: bool = False,
    paged: bool = False,
    headers: Mapping[str, Any] = {},
) -> None:
    text = endpoint.__doc__ or ""
    known: dict[int | str, Any] = {304: {"description": "The answer at hand still holds.", "headers": ETAG}}
    own_headers = {**headers, **(ETAG if single else {}), **(LINK if paged else {})}
    parameters = (ACCESS_REASON, *(PAGED if paged else MOMENTS), *((IF_NONE_MATCH,) if single else ()))
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=None,
        summary=text.partition(".")[0],
        description=f"{text} {may(action)}",
        tags=[path.split("/")[2]],
        operation_id="read-" + path.removeprefix("/v1/").replace("/{id}", "").replace("/", "-"),
        responses={
            200: good(schema, "As it was then.", own_headers),
            **(known if single else {}),
            **problems(*OF_ANY, *OF_A_TARGET, 409),
        },
        openapi_extra={"parameters": list(parameters)},
    )
