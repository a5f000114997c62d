"""Answers: how what was asked for is told, and what the description of the interface says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.moments import AS_OF, KNOWN_AT, moment_asked
from sealbook.adapters.http.shapes import Schema, record, rows, shape
from sealbook.adapters.plain import plain
from sealbook.domain.customer import CompanyUser, Customer, Proposal
from sealbook.domain.device import Device
from sealbook.domain.values import HolderKind, HolderSubkind, Kind, Service
from sealbook.projections.expiry import Expiry
from sealbook.projections.holdings import Holding
from sealbook.projections.renewal_eligibility import RenewalEligibility
from sealbook.projections.renewal_window import RenewalWindow
from sealbook.projections.validity import Validity

CACHED = {"Cache-Control": "private, no-cache"}
"""The caller may keep it, and asks each time whether it still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """About when is asked, and by what was known when; None where nothing was said."""

    as_of: datetime | None
    known_at: datetime | None
    now: datetime

    @classmethod
    def asked(cls, request: Request, now: datetime) -> "When":
        """Return what the address says. Raises Problem(invalid_request)."""
        return cls(as_of=moment_asked(request, AS_OF), known_at=moment_asked(request, KNOWN_AT), now=now)

    @property
    def moment(self) -> datetime:
        return self.as_of or self.now

    def told(self, text: str, stream: UUID) -> dict[str, object]:
        """Return what every answer begins with."""
        return {"asked": text, "id": stream, "as_of": self.moment, "known_at": self.known_at or self.now}


# --- What is told


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCredential:
    credential: UUID
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTo:
    bank_id: str
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTold:
    """A customer as it is told. Whether a case asks that nothing be erased is for the staff alone."""

    kind: HolderKind
    subkind: HolderSubkind
    open_credentials: tuple[HeldCredential, ...]
    devices: tuple[UUID, ...]
    linked_ids: tuple[LinkedTo, ...]
    services: tuple[Service, ...]
    users: tuple[CompanyUser, ...]
    proposals: tuple[Proposal, ...]
    restricted: bool
    deceased_at: datetime | None
    closed_at: datetime | None
    legal_hold: bool | None
    erased: bool


def customer_told(state: Customer, *, to_app: bool) -> CustomerTold:
    return CustomerTold(
        kind=state.kind,
        subkind=state.subkind,
        open_credentials=tuple(
            HeldCredential(credential=credential, kind=kind) for credential, kind in state.open_credentials
        ),
        devices=state.devices,
        linked_ids=tuple(LinkedTo(bank_id=bank_id, credential=held) for bank_id, held in state.linked_ids),
        services=state.services,
        users=state.users,
        proposals=state.proposals,
        restricted=state.restricted,
        deceased_at=state.deceased_at,
        closed_at=state.closed_at,
        legal_hold=None if to_app else state.legal_hold,
        erased=state.erased,
    )


MOMENT = shape(datetime)
BEGINNING: Mapping[str, Schema] = {
    "asked": {"type": "string", "description": "The name or id that was asked for."},
    "id": {"type": "string", "format": "uuid"},
    "as_of": MOMENT,
    "known_at": MOMENT,
}
_VERSION: Schema = {"type": "integer", "minimum": 0, "description": "Of the stream, up to which it is told."}
CUSTOMER = record({**BEGINNING, "version": _VERSION, "customer": shape(CustomerTold)})
DEVICE = record({**BEGINNING, "version": _VERSION, "device": shape(Device)})
CREDENTIAL = record(
    {
        **BEGINNING,
        "version": _VERSION,
        "customer": {"type": "string", "format": "uuid"},
        "kind": shape(Kind),
        "validity": shape(Validity),
        "expiry": shape(Expiry | None),
        "eligibility": shape(RenewalEligibility),
    }
)
NAMES: Schema = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "What the bank calls the streams that the answer speaks of.",
}
HOLDINGS = record({**BEGINNING, "holdings": rows(shape(Holding)), "names": NAMES})
_ANYTHING: Schema = {"type": "object"}
ENTRY = record(
    {
        "position": {"type": "integer"},
        "version": {"type": "integer"},
        "event": {"type": "string"},
        "occurred_at": MOMENT,
        "recorded_at": MOMENT,
        "actor": {"type": "string"},
        "channel": {"type": "string"},
        "caused_by": {"type": ["integer", "null"], "description": "The position of the event that brought it about."},
        "fields": _ANYTHING,
        "before": _ANYTHING,
        "after": _ANYTHING,
    }
)
HISTORY = record({**BEGINNING, "entries": rows(ENTRY)})
RENEWAL_INFO = record(
    {
        **BEGINNING,
        "suggested_window": {
            **shape(RenewalWindow | None),
            "description": "When the app is best used, or asks for the renewal. One that has passed means: at once;"
            " null, that nothing the holder does renews.",
        },
        "explanation_url": {"type": "string", "format": "uri"},
        "eligibility": shape(RenewalEligibility),
    }
)

ETAG: Schema = {"ETag": {"description": "The version of the stream.", "schema": {"type": "string"}}}
RETRY_AFTER: Schema = {
    "Retry-After": {"description": "After how many seconds to ask again.", "schema": {"type": "string"}}
}
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that is at hand: if it still holds, it is not sent again.",
    "schema": {"type": "string"},
}


def answered(told: object, headers: Mapping[str, str] = {}) -> Response:
    """Return an answer."""
    content = msgspec.json.encode(plain(told))
    return Response(content, media_type="application/json", headers={**CACHED, **headers})


def unless_known(request: Request, version: int, told: object, *, holds: bool = True) -> Response:
    """Return an answer, or 304 if the client has one of this version that `holds` still."""
    tag = f'"{version}"'
    if holds and tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers={**CACHED, "ETag": tag})
    return answered(told, {"ETag": tag})


def good(schema: Schema, description: str, headers: Mapping[str, Any] = {}) -> Schema:
    told: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {**told, "headers": headers} if headers else told
