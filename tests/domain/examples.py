"""The policies, moments and credentials that the tests speak of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sealbook.domain.calendar import MICROSECOND, Calendar
from sealbook.domain.credential import Credential, Event, Issued, fold, issued
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
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

# One credential throughout: two years from a March morning, eligible after one.
ISSUE = kst("2024-03-15T10:00")
SUMMER = kst("2024-07-01T09:00")
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


def issued_under(policy: RenewalPolicy, *, at: datetime = ISSUE, device: UUID | None = None) -> Issued:
    return Issued(
        at=at,
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=policy.ref,
        bounds=first_period(policy, at),
        device=device,
        replaces=None,
        old_end=None,
        provenance=None,
    )


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
