"""When does this credential end, and how did that come about? (domain 4.3b)"""

from dataclasses import dataclass
from datetime import date, datetime

from sealbook.domain.calendar import last_valid_day, zone
from sealbook.domain.policy import PolicyBook
from sealbook.projections.moment import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """`days_left` counts whole days in the policy's zone until the last valid day, never below 0.

    `period` is 1 from the issue on and grows by one with each renewal.
    """

    expires_at: datetime | None
    last_valid_day: date | None
    days_left: int | None
    period: int
    base: datetime
    anchor: datetime


def expiry(moment: Moment, policies: PolicyBook) -> Expiry | None:
    """Answer for a moment; None if the credential was not issued then."""
    credential = moment.credential
    if credential is None:
        return None
    bounds = credential.term.bounds
    end = bounds.expires_at
    zone_name = policies.policy(credential.policy).zone
    shown = None if end is None else last_valid_day(end, zone_name=zone_name)
    return Expiry(
        expires_at=end,
        last_valid_day=shown,
        days_left=None if shown is None else _days_until(shown, moment.as_of, zone_name),
        period=credential.term.renewals + 1,
        base=bounds.base,
        anchor=bounds.anchor,
    )


def _days_until(day: date, moment: datetime, zone_name: str) -> int:
    return max((day - moment.astimezone(zone(zone_name)).date()).days, 0)
