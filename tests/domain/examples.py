"""The policies, moments and credentials that the tests speak of."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sealbook.domain.calendar import MICROSECOND, Calendar
from sealbook.domain.credential import (
    Credential,
    Event,
    Expired,
    Issued,
    Used,
    UseEvidence,
    UseRefused,
    fold,
    issued,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook, KindDocument
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds
from sealbook.domain.renewal import Bounds, first_period
from sealbook.domain.values import HolderKind, Kind


def kst(text: str) -> datetime:
    """The instant of a wall time in Seoul."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)


BY_USE: Mapping[str, object] = {"validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y"}


def document(policy_id: str = "D", /, **written: object) -> RenewalPolicy:
    """A policy of two years that the first use after a year renews, but for what is written."""
    return RenewalPolicy.model_validate({**BY_USE, "policy_id": policy_id, **written})


PERSON = UUID(int=1)
PHONE, OTHER_PHONE = UUID(int=2), UUID(int=3)
ID_1, ID_2 = "id-1", "id-2"
"""Tokens of IDs at the bank."""

# One credential throughout: two years from a March morning, eligible after one.
ISSUE = kst("2024-03-15T10:00")
SUMMER = kst("2024-07-01T09:00")
SOON = kst("2024-08-01T12:00")
ELIGIBLE = kst("2025-03-16")
AUTUMN_2025 = kst("2025-10-01T12:00")
WINTER_2026 = kst("2026-01-10T12:00")
LAST_INSTANT = kst("2026-03-16") - MICROSECOND
END = kst("2026-03-16")
APRIL_2026 = kst("2026-04-01T12:00")
GRACE_END = kst("2026-04-15")
"""The end of a grace of thirty days."""
LATER = kst("2030-01-01")

USE_D = document()
CLOCK_X = document("X", renew_on="expiry")
GRACE_G = document("G", grace="P30D")
REQUEST_R = document("R", renew_on="request", request_window="P30D", eligible_after=None)
NEVER_NV = document("NV", renew_on="never", eligible_after=None)
FOREVER_N = document("N", validity=None, renew_on="never", eligible_after=None)

BOOK = PolicyBook.of(USE_D, CLOCK_X, GRACE_G, REQUEST_R, NEVER_NV, FOREVER_N)


def book_with(*documents: RenewalPolicy) -> PolicyBook:
    return PolicyBook({**BOOK.policies, **PolicyBook.of(*documents).policies})


def issued_under(
    policy: RenewalPolicy,
    *,
    at: datetime = ISSUE,
    device: UUID | None = None,
    kind: Kind = Kind.KB_MOBILE_CERTIFICATE,
    holder: HolderKind = HolderKind.PERSONAL,
) -> Issued:
    return Issued(
        at=at,
        customer=PERSON,
        kind=kind,
        holder=holder,
        policy=policy.ref,
        bounds=first_period(policy, at),
        device=device,
        replaces=None,
        old_end=None,
        provenance=None,
        reference=None,
        evidence=None,
        identified_at=None,
    )


def used(
    at: datetime,
    *,
    qualifies: bool = True,
    channel: str = "app",
    purpose: str | None = None,
    evidence: UseEvidence | None = None,
) -> Used:
    return Used(at=at, channel=channel, purpose=purpose, qualifies=qualifies, evidence=evidence)


def refused(
    at: datetime, reason: Refusal, *, channel: str = "app", purpose: str | None = None, failures: int = 0
) -> UseRefused:
    return UseRefused(at=at, channel=channel, purpose=purpose, reason=reason, failures=failures)


def expired(policy: RenewalPolicy, *, at: datetime = END, grace_until: datetime | None = None) -> Expired:
    return Expired(at=at, policy=policy.ref, grace_until=grace_until or at)


KINDS = preset_kinds()
MOBILE = KINDS.kinds[Kind.KB_MOBILE_CERTIFICATE]
OTP = KINDS.kinds[Kind.MOBILE_OTP]
JOINT = KINDS.kinds[Kind.JOINT_UNIVERSAL]


def kinds_with(kind: KindDocument, /, **written: object) -> KindBook:
    """The kinds of the package, but for what is written of one, such as lockout={"soft": 3}."""
    changed = {
        name: getattr(kind, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in written.items()
    }
    return replace(KINDS, kinds={**KINDS.kinds, kind.kind: kind.model_copy(update=changed)})


def by_renewal(
    expires_at: datetime,
    eligible_from: datetime | None,
    *,
    base: datetime,
    anchor: datetime | None = None,
    calendar: Calendar = Calendar.END_OF_DAY,
) -> Bounds:
    """The bounds of a period that a renewal began."""
    return Bounds(
        base=base,
        anchor=anchor or base,
        expires_at=expires_at,
        eligible_from=eligible_from,
        calendar=calendar,
        by_renewal=True,
    )


def credential_after(*history: Event) -> Credential:
    return issued(fold(history))
