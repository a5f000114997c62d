"""Commands: a request with who asks and how, and what it is sure to read."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from sealbook.application.adopting import AdoptAttempt, AdoptFact, Adoption, AdoptIssued
from sealbook.application.erasing import EraseCredential, EraseCustomer
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.record_keeping import OnLedger
from sealbook.application.requests import (
    AddCompanyUser,
    ApplyForCredential,
    ChangeRole,
    CloseCustomer,
    CompleteApplication,
    EnrollCustomer,
    IssueCredential,
    LinkId,
    LinkService,
    OnApplication,
    OnCredential,
    OnCustomer,
    OnDevice,
    OnPolicy,
    OnTransaction,
    RecoverDevice,
    RegisterDevice,
    ReleaseDevice,
    RemoveCompanyUser,
    ReplaceDevice,
    ReportLoss,
    UnlinkId,
    VerifyPhone,
)

DIGEST_BYTES = 16
_MILLISECONDS_A_DAY = 24 * 60 * 60 * 1_000

OfCustomer = (
    EnrollCustomer
    | AddCompanyUser
    | RemoveCompanyUser
    | ChangeRole
    | OnTransaction
    | OnCustomer
    | CloseCustomer
    | EraseCustomer
)
OfDevice = RegisterDevice | OnDevice | ReleaseDevice | ReportLoss | RecoverDevice | ReplaceDevice
OfApplication = ApplyForCredential | VerifyPhone | OnApplication | CompleteApplication | IssueCredential
OfCredential = OnCredential | LinkId | UnlinkId | LinkService | EraseCredential
Request = OfCustomer | OfDevice | OfApplication | OfCredential | OnPolicy | OnLedger | Adoption


def targets(request: Request) -> tuple[Ref, ...]:
    """Return what a request is sure to read. What else a decision asks for is loaded when it does."""
    # What comes by the thousand, first: an answer without a look at each field.
    match request:
        case OnCredential(credential=ref) | AdoptFact(credential=ref):
            return (ref,)
        case AdoptAttempt(customer=customer, policy=policy):
            # The name is read if it is the customer's first.
            credential_name = Name(NameKind.CREDENTIAL, customer.value)
            return (customer, credential_name, Name(NameKind.POLICY, policy.policy_id))
        case _:
            return _named_by(request)


def _named_by(request: Request) -> tuple[Ref, ...]:
    named = (getattr(request, each.name) for each in fields(request))
    refs = tuple(value for value in named if isinstance(value, UUID | Name))
    match request:
        case OnPolicy(policy_id=policy_id) | IssueCredential(policy_id=policy_id):
            return (*refs, Name(NameKind.POLICY, policy_id))
        case AdoptIssued(policy=policy):
            return (*refs, Name(NameKind.POLICY, policy.policy_id))
        case EraseCustomer(credentials=credentials, devices=devices):
            return (*refs, *credentials, *devices)
        case _:
            # Names of a kind's policy are found out when the kind is.
            return refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request with who asks and how.

    With a `command_id`, the same command sent twice is carried out once. `actor` is a reference,
    never a name of a person.

    `sent` is what its sender said, where the request holds more than that: the moment at which it came, what a
    code proved. Then it tells a repetition. With `if_version`, the first stream that the request speaks of must
    be at that version.
    """

    request: Request
    command_id: UUID | None
    actor: str
    channel: str
    sent: bytes | None = None
    if_version: int | None = None

    def digest(self) -> bytes:
        """Return 16 bytes of BLAKE2b of the content: what tells a repetition from a reuse of its id."""
        if self.sent is not None:
            return digest_of_sent(self.sent, actor=self.actor, channel=self.channel, if_version=self.if_version)
        return _digest(_canonical(self.request), self.actor, self.channel, self.if_version)


def digest_of_sent(sent: bytes, *, actor: str, channel: str, if_version: int | None) -> bytes:
    """Return the digest of a command of which this was sent, whatever its request came to."""
    return _digest(f"sent {sent.hex()}", actor, channel, if_version)


def _digest(said: str, actor: str, channel: str, if_version: int | None) -> bytes:
    guard = "" if if_version is None else f" {if_version}"
    content = f"{said} {actor!r} {channel!r}{guard}"
    return hashlib.blake2b(content.encode(), digest_size=DIGEST_BYTES).digest()


def day_said_by(command_id: UUID) -> int | None:
    """Return the day that an id says itself, in days since 1970 UTC: a UUIDv7 does (RFC 9562 5.7), no other."""
    return (command_id.int >> 80) // _MILLISECONDS_A_DAY if command_id.version == 7 else None


def _canonical(value: object) -> str:
    # A repr would do, but it hides names, and two commands may differ in nothing else.
    write = _PLAIN.get(type(value))
    if write is not None:
        return write(value)
    names = _field_names(cast("Hashable", type(value)))
    if names is not None:
        return f"{type(value).__name__}({','.join([_canonical(getattr(value, name)) for name in names])})"
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return f"{type(items).__name__}({','.join([_canonical(each) for each in items])})"
    return value.model_dump_json() if isinstance(value, BaseModel) else repr(value)


@cache
def _field_names(cls: Hashable) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields, None for any other class."""
    return tuple(each.name for each in fields(cls)) if isinstance(cls, type) and is_dataclass(cls) else None


_PLAIN: dict[type, Callable[[Any], str]] = {
    UUID: lambda value: f"{value.int:x}",
    datetime: datetime.isoformat,
    **dict.fromkeys((str, int, bool, NoneType), repr),
}
