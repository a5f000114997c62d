"""When a credential ends and when it renews: one policy object for every reading of the rules.

The policy is data of a version; no number of it stands in code. `on_use` and `at_expiry` carry
every automatic renewal: the live credential, the projections and a what-if run call the same two.
The norm is domain 4.5 and 4.6.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sealbook.domain.calendar import (
    NO_TIME,
    Calendar,
    Period,
    add,
    last_valid_instant,
    shift_back,
    shift_forward,
)
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX, RenewalPolicy
from sealbook.domain.records import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A period of validity, computed once by the deciding policy and never again.

    `calendar` is that policy's: it says where the last valid instant lies. `by_renewal` tells which
    of a policy's two validities a period has, when it is computed anew (domain 4.6).
    """

    base: datetime
    anchor: datetime
    expires_at: datetime | None
    eligible_from: datetime | None
    calendar: Calendar
    by_renewal: bool

    @property
    def last_valid_instant(self) -> datetime | None:
        if self.expires_at is None:
            return None
        return last_valid_instant(self.expires_at, calendar=self.calendar)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifyingUses:
    """The uses that count towards the next renewal, since the last one.

    Only the latest are kept one by one: a look-back can ask for no more of them, so a state stays
    small however long the credential is used.
    """

    count: int
    since_eligible: int
    first: datetime | None
    recent: tuple[datetime, ...]

    def with_use(self, at: datetime, *, eligible_from: datetime | None) -> "QualifyingUses":
        eligible = eligible_from is not None and at >= eligible_from
        recent = (*self.recent, at)
        if len(recent) > 1 and at < self.recent[-1]:
            recent = tuple(sorted(recent))
        return QualifyingUses(
            count=self.count + 1,
            since_eligible=self.since_eligible + eligible,
            first=at if self.first is None or at < self.first else self.first,
            recent=recent[-LOOK_BACK_USES_MAX:],
        )

    def since(self, moment: datetime) -> int:
        """Count the kept uses at or after a moment: exact up to LOOK_BACK_USES_MAX."""
        return sum(used >= moment for used in self.recent)


