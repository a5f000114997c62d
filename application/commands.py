"""What can be asked of the ledger: requests that speak of one or several aggregates.

Ids, times and randomness come in with the request: the same request decides the same way again.
"""

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from pydantic import BaseModel

from sealbook.domain import policy
from sealbook.domain.credential import Fact
from sealbook.domain.values import HolderKind, Kind, PolicyRef


class NameKind(StrEnum):
    """What a name may stand for. Names are unique in their kind."""

    CUSTOMER = "customer"
    CREDENTIAL = "credential"
    DEVICE_KEY = "device_key"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Name:
    """A name from outside: a bank's number, an identity digest, a device key. Never shown in a repr."""

    kind: NameKind
    value: str = field(repr=False)


Ref = UUID | Name
"""A stream by its id or by a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollCustomer:
    at: datetime
    customer: UUID
    name: Name | None
    kind: HolderKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDevice:
    at: datetime
    device: UUID
    key: Name
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDevice:
    """Give back the device and the slot that it takes."""

    at: datetime
    device: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCredential:
    """Issue under the version of `policy_id` in force, bound to a device of the customer's.

    An unbound device is bound in the same append. `replaces` ends the credential that it names.
    """

    at: datetime
    credential: UUID
    name: Name | None
    customer: Ref
    kind: Kind
    device: Ref
    policy_id: str
    replaces: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCredential:
    """A command of the credential's own: use, suspend, resume, revoke, renew ..."""

    credential: Ref
    command: Fact

    @property
    def at(self) -> datetime:
        return self.command.at


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPolicy:
    """Announce, adopt or withdraw a policy version. `stream` is the id if the policy is new."""

    policy_id: str
    stream: UUID
    command: policy.Command

    @property
    def at(self) -> datetime:
        return self.command.at


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptIssued:
    """Take a credential of an imported history, and its customer when it is the first.

    `customer_stream` is the customer's id if it is new.
    """

    at: datetime
    credential: UUID
    name: Name
    customer: Name
    customer_stream: UUID
    kind: Kind
    policy: PolicyRef
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptFact:
    """Take a fact of an imported history; what the rules refuse is kept without effect."""

    credential: Ref
    fact: Fact

    @property
    def at(self) -> datetime:
        return self.fact.at


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptAttempt:
    """Take an attempt to use whatever credential the customer holds.

    A customer's first attempt is its enrollment and an issue as well. With `reissue`, so is one
    that comes after the end: the new credential replaces the old, which stays expired. `stream`
    and `customer_stream` are ids for what is new.
    """

    at: datetime
    customer: Name
    customer_stream: UUID
    stream: UUID
    kind: Kind
    policy: PolicyRef
    provenance: str
    reissue: bool


Request = (
    EnrollCustomer
    | RegisterDevice
    | ReleaseDevice
    | IssueCredential
    | OnCredential
    | OnPolicy
    | AdoptIssued
    | AdoptFact
    | AdoptAttempt
)


def targets(request: Request) -> tuple[Ref, ...]:
    """Return what a request is sure to read. What else a decision asks for is loaded when it does."""
    match request:
        case EnrollCustomer(customer=stream, name=name):
            return (stream,) if name is None else (stream, name)
        case RegisterDevice(device=stream, key=key):
            return (stream, key)
        case ReleaseDevice(device=ref):
            return (ref,)
        case IssueCredential():
            policy_name = Name(NameKind.POLICY, request.policy_id)
            named = () if request.name is None else (request.name,)
            return (request.credential, request.customer, request.device, policy_name, *named)
        case OnCredential(credential=ref) | AdoptFact(credential=ref):
            return (ref,)
        case OnPolicy(policy_id=policy_id, stream=stream):
            return (Name(NameKind.POLICY, policy_id), stream)
        case AdoptIssued():
            policy_name = Name(NameKind.POLICY, request.policy.policy_id)
            return (request.customer, request.name, request.credential, request.customer_stream, policy_name)
        case AdoptAttempt():
            policy_name = Name(NameKind.POLICY, request.policy.policy_id)
            credential_name = Name(NameKind.CREDENTIAL, request.customer.value)
            return (request.customer, credential_name, request.stream, request.customer_stream, policy_name)
        case _:
            assert_never(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request with who asks and how.

    With a `command_id`, the same command sent twice is carried out once. `actor` is a reference,
    never a name of a person.
    """

    request: Request
    command_id: UUID | None
    actor: str
    channel: str

    def digest(self) -> bytes:
        """Return SHA-256 of the content: what tells a repetition from a reuse of its id."""
        return hashlib.sha256(_canonical(self).encode()).digest()


def _canonical(value: object) -> str:
    # A repr would do, but it hides names, and two commands may differ in nothing else.
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if is_dataclass(value):
        parts = (f"{each.name}={_canonical(getattr(value, each.name))}" for each in fields(value))
        return f"{type(value).__name__}({','.join(parts)})"
    return repr(value)
