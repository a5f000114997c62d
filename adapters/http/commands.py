"""Commands: a route for every row of what is offered, all by one rule."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action, Caller, Denial, Forbidden, acts_as_app, require_no_vouching
from sealbook.adapters.http.bodies import KIND_OF_NAME, body_of, heard, refs_of
from sealbook.adapters.http.commanding import Envelope, accepted, json_body, not_later, told
from sealbook.adapters.http.documented import command_documentation
from sealbook.adapters.http.offered import OFFERED, Offered
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.targets import Asked, Target, found_in, loaded
from sealbook.adapters.writer.port import Answered
from sealbook.application.ports import EventStore
from sealbook.domain.credential import Credential
from sealbook.domain.values import SuspensionReason

NameOrId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="An id (a UUID), or the bank's own name; `name:` before it forces a name.",
    ),
]
TARGET = ""
"""Under which what the address names is looked up: no field has this name."""
Endpoint = Callable[..., Coroutine[Any, Any, Response]]


def parsed(model: type[BaseModel], raw: bytes) -> BaseModel:
    """Return the body. Raises Problem(invalid_request), which repeats nothing of it."""
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise Problem(Fault.INVALID_REQUEST, more={"errors": faults(error, model)}) from None


def faults(error: ValidationError, model: type[BaseModel]) -> list[dict[str, str]]:
    """Return where a body is wrong and how, as far as the model's own words say it."""
    known = set(model.model_fields)
    places = (
        (each["loc"], each["type"])
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return [{"field": str(loc[0]) if loc and loc[0] in known else "", "fault": kind} for loc, kind in places]


class Commands:
    """Carries out what is offered."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def router(self) -> APIRouter:
        router = APIRouter()
        for row, model in BODIES:
            router.add_api_route(
                row.path,
                self._endpoint(row, model),
                methods=["POST"],
                response_model=None,
                **command_documentation(row, model),
            )
        return router

    def _endpoint(self, row: Offered, model: type[BaseModel]) -> Endpoint:
        async def on_target(request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
            return await self._carried_out(row, model, request, id)

        async def creating(request: Request) -> Response:
            return await self._carried_out(row, model, request, None)

        return creating if row.creates else on_target

    async def _carried_out(self, row: Offered, model: type[BaseModel], request: Request, text: str | None) -> Response:
        service = self._service
        caller = await service.caller(request, row.action)
        raw = await json_body(request)
        envelope = Envelope.of(request, raw, caller)
        body = parsed(model, raw)
        now = service.now()
        check_moments(body, now)
        require_no_vouching(caller, row.action, getattr(body, "evidence", None))
        asked = asked_of(row, body, text)
        first, streams = await service.readers.ask(lambda store: looked_up(store, row, envelope, asked, caller))
        if first is None:
            stream = service.new_id() if row.creates else streams.pop(TARGET)
            said = heard(row.cls, body, refs=streams, named=row.of)
            if row.action is Action.SUSPEND and acts_as_app(caller):
                # What the holder asks for, the holder may lift again.
                said["reason"] = SuspensionReason.REQUESTED
            wish = row.make(stream, now, said)
            first = await service.writer.submit(envelope.command(wish))
        answered = accepted(first)
        said = {"id": str(answered.stream)} if row.creates else {"asked": text, "id": str(answered.stream)}
        return told(answered, more=said, status=201 if row.creates else 200)


def asked_of(row: Offered, body: BaseModel, text: str | None) -> dict[str, Asked]:
    """Return what has to be looked up: what the address names, and the names and ids in the body."""
    found = {} if text is None else {TARGET: Asked(text, (row.of,), own=row.target_own)}
    for field in refs_of(row.cls, without=row.known):
        said = getattr(body, field)
        if said is not None:
            found[field] = Asked(
                said, (KIND_OF_NAME[field],), own=field in row.own or field in row.unheld, unheld=field in row.unheld
            )
    return found


def looked_up(
    store: EventStore, row: Offered, envelope: Envelope, asked: dict[str, Asked], caller: Caller
) -> tuple[Answered | None, dict[str, UUID]]:
    """Return the first answer to a command that was carried out, or else the streams that it asks for."""
    known = loaded(store, list(asked.values()), caller=caller, commands=[envelope.command_id])
    # First, for what a command has moved may be the caller's no longer.
    first = envelope.first_answer(store, known)
    if first is not None:
        return first, {}
    targets = found_in(known, list(asked.values()), caller=caller)
    if row.action is Action.RESUME and acts_as_app(caller):
        _check_own_hold(targets[0])
    return None, {field: target.stream for field, target in zip(asked, targets, strict=True)}


def _check_own_hold(target: Target) -> None:
    """Raise Forbidden unless the hold is one that the holder asked for: any other, the bank lifts."""
    state = target.state
    if isinstance(state, Credential) and state.suspended and state.suspended_for != SuspensionReason.REQUESTED:
        raise Forbidden(Denial.VOUCHING)


def check_moments(body: BaseModel, now: datetime) -> None:
    for field in type(body).model_fields:
        said = getattr(body, field)
        if isinstance(said, datetime):
            not_later(said, now)


def _name(row: Offered) -> str:
    verb = row.path.rpartition("/")[2] if not row.creates else row.cls.__name__
    thing = row.of.replace("device_key", "device")
    return (
        "".join(each.capitalize() for each in f"{thing}-{verb}-body".split("-")) if not row.creates else f"{verb}Body"
    )


BODIES = tuple((row, body_of(row.cls, name=_name(row), without=row.known)) for row in OFFERED)
MODELS = tuple(model for _, model in BODIES)
