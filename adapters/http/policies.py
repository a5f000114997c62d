"""Kinds and policies: what the bank offers, by which rules it is renewed, and how these rules change."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action
from sealbook.adapters.http.answers import HISTORY, When, answered, good
from sealbook.adapters.http.bodies import Part
from sealbook.adapters.http.commanding import Envelope, accepted, json_body, told
from sealbook.adapters.http.commands import parsed
from sealbook.adapters.http.documented import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    OF_A_BODY,
    OF_A_COMMAND,
    OF_A_TARGET,
    OF_ANY,
    PLACE,
    may,
    problems,
)
from sealbook.adapters.http.moments import AS_OF, KNOWN_AT, asked_once, moment_asked, moment_parameter
from sealbook.adapters.http.pages import BEGINNING, CURSOR, LIMIT, LINK, PURPOSE, Cursors, limit_asked, page_of
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.shapes import Schema, document_shape, record, rows
from sealbook.adapters.plain import told_entry
from sealbook.application import questions
from sealbook.application.names import NameKind
from sealbook.application.ports import EventStore
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind

KindName = Annotated[Kind, Path(description="A kind of credential.")]
PolicyName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="A policy's id.")]
PURPOSE_OF_USE = "purpose"


class WithdrawBody(Part):
    """Which version is withdrawn: one that has not taken effect."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


_PURPOSE: Schema = {
    "name": PURPOSE_OF_USE,
    "in": "query",
    "required": False,
    "description": "Only the kinds that serve this purpose.",
}
_DOCUMENT = document_shape(RenewalPolicy, mode="serialization")
_KIND_DOCUMENT = document_shape(KindDocument, mode="serialization")
KIND: Schema = {
    **_KIND_DOCUMENT,
    "properties": {**_KIND_DOCUMENT["properties"], "purposes": rows({"type": "string"})},
    "required": [*_KIND_DOCUMENT.get("required", ()), "purposes"],
}
KINDS = record({"kinds": rows(KIND)})
VERSION = record(
    {
        "policy": {"type": "string", "description": "Id and version, like D@1."},
        "sha256": {"type": "string", "description": "Of the canonical document: what a report cites."},
        "withdrawn": {"type": "boolean"},
        "document": _DOCUMENT,
    }
)
POLICIES = record({"policies": rows(VERSION)})
CHANGED: Schema = record(
    {"policy": {"type": "string"}, "sha256": {"type": "string"}, **PLACE},
    optional=("sha256",),
)


