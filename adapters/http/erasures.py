"""Erasures: one administrator asks, another approves, and then personal data is gone.

What was asked for is kept nowhere: who asks gets it sealed, and hands it to the one who approves.
"""

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import APIRouter
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action, require_second_person
from sealbook.adapters.http.bodies import Part, Text
from sealbook.adapters.http.commanding import Envelope, accepted, command_id, json_body, told
from sealbook.adapters.http.commands import NameOrId, parsed
from sealbook.adapters.http.documented import (
    IDEMPOTENCY_KEY,
    OF_A_BODY,
    OF_A_COMMAND,
    OF_ANY,
    answer,
    body,
    may,
    problems,
)
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.targets import Asked, found
from sealbook.application import erasure
from sealbook.application.commands import Request as Wish
from sealbook.application.erasing import EraseCredential
from sealbook.application.names import NameKind

PURPOSE = "approvals"
NONCE_BYTES = 12
LIFETIME = timedelta(days=1)
NOT_STORED = {"Cache-Control": "no-store"}


class ErasureBody(Part):
    """Why a customer's data is to be erased: a reference to the request or the rule."""

    basis: Text


class ApprovalBody(Part):
    """What another administrator was given who asked for an erasure."""

    approval: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_=-]+$", max_length=2_000, strict=True)]


MODELS = (ErasureBody, ApprovalBody)


class _Asked(msgspec.Struct, array_like=True, frozen=True):
    """What was asked for, by whom and until when it may be approved (Unix seconds)."""

    customer: bool
    stream: UUID
    basis: str
    subject: str
    until: float


class Erasures:
    """The routes of erasures."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seal = AESGCM(service.keys.service_key(PURPOSE))

    def router(self) -> APIRouter:
        router = APIRouter()
        for path, endpoint, name, model, status in (
            ("/v1/customers/{id}/erasures", self.of_customer, "Approval", ErasureBody, 202),
            ("/v1/credentials/{id}/erasures", self.of_credential, "Approval", ErasureBody, 202),
            ("/v1/erasures", self.approve, "Done", ApprovalBody, 200),
        ):
            documentation = _documented(endpoint.__doc__ or "", name, model, status)
            router.add_api_route(path, endpoint, methods=["POST"], response_model=None, **documentation)
        return router

    async def of_customer(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Ask for the erasure of a customer's data; another administrator approves it."""
        return await self._asked(request, id, NameKind.CUSTOMER)

    async def of_credential(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Ask for the erasure of a credential's data; another administrator approves it."""
        return await self._asked(request, id, NameKind.CREDENTIAL)

    async def approve(self, request: Request) -> Response:
        """Approve an erasure that another administrator asked for. It is done at once, and for good."""
        service = self._service
        caller = await service.caller(request, Action.ERASE_CUSTOMER)
        raw = await json_body(request)
        command_id(request)
        wanted = self._opened(parsed(ApprovalBody, raw).model_dump()["approval"])
        require_second_person(caller, asked_by=wanted.subject)
        # The one who asked acts, the one who approves stands beside: the record names both.
        envelope = Envelope.of(request, raw, caller, actor=wanted.subject)
        first = await service.readers.ask(envelope.first_answer)
        if first is None:
            self._check_in_time(wanted)
            first = await service.writer.submit(envelope.command(await self._wish(wanted, caller.subject)))
        answered = accepted(first)
        # Again for a repetition: what a crash left undone on the keys is done now.
        await service.readers.ask(lambda store: erasure.reconcile(store, service.keys))
        return told(answered, more={"id": str(wanted.stream)})

    async def _asked(self, request: Request, text: str, kind: NameKind) -> Response:
        service = self._service
        action = Action.ERASE_CUSTOMER if kind is NameKind.CUSTOMER else Action.ERASE_CREDENTIAL
        caller = await service.caller(request, action)
        wanted = parsed(ErasureBody, await json_body(request)).model_dump()
        asked = [Asked(text, (kind,))]
        (target,) = await service.readers.ask(lambda store: found(store, asked, caller=caller))
        until = service.now() + LIFETIME
        sealed = self._sealed(
            _Asked(kind is NameKind.CUSTOMER, target.stream, wanted["basis"], caller.subject, until.timestamp())
        )
        said = {"approval": sealed, "expires_at": until.isoformat()}
        return Response(msgspec.json.encode(said), status_code=202, media_type="application/json", headers=NOT_STORED)

    async def _wish(self, wanted: _Asked, approved_by: str) -> Wish:
        at = self._service.now()
        if not wanted.customer:
            # Its event has no field for who approved.
            basis = f"{wanted.basis}, approved by {approved_by}"
            return EraseCredential(at=at, credential=wanted.stream, basis=basis)
        return await self._service.readers.ask(
            lambda store: erasure.request_of(
                store, customer=wanted.stream, basis=wanted.basis, approved_by=approved_by, at=at
            )
        )

    def _sealed(self, wanted: _Asked) -> str:
        nonce = self._service.randomness(NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, msgspec.msgpack.encode(wanted), PURPOSE.encode())
        return base64.urlsafe_b64encode(sealed).decode()

    def _opened(self, text: str) -> _Asked:
        try:
            sealed = base64.b64decode(text, altchars=b"-_", validate=True)
            opened = self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], PURPOSE.encode())
        except (InvalidTag, ValueError, binascii.Error):
            raise Problem(Fault.APPROVAL, "this approval was not given by this service") from None
        return msgspec.msgpack.decode(opened, type=_Asked)

    def _check_in_time(self, wanted: _Asked) -> None:
        if self._service.now().timestamp() >= wanted.until:
            raise Problem(Fault.APPROVAL, "this approval was given too long ago: have it asked for again")


def _documented(text: str, name: str, model: type[Part], status: int) -> dict[str, Any]:
    return {
        "summary": text.partition(".")[0],
        "description": " ".join(f"{text} {may(Action.ERASE_CUSTOMER)}".split()),
        "tags": ["erasures"],
        "status_code": status,
        "responses": {
            status: answer(name, "Carried out, and durable." if status == 200 else "To be approved."),
            **problems(*OF_ANY, *OF_A_BODY, *OF_A_COMMAND),
        },
        "openapi_extra": {
            "requestBody": body(model.__name__),
            **({"parameters": [IDEMPOTENCY_KEY]} if status == 200 else {}),
        },
    }
