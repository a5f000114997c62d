"""Which credentials stand on a revocation list, since when, and for which reason of RFC 5280? (domain section 3)

| Ours | RFC 5280 5.3.1 |
|---|---|
| loss, theft, copy, locked for good | keyCompromise (1) |
| name, role or company changed | affiliationChanged (3) |
| reissue, another device, renewal with a new key | superseded (4) |
| the holder's wish, account closed, death | cessationOfOperation (5) |
| every suspension | certificateHold (6) |
| resumed, in a delta | removeFromCRL (8) |
| fraud, court, eligibility lost | privilegeWithdrawn (9) |
| anything else | unspecified (0) |

The standard does not use 7; cACompromise (2) and aACompromise (10) are of authorities, which a bank's ledger is not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Credential, Issued, Resumed, Revoked, Suspended
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import Kind, RevocationReason, SuspensionReason
from sealbook.projections.states import States, settled
from sealbook.projections.validity import ValidityState, state_of


class Code(IntEnum):
    """CRLReason of RFC 5280 5.3.1, as far as it is ours."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    REMOVE_FROM_CRL = 8
    PRIVILEGE_WITHDRAWN = 9


NAMES: Mapping[Code, str] = {
    Code.UNSPECIFIED: "unspecified",
    Code.KEY_COMPROMISE: "keyCompromise",
    Code.AFFILIATION_CHANGED: "affiliationChanged",
    Code.SUPERSEDED: "superseded",
    Code.CESSATION_OF_OPERATION: "cessationOfOperation",
    Code.CERTIFICATE_HOLD: "certificateHold",
    Code.REMOVE_FROM_CRL: "removeFromCRL",
    Code.PRIVILEGE_WITHDRAWN: "privilegeWithdrawn",
}
CODES: Mapping[str, Code] = {
    RevocationReason.UNSPECIFIED: Code.UNSPECIFIED,
    RevocationReason.KEY_COMPROMISE: Code.KEY_COMPROMISE,
    RevocationReason.AFFILIATION_CHANGED: Code.AFFILIATION_CHANGED,
    RevocationReason.SUPERSEDED: Code.SUPERSEDED,
    RevocationReason.CESSATION_OF_OPERATION: Code.CESSATION_OF_OPERATION,
    RevocationReason.PRIVILEGE_WITHDRAWN: Code.PRIVILEGE_WITHDRAWN,
    # What histories from elsewhere say, which have words of their own.
    **dict.fromkeys(("loss", "lost", "theft", "stolen", "clone", "copied", "lockout"), Code.KEY_COMPROMISE),
    **dict.fromkeys(("name_changed", "role_changed", "company_changed"), Code.AFFILIATION_CHANGED),
    **dict.fromkeys(("reissued", "replaced", "device_replaced", "renewed"), Code.SUPERSEDED),
    **dict.fromkeys(("requested", "closed", "account_closed", "deceased", "death"), Code.CESSATION_OF_OPERATION),
    **dict.fromkeys(("fraud", "court", "court_order", "eligibility_lost"), Code.PRIVILEGE_WITHDRAWN),
}
"""The code of a revocation by its reason (domain section 3)."""
OF_A_COPY = (SuspensionReason.LOSS_REPORTED, SuspensionReason.THEFT_REPORTED, SuspensionReason.CLONE_SUSPECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """An entry of the list. `reference` is what the issuer calls the credential, such as its serial number.

    `since` is when it was revoked, held or, in a delta, resumed; `reason` is the bank's own word for it.
    """

    credential: UUID
    customer: UUID
    kind: Kind
    reference: str | None
    code: Code
    name: str
    since: datetime
    reason: str | None


@dataclass(slots=True)
class _Trail:
    """What a credential's state does not keep. `released` are the holds that ended, each from when until when."""

    reference: str | None = None
    held_at: datetime | None = None
    released: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])
    revoked: Revoked | None = None


def revocations(
    log: Iterable[RecordedEvent], *, as_of: datetime, policies: PolicyBook, since: datetime | None = None
) -> list[Revocation]:
    """Answer for what is revoked or held at the moment; an expired credential that was held only is not on a list.

    With `since`, answer for what changed after that moment: a delta, which also removes holds of a list of then.
    """
    states, trails = States(as_of=as_of), dict[UUID, _Trail]()
    for recorded in log:
        if states.apply(recorded) and isinstance(recorded.event, credential.Event):
            _follow(trails.setdefault(recorded.stream, _Trail()), recorded)
    now = settled(states, policies)
    found = (entry for stream, state in now.credentials() for entry in _entries(stream, state, trails[stream], since))
    return [entry for entry in found if since is None or entry.since > since]


def _follow(trail: _Trail, recorded: RecordedEvent) -> None:
    match recorded.event:
        case Issued(reference=reference):
            trail.reference = reference
        case Suspended(at=at):
            trail.held_at = at
        case Resumed(at=at) if trail.held_at is not None:
            trail.released.append((trail.held_at, at))
        case Revoked() as event:
            trail.revoked = event
        case _:
            return


def _entries(stream: UUID, state: Credential, trail: _Trail, since: datetime | None) -> Iterator[Revocation]:
    def entry(code: Code, at: datetime, reason: str | None) -> Revocation:
        return Revocation(
            credential=stream,
            customer=state.customer,
            kind=state.kind,
            reference=trail.reference,
            code=code,
            name=NAMES[code],
            since=at,
            reason=reason,
        )

    if trail.revoked is not None:
        yield entry(_code(state, trail.revoked.reason), trail.revoked.at, trail.revoked.reason)
    elif state_of(state) is ValidityState.SUSPENDED and trail.held_at is not None:
        yield entry(Code.CERTIFICATE_HOLD, trail.held_at, state.suspended_for)
    else:
        # Whoever has the list of `since` holds what was held then.
        stood = [until for held_at, until in trail.released if since is not None and held_at <= since < until]
        yield from (entry(Code.REMOVE_FROM_CRL, until, None) for until in stood)


def _code(state: Credential, reason: str | None) -> Code:
    """Return the code of a revocation; without a reason, how the credential stood before tells it."""
    if reason is not None:
        return CODES.get(reason, Code.UNSPECIFIED)
    compromised = state.lockout.for_good or state.suspended_for in OF_A_COPY
    return Code.KEY_COMPROMISE if compromised else Code.UNSPECIFIED
