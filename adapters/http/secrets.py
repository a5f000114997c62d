"""Secrets: a seed for one-time codes is made here, shown once, and put right when a phone's clock drifts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action, Caller
from sealbook.adapters.http.bodies import Part, body_of, heard
from sealbook.adapters.http.commanding import Envelope, accepted, json_body, told
from sealbook.adapters.http.commands import NameOrId, asked_of, looked_up, parsed
from sealbook.adapters.http.documented import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    OF_A_BODY,
    OF_A_COMMAND,
    OF_ANY,
    answer,
    body,
    may,
    problems,
)
from sealbook.adapters.http.offered import Offered
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service, limited
from sealbook.adapters.http.targets import Asked, Target, found_in, loaded
from sealbook.adapters.proofs import totp
from sealbook.adapters.proofs.seeds import HeldSeed
from sealbook.adapters.writer.port import Answered
from sealbook.application import requests
from sealbook.application.commands import Request as Wish
from sealbook.application.names import NameKind
from sealbook.application.ports import EventStore
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Application, Credential, Resynchronize, SetSecret, Use, issued
from sealbook.domain.kind_document import KindDocument

OTP = "otp"
REACH_STEPS = 30
"""How far a clock may be off to be put right by two codes: half an hour of steps of a minute (RFC 6238 6)."""
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6,8}$", strict=True)]


class OtpBody(Part):
    """A seed is wanted, and its provisioning URI is shown, once."""


class ResynchronizeBody(Part):
    """Two codes in a row, as the phone shows them now."""

    first_code: Code
    second_code: Code

    def __repr__(self) -> str:
        return "ResynchronizeBody()"


def _issue(stream: UUID, at: datetime, said: dict[str, Any]) -> Wish:
    return requests.IssueCredential(at=at, credential=stream, **said)


ISSUE = Offered(
    path="/v1/credentials",
    of=NameKind.CREDENTIAL,
    cls=requests.IssueCredential,
    action=Action.ISSUE,
    make=_issue,
    creates="credential",
    hidden=("with_secret",),
)
IssueBody = body_of(ISSUE.cls, name="IssueBody", without=ISSUE.known, more={OTP: OtpBody | None})


MODELS: tuple[type[BaseModel], ...] = (IssueBody, ResynchronizeBody)


class Secrets:
    """The routes of seeds. A seed is in the vault before the ledger says that it counts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def router(self) -> APIRouter:
        router = APIRouter()
        for path, endpoint, action, model in (
            (ISSUE.path, self.issue, Action.ISSUE, IssueBody),
            ("/v1/credentials/{id}/secrets", self.set_secret, Action.SET_SECRET, None),
            ("/v1/credentials/{id}/resynchronize", self.resynchronize, Action.RESYNCHRONIZE, ResynchronizeBody),
        ):
            documentation = _documented(path, endpoint.__doc__ or "", action, model)
            router.add_api_route(path, endpoint, methods=["POST"], response_model=None, **documentation)
        return router

    async def issue(self, request: Request) -> Response:
        """Issue at the counter, where an officer identified the customer; with `otp`, a seed is made as well.

        The seed's provisioning URI is shown once: the answer to a repetition lacks it.
        """
        service = self._service
        caller = await service.caller(request, ISSUE.action)
        raw = await json_body(request)
        envelope = Envelope.of(request, raw, caller)
        body = parsed(IssueBody, raw)
        asked = asked_of(ISSUE, body, None)
        first, streams = await service.readers.ask(lambda store: looked_up(store, ISSUE, envelope, asked, caller))
        if first is not None:
            return _issued(first, None)
        credential, at = service.new_id(), service.now()
        said = heard(ISSUE.cls, body, refs=streams, named=ISSUE.of)
        wanted = said.pop(OTP) is not None
        kind = service.kinds.offered(said["kind"])
        uri = None
        if wanted:
            # First: a seed that nobody was shown harms nobody, a credential that awaits one does.
            held = await self._put(kind, credential, streams["customer"], generation=1)
            name = str(credential) if said["name"] is None else said["name"].value
            uri = totp.provisioning_uri(held.seed, name=name, issuer=kind.issuer)
        wish = ISSUE.make(credential, at, {**said, "with_secret": wanted})
        answered = await service.writer.submit(envelope.command(wish))
        if wanted and answered.stream != credential:
            # It was refused, or is a repetition: this seed is nobody's.
            await service.secrets.forget(credential, below=2)
        return _issued(answered, uri if answered.stream == credential else None)

    async def set_secret(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Make a new seed, which counts instead of the one before. Its provisioning URI is shown once."""
        service = self._service
        caller = await service.caller(request, Action.SET_SECRET)
        envelope = Envelope.of(request, await json_body(request), caller)
        first, stream, state = await self._held(id, envelope, caller)
        uri = None
        if first is None:
            generation = state.secret_generation + 1
            held = await self._put(service.kinds.kind(state.kind), stream, state.customer, generation=generation)
            wish = OnCredential(credential=stream, command=SetSecret(at=service.now(), generation=generation))
            first = await service.writer.submit(envelope.command(wish))
            if first.refusal is None:
                service.seeds.forget(stream)
                await service.secrets.forget(stream, below=generation)
                uri = totp.provisioning_uri(held.seed, name=id, issuer=service.kinds.kind(state.kind).issuer)
        answered = accepted(first)
        return told(answered, more={"asked": id, "id": str(answered.stream), **_shown(uri)}, status=201)

    async def resynchronize(self, request: Request, id: NameOrId) -> Response:  # noqa: A002 (its name in the address)
        """Find out by two codes in a row how far the phone's clock is off. Wrong ones count as a wrong proof."""
        service = self._service
        caller = await service.caller(request, Action.RESYNCHRONIZE)
        raw = await json_body(request)
        envelope = Envelope.of(request, raw, caller)
        codes = parsed(ResynchronizeBody, raw)
        assert isinstance(codes, ResynchronizeBody)  # noqa: S101 (what was parsed)
        first, stream, state = await self._held(id, envelope, caller)
        limited(service.limits.credential.take(stream.hex))
        if first is None:
            wish = OnCredential(credential=stream, command=await self._resynchronized(stream, state, codes))
            first = await service.writer.submit(envelope.command(wish))
        answered = accepted(first)
        return told(answered, more={"asked": id, "id": str(answered.stream)})

    async def _resynchronized(self, stream: UUID, state: Credential, codes: ResynchronizeBody) -> Resynchronize | Use:
        held = await self._service.seeds.of(stream, generation=state.secret_generation)
        if held is None:
            raise Problem(Fault.PROOF_NOT_SET_UP, "the credential has no seed: set one up first")
        at = self._service.now()
        matched = totp.resynchronize(held.seed, codes.first_code, codes.second_code, at=at, reach_steps=REACH_STEPS)
        if matched is None:
            return Use(at=at, device=state.device, proven=False, generation=held.generation)
        return Resynchronize(at=at, timecode=matched.timecode, drift_steps=matched.drift_steps)

    async def _held(self, text: str, envelope: Envelope, caller: Caller) -> tuple[Answered | None, UUID, Credential]:
        asked = [Asked(text, (NameKind.CREDENTIAL,))]

        def question(store: EventStore) -> tuple[Answered | None, Target]:
            known = loaded(store, asked, caller=caller, commands=[envelope.command_id])
            return envelope.first_answer(store, known), found_in(known, asked, caller=caller)[0]

        first, target = await self._service.readers.ask(question)
        return (
            first,
            target.stream,
            issued(target.state if isinstance(target.state, Application | Credential) else None),
        )

    async def _put(self, kind: KindDocument, credential: UUID, owner: UUID, *, generation: int) -> HeldSeed:
        if kind.one_time_code is None:
            raise Problem(Fault.PROOF_NOT_SET_UP, "this kind of credential takes no one-time codes")
        seed = totp.new_seed(kind.one_time_code, self._service.randomness)
        return await self._service.secrets.put(seed, credential=credential, owner=owner, generation=generation)


def _issued(answered: Answered, uri: str | None) -> Response:
    return told(accepted(answered), more={"id": str(answered.stream), **_shown(uri)}, status=201)


def _shown(uri: str | None) -> dict[str, str]:
    return {} if uri is None else {"provisioning_uri": uri}


def _documented(path: str, text: str, action: Action, model: type[BaseModel] | None) -> dict[str, Any]:
    status = 200 if model is ResynchronizeBody else 201
    name = "issue" if path == ISSUE.path else path.rpartition("/")[2]
    extra: dict[str, Any] = {"parameters": [IDEMPOTENCY_KEY, IF_MATCH]}
    if model is not None:
        extra["requestBody"] = body(model.__name__)
    return {
        "summary": f"Credentials: {name}",
        "description": " ".join(f"{text} {may(action)}".split()),
        "tags": ["credentials"],
        "operation_id": f"credentials-{name}",
        "status_code": status,
        "responses": {
            status: answer("Secret" if status == 201 else "Done", "Carried out, and durable.", tagged=True),
            **problems(*OF_ANY, *OF_A_BODY, *OF_A_COMMAND),
        },
        "openapi_extra": extra,
    }