class Policies:
    """The routes of kinds and policies."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cursors = Cursors(service.keys.service_key(PURPOSE))

    def router(self) -> APIRouter:
        router = APIRouter()
        read, change, moments = Action.READ_POLICIES, Action.CHANGE_POLICIES, (moment_parameter(KNOWN_AT),)
        history = (moment_parameter(AS_OF), *moments, LIMIT, CURSOR)
        purpose = {**_PURPOSE, "schema": {"enum": list(self._service.kinds.bank.purposes)}}
        _read(router, "/v1/kinds", self.kinds, Action.READ_KINDS, KINDS, parameters=(purpose,))
        _read(router, "/v1/kinds/{kind}", self.kind, Action.READ_KINDS, KIND, target=True)
        _read(router, "/v1/policies", self.policies, read, POLICIES, parameters=moments)
        path = "/v1/policies/{policy_id}/history"
        _read(router, path, self.history, read, HISTORY, parameters=history, headers=LINK, target=True)
        document = document_shape(RenewalPolicy, mode="validation")
        _change(router, "/v1/policies/announce", self.announce, change, document)
        withdrawal = document_shape(WithdrawBody, mode="validation")
        _change(router, "/v1/policies/{policy_id}/withdraw", self.withdraw, change, withdrawal)
        return router

    async def kinds(self, request: Request) -> Response:
        """List the kinds of credential that are offered."""
        await self._service.caller(request, Action.READ_KINDS)
        book, purpose = self._service.kinds, asked_once(request, PURPOSE_OF_USE)
        if purpose is not None and purpose not in book.bank.purposes:
            raise Problem(Fault.INVALID_REQUEST, f"purpose is one of {', '.join(book.bank.purposes)}")
        found = [each for each in book.kinds.values() if purpose is None or book.serves(each, purpose)]
        return answered({"kinds": [self._kind_told(each) for each in found]})

    async def kind(self, request: Request, kind: KindName) -> Response:
        """Tell all of one kind, be it offered or only held."""
        await self._service.caller(request, Action.READ_KINDS)
        book = self._service.kinds
        found = book.kinds.get(kind) or book.withdrawn.get(kind)
        if found is None:
            raise Problem(Fault.ADDRESS_NOT_FOUND, "this kind has no document here")
        return answered(self._kind_told(found))

    async def policies(self, request: Request) -> Response:
        """List every version of every policy."""
        await self._service.caller(request, Action.READ_POLICIES)
        known_at = moment_asked(request, KNOWN_AT)
        book = await self._service.readers.ask(lambda store: questions.policies(store, known_at=known_at))
        versions = [_version_told(held, each) for held in book.policies.values() for each in held.versions]
        return answered({"policies": versions})

    async def history(self, request: Request, policy_id: PolicyName) -> Response:
        """Tell what happened to a policy, with the state before and after each event."""
        caller = await self._service.caller(request, Action.READ_POLICIES)
        when = When.asked(request, self._service.now())
        limit, place = limit_asked(request), self._cursors.place_asked(request, caller)

        def question(store: EventStore) -> Response:
            stream = questions.find(store, policy_id, kinds=[NameKind.POLICY])
            entries = questions.history(store, stream, kinds=(), as_of=when.as_of, known_at=when.known_at)
            page, following = page_of(entries, place or BEGINNING, limit)
            link = self._cursors.link(following, request, caller)
            return answered({**when.told(policy_id, stream), "entries": list(map(told_entry, page))}, link)

        return await self._service.readers.ask(question)

    async def announce(self, request: Request) -> Response:
        """Announce a policy version: it takes effect on its own date, a month after the notice at the earliest."""
        service = self._service
        caller = await service.caller(request, Action.CHANGE_POLICIES)
        raw = await json_body(request)
        document = parsed(RenewalPolicy, raw)
        assert isinstance(document, RenewalPolicy)  # noqa: S101 (what was parsed)
        wish = OnPolicy(
            policy_id=document.policy_id,
            stream=service.new_id(),
            command=policy.Announce(at=service.now(), document=document),
        )
        answer = await service.writer.submit(Envelope.of(request, raw, caller).command(wish))
        return told(accepted(answer), more={"policy": str(document.ref), "sha256": document.digest})

    async def withdraw(self, request: Request, policy_id: PolicyName) -> Response:
        """Withdraw a version that has not taken effect."""
        service = self._service
        caller = await service.caller(request, Action.CHANGE_POLICIES)
        raw = await json_body(request)
        version = parsed(WithdrawBody, raw).model_dump()["version"]
        wish = OnPolicy(
            policy_id=policy_id,
            stream=service.new_id(),
            command=policy.Withdraw(at=service.now(), version=version),
        )
        answer = await service.writer.submit(Envelope.of(request, raw, caller).command(wish))
        return told(accepted(answer), more={"policy": f"{policy_id}@{version}"})

    def _kind_told(self, document: KindDocument) -> dict[str, object]:
        book = self._service.kinds
        served = [purpose for purpose in book.bank.purposes if book.serves(document, purpose)]
        return {**document.model_dump(mode="json"), "purposes": served}


def _version_told(held: Policy, document: RenewalPolicy) -> Mapping[str, object]:
    return {
        "policy": str(document.ref),
        "sha256": document.digest,
        "withdrawn": document.version in held.withdrawn,
        "document": document,
    }


# --- The description of the interface


def _read(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    action: Action,
    schema: Schema,
    *,
    parameters: tuple[Schema, ...] = (),
    headers: Mapping[str, Any] = {},
    target: bool = False,
) -> None:
    own = OF_A_TARGET if target else ()
    responses = {200: good(schema, "As it is.", headers), **problems(*OF_ANY, *own)}
    documentation = _documented(path, endpoint.__doc__ or "", action)
    extra = {"parameters": list(parameters)}
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=None,
        responses=responses,
        openapi_extra=extra,
        **documentation,
    )


def _change(router: APIRouter, path: str, endpoint: Callable[..., Any], action: Action, body: Schema) -> None:
    content = {"application/json": {"schema": body}}
    tagged = {"ETag": {"description": "The version of the stream.", "schema": {"type": "string"}}}
    router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=None,
        responses={
            200: good(CHANGED, "Carried out, and durable.", tagged),
            **problems(*OF_ANY, *OF_A_BODY, *OF_A_COMMAND),
        },
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY, IF_MATCH],
            "requestBody": {"required": True, "content": content},
        },
        **_documented(path, endpoint.__doc__ or "", action),
    )


def _documented(path: str, text: str, action: Action) -> dict[str, Any]:
    words = path.removeprefix("/v1/").split("/")
    return {
        "summary": text.partition(".")[0],
        "description": f"{text} {may(action)}",
        "tags": [words[0]],
        "operation_id": "-".join(each.strip("{}") for each in words),
    }
