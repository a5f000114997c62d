"""Commands: a request with who asks and how, and what it is sure to read."""

import hashlib
from dataclasses import dataclass, fields, is_dataclass
from uuid import UUID

from pydantic import BaseModel

from sealbook.application.adopting import AdoptAttempt, Adoption, AdoptIssued
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.requests import (
    AddCompanyUser,
    ApplyForCredential,
    ChangeRole,
    CloseCustomer,
    CompleteApplication,
    EnrollCustomer,
    EraseCredential,
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

OfCustomer = (
    EnrollCustomer | AddCompanyUser | RemoveCompanyUser | ChangeRole | OnTransaction | OnCustomer | CloseCustomer
)
OfDevice = RegisterDevice | OnDevice | ReleaseDevice | ReportLoss | RecoverDevice | ReplaceDevice
OfApplication = ApplyForCredential | VerifyPhone | OnApplication | CompleteApplication | IssueCredential
OfCredential = OnCredential | LinkId | UnlinkId | LinkService | EraseCredential
Request = OfCustomer | OfDevice | OfApplication | OfCredential | OnPolicy | Adoption


def targets(request: Request) -> tuple[Ref, ...]:
    """Return what a request is sure to read. What else a decision asks for is loaded when it does."""
    if isinstance(request, OnCredential):
        return (request.credential,)
    named = (getattr(request, each.name) for each in fields(request))
    refs = tuple(value for value in named if isinstance(value, UUID | Name))
    match request:
        case OnPolicy(policy_id=policy_id) | IssueCredential(policy_id=policy_id):
            return (*refs, Name(NameKind.POLICY, policy_id))
        case AdoptIssued(policy=policy):
            return (*refs, Name(NameKind.POLICY, policy.policy_id))
        case AdoptAttempt(policy=policy, customer=customer):
            credential_name = Name(NameKind.CREDENTIAL, customer.value)
            return (*refs, credential_name, Name(NameKind.POLICY, policy.policy_id))
        case _:
            # Names of a kind's policy are found out when the kind is.
            return refs


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