NO_USES = QualifyingUses(count=0, since_eligible=0, first=None, recent=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Where a credential stands in its present period: all that a renewal decision reads.

    `notices` are the leads of the expiry notices sent, `notified_at` is when the renewal notice was,
    `consented` and `fee_paid` are for the next renewal.

    Invariant: everything but `renewals` begins anew with each renewal.
    """

    bounds: Bounds
    uses: QualifyingUses = NO_USES
    renewals: int = 0
    objected: bool = False
    notices: tuple[str, ...] = ()
    notified_at: datetime | None = None
    consented: bool = False
    fee_paid: bool = False

    def with_use(self, at: datetime) -> "Term":
        return replace(self, uses=self.uses.with_use(at, eligible_from=self.bounds.eligible_from))

    def renewed(self, bounds: Bounds) -> "Term":
        return Term(bounds=bounds, renewals=self.renewals + 1)

    def switched(self, bounds: Bounds) -> "Term":
        """Bounds anew under another policy: uses and notices start anew, renewals and an objection stay."""
        return replace(self, bounds=bounds, uses=NO_USES, notices=(), notified_at=None)


def first_period(policy: RenewalPolicy, at: datetime) -> Bounds:
    """Return the bounds of a credential issued at `at`."""
    return _period(policy, base=at, anchor=at, by_renewal=False)


def on_use(policy: RenewalPolicy, term: Term, at: datetime) -> Bounds | None:
    """Return the bounds that a qualifying use at `at` begins, or None if it renews nothing.

    `term` already counts the use. The caller has made sure that the credential is valid and not
    suspended at `at`.
    """
    if not open_to_use(policy, term, at) or term.uses.since_eligible < policy.min_uses:
        return None
    return _extended(policy, term, at)


def open_to_use(policy: RenewalPolicy, term: Term, at: datetime) -> bool:
    """Tell whether a qualifying use at `at` renews if there have been enough of them."""
    if policy.renew_on != "use" or term.objected or not renewals_left(policy, term):
        return False
    eligible_from = term.bounds.eligible_from
    return eligible_from is not None and at >= eligible_from


def at_expiry(policy: RenewalPolicy, term: Term, *, suspended: bool) -> Bounds | None:
    """Return the bounds that begin when the present period ends, or None if it lapses then."""
    end = term.bounds.expires_at
    if end is None or suspended or term.objected or not renewals_left(policy, term):
        return None
    if not earned(policy, term, end):
        return None
    base = last_valid_instant(end, calendar=term.bounds.calendar)
    return _period(policy, base=base, anchor=base, by_renewal=True)


def on_use_in_grace(policy: RenewalPolicy, term: Term, at: datetime, *, suspended: bool) -> Bounds | None:
    """Return the bounds of a lapsed credential that a qualifying use in its grace brings back."""
    if policy.renew_on not in ("use", "expiry") or suspended or term.objected:
        return None
    if not renewals_left(policy, term):
        return None
    return _period(policy, base=at, anchor=at, by_renewal=True)


def on_request(policy: RenewalPolicy, term: Term, at: datetime) -> Bounds | None:
    """Return the bounds of a renewal asked for at `at`, or None outside the policy's window."""
    window = request_window(policy, term)
    if window is None:
        return None
    opens_at, end = window
    return _extended(policy, term, at) if opens_at <= at < end else None


def request_window(policy: RenewalPolicy, term: Term) -> tuple[datetime, datetime] | None:
    """Return from when until when (exclusive) a renewal may be asked for; None if the policy takes no requests."""
    end = term.bounds.expires_at
    if policy.renew_on != "request" or policy.request_window is None or end is None:
        return None
    # A request that reaches back before the present period asks for nothing of this one.
    return max(shift_back(end, policy.request_window, zone_name=policy.zone), term.bounds.anchor), end


def restarted(policy: RenewalPolicy, at: datetime) -> Bounds:
    """Return the bounds of a switch that starts the period anew at `at`."""
    return first_period(policy, at)


def recomputed(policy: RenewalPolicy, bounds: Bounds, at: datetime) -> Bounds:
    """Return the bounds anew from the same base and anchor, but with no end before `at`."""
    fresh = _period(policy, base=bounds.base, anchor=bounds.anchor, by_renewal=bounds.by_renewal)
    if fresh.expires_at is None or fresh.expires_at >= at:
        return fresh
    return replace(fresh, expires_at=at)


def qualifies(policy: RenewalPolicy, *, channel: str, purpose: str | None) -> bool:
    """Tell whether an accepted use is one that the policy counts (A4)."""
    if channel not in policy.channels:
        return False
    return policy.purposes is None or purpose is None or purpose in policy.purposes


def earned(policy: RenewalPolicy, term: Term, at: datetime) -> bool:
    """Tell whether the uses alone earn a renewal by the clock (domain 4.5)."""
    eligible_from = term.bounds.eligible_from
    if policy.renew_on != "expiry" or eligible_from is None or at < eligible_from:
        return False
    return _uses_counted(policy, term) >= policy.min_uses


def renewals_left(policy: RenewalPolicy, term: Term) -> bool:
    return policy.max_renewals is None or term.renewals < policy.max_renewals


def grace_until(policy: RenewalPolicy, lapsed_at: datetime) -> datetime:
    """Return the exclusive end of the grace that follows a lapse."""
    if policy.grace == NO_TIME:
        return lapsed_at
    return shift_forward(lapsed_at, policy.grace, zone_name=policy.zone)


def _uses_counted(policy: RenewalPolicy, term: Term) -> int:
    match policy.usage_since:
        case "eligible":
            return term.uses.since_eligible
        case "period":
            return term.uses.count
        case Period() as look_back:
            end = term.bounds.expires_at
            return 0 if end is None else term.uses.since(shift_back(end, look_back, zone_name=policy.zone))
        case _:
            assert_never(policy.usage_since)


def _extended(policy: RenewalPolicy, term: Term, at: datetime) -> Bounds:
    base = at
    if policy.extend_from == "expiry":
        base = term.bounds.last_valid_instant or at
    return _period(policy, base=base, anchor=at, by_renewal=True)


def _period(policy: RenewalPolicy, *, base: datetime, anchor: datetime, by_renewal: bool) -> Bounds:
    validity = policy.validity_of_renewal if by_renewal else policy.validity

    def end(start: datetime, period: Period | None) -> datetime | None:
        if period is None or validity is None:
            return None
        return add(start, period, calendar=policy.calendar, zone_name=policy.zone)

    return Bounds(
        base=base,
        anchor=anchor,
        expires_at=end(base, validity),
        eligible_from=end(anchor, policy.eligible_after),
        calendar=policy.calendar,
        by_renewal=by_renewal,
    )
