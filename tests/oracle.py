"""The renewal rules a second time: plain and slow, to be read beside the text of the domain document.

Nothing is shared with the product. Every instant is kept in UTC, every qualifying use in a list, and every
decision is taken anew from the whole of that list. Quotations are sentences of the rules.
"""

import calendar as months_of
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

TWO_YEARS_BY_USE: dict[str, Any] = {"validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y"}
TWO_YEARS_BY_CLOCK: dict[str, Any] = {"validity": "P2Y", "renew_on": "expiry", "eligible_after": "P1Y"}

PRESETS: dict[str, dict[str, Any]] = {
    "D": TWO_YEARS_BY_USE | {"policy_id": "D", "calendar": "end_of_day"},
    "C": TWO_YEARS_BY_USE | {"policy_id": "C", "calendar": "civil_kr"},
    "I": TWO_YEARS_BY_USE | {"policy_id": "I", "calendar": "instant"},
    "X": TWO_YEARS_BY_CLOCK | {"policy_id": "X", "calendar": "end_of_day", "usage_since": "eligible"},
    "XA": TWO_YEARS_BY_CLOCK | {"policy_id": "XA", "calendar": "end_of_day", "usage_since": "period"},
    "XC": TWO_YEARS_BY_CLOCK | {"policy_id": "XC", "calendar": "civil_kr", "usage_since": "eligible"},
    "L6": TWO_YEARS_BY_CLOCK | {"policy_id": "L6", "calendar": "end_of_day", "usage_since": "P6M"},
    "UE": TWO_YEARS_BY_USE | {"policy_id": "UE", "calendar": "end_of_day", "extend_from": "expiry"},
    "M1": TWO_YEARS_BY_USE | {"policy_id": "M1", "calendar": "end_of_day", "max_renewals": 1},
    "G30": TWO_YEARS_BY_USE | {"policy_id": "G30", "calendar": "end_of_day", "grace": "P30D"},
    "U3": TWO_YEARS_BY_USE | {"policy_id": "U3", "calendar": "end_of_day", "min_uses": 3},
    "NV": {"policy_id": "NV", "validity": "P2Y", "renew_on": "never", "calendar": "end_of_day"},
    "N": {"policy_id": "N", "validity": None, "renew_on": "never", "calendar": "end_of_day"},
    "J1": {
        "policy_id": "J1",
        "validity": "P1Y",
        "renew_on": "request",
        "request_window": "P30D",
        "calendar": "end_of_day",
        "extend_from": "expiry",
    },
    "F3": {
        "policy_id": "F3",
        "validity": "P3Y",
        "renew_on": "request",
        "request_window": "P90D",
        "calendar": "end_of_day",
        "extend_from": "expiry",
    },
}

Policies = Mapping[str, Mapping[str, Any]]

OBSERVATIONS = {"refused", "renewed", "expired"}  # 'recorded as observed, decide nothing'


# --- periods and calendars -------------------------------------------------------------------------------


def parts(period: str) -> tuple[int, int]:
    """ISO 8601 as (months, days): 'a year is never 365 days, a month never 30'."""
    found = re.fullmatch(r"P(?=\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", period)
    if found is None:
        raise ValueError(f"not a period: {period}")
    years, months, weeks, days = (int(number or 0) for number in found.groups())
    return 12 * years + months, 7 * weeks + days


def month_after(day: date, months: int) -> tuple[int, int]:
    count = 12 * day.year + (day.month - 1) + months
    return count // 12, count % 12 + 1


def clamped(day: date, months: int) -> date:
    """The same day of another month, 'clamped to the month's end'."""
    year, month = month_after(day, months)
    return date(year, month, min(day.day, months_of.monthrange(year, month)[1]))


def instant_of(wall: datetime, zone: str) -> datetime:
    """'A gap moves forward, a fold takes the earlier': both are what fold=0 means to zoneinfo."""
    return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def wall_of(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def midnight(day: date, zone: str) -> datetime:
    return instant_of(datetime.combine(day, time()), zone)


def shift(instant: datetime, period: str, zone: str, sign: int = 1) -> datetime:
    """'Plain shifts of the wall time in the policy's zone, day clamped, not add()'."""
    months, days = parts(period)
    wall = wall_of(instant, zone)
    day = clamped(wall.date(), sign * months) + timedelta(days=sign * days)
    return instant_of(datetime.combine(day, wall.time()), zone)


def end_of_day(anchor: datetime, period: str, zone: str) -> datetime:
    """'Local date + period, day clamped to the month's end, then 00:00 of the next day'."""
    months, days = parts(period)
    day = clamped(wall_of(anchor, zone).date(), months) + timedelta(days=days)
    return midnight(day + timedelta(days=1), zone)


def civil_kr(anchor: datetime, period: str, zone: str) -> datetime:
    months, days = parts(period)
    wall = wall_of(anchor, zone)
    # Article 157: the first day is not counted, unless the period begins at 00:00.
    first = wall.date() if wall.time() == time() else wall.date() + timedelta(days=1)
    # Article 160(2): it ends on the day before the corresponding day, so 00:00 of that day is the end.
    year, month = month_after(first, months)
    if first.day <= months_of.monthrange(year, month)[1]:
        end = date(year, month, first.day)
    else:  # Article 160(3): 'if it is missing, the end is 00:00 on the first of the next month'
        end = date(*month_after(date(year, month, 1), 1), 1)
    return midnight(end + timedelta(days=days), zone)


def add(anchor: datetime, period: str, calendar: str, zone: str) -> datetime:
    """The *exclusive end* of a period."""
    match calendar:
        case "end_of_day":
            return end_of_day(anchor, period, zone)
        case "civil_kr":
            return civil_kr(anchor, period, zone)
        case "instant":  # 'same local wall time, clamped'
            return shift(anchor, period, zone)
        case _:
            raise ValueError(f"not a calendar: {calendar}")


# --- policy and credential -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """The fields that a replay reads, with their defaults."""

    validity: str | None
    renew_on: str
    eligible_after: str | None = None
    usage_since: str = "eligible"
    min_uses: int = 1
    channels: tuple[str, ...] = ("app",)
    purposes: tuple[str, ...] | None = None
    extend_from: str = "decision"
    renewal_validity: str | None = None
    max_renewals: int | None = None
    grace: str = "P0D"
    request_window: str | None = None
    calendar: str = "end_of_day"
    zone: str = "Asia/Seoul"

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Policy":
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in written.items() if name in known})

    def takes(self, use: Mapping[str, Any]) -> bool:
        """'Its channel is in channels (default app)'; 'a use without a purpose qualifies'."""
        purpose = use.get("purpose")
        fits = self.purposes is None or purpose is None or purpose in self.purposes
        return fits and (use.get("channel") or "app") in self.channels


class Answer(TypedDict):
    state: str
    expires_at: datetime | None
    eligible_from: datetime | None
    auto_renewal: str
    renewed_at: list[datetime]
    blocked_by: list[str]
    refused: list[int]


@dataclass
class Life:
    """One credential under the policy in force for it."""

    policy: Policy
    base: datetime
    anchor: datetime
    expires_at: datetime | None = None
    eligible_from: datetime | None = None
    bound_calendar: str = ""  # of 'the policy that computed the bound'
    begun_by_renewal: bool = False
    uses: list[datetime] = field(default_factory=list[datetime])
    renewed_at: list[datetime] = field(default_factory=list[datetime])
    objection: bool = False
    suspended: bool = False
    revoked: bool = False
    lapsed_at: datetime | None = None

    # bounds

    def validity(self) -> str | None:
        """'renewal_validity, if given, is the validity of every period that a renewal begins'."""
        if self.begun_by_renewal and self.policy.renewal_validity is not None:
            return self.policy.renewal_validity
        return self.policy.validity

    def compute_bounds(self) -> None:
        policy, validity = self.policy, self.validity()
        self.bound_calendar = policy.calendar
        self.expires_at = self.eligible_from = None
        if validity is None:  # 'none if validity is null'; 'none if there is ... no validity'
            return
        self.expires_at = add(self.base, validity, policy.calendar, policy.zone)
        if policy.eligible_after is not None:  # 'none if there is no eligible_after'
            self.eligible_from = add(self.anchor, policy.eligible_after, policy.calendar, policy.zone)

    def last_valid_instant(self) -> datetime:
        """'expires_at - 1 microsecond under end_of_day, expires_at itself under the other calendars'."""
        assert self.expires_at is not None
        before = timedelta(microseconds=1) if self.bound_calendar == "end_of_day" else timedelta()
        return self.expires_at - before

    # conditions

    def renewals_left(self) -> bool:
        """'max_renewals limits renewals of every cause'."""
        return self.policy.max_renewals is None or len(self.renewed_at) < self.policy.max_renewals

    def is_over(self) -> bool:
        return self.revoked or self.lapsed_at is not None

    def uses_since(self, moment: datetime) -> int:
        return len([use for use in self.uses if use >= moment])

    def usage_since(self) -> datetime:
        """'eligible = eligible_from, period = anchor, P6M = expires_at less that period in wall time'."""
        assert self.eligible_from is not None
        assert self.expires_at is not None
        match self.policy.usage_since:
            case "eligible":
                return self.eligible_from
            case "period":
                return self.anchor
            case look_back:
                return shift(self.expires_at, look_back, self.policy.zone, sign=-1)

    def earned(self, x: datetime) -> bool:
        """'x >= eligible_from and at least min_uses qualifying uses at or after ... usage_since'."""
        if self.eligible_from is None or self.expires_at is None or x < self.eligible_from:
            return False
        return self.uses_since(self.usage_since()) >= self.policy.min_uses

    def in_grace(self, x: datetime) -> bool:
        """'Until lapse + grace it is in grace'."""
        return self.lapsed_at is not None and x < shift(self.lapsed_at, self.policy.grace, self.policy.zone)

    # decisions

    def renew(self, at: datetime, base: datetime, anchor: datetime) -> None:
        """'Clears the qualifying uses and the objection, counts one renewal, recomputes both bounds'."""
        self.base, self.anchor, self.begun_by_renewal = base, anchor, True
        self.uses, self.objection, self.lapsed_at = [], False, None
        self.renewed_at.append(at)
        self.compute_bounds()

    def renew_by_extend_from(self, t: datetime) -> None:
        """'anchor = the use; base = the use (decision) or the last valid instant (expiry)'."""
        self.renew(t, self.last_valid_instant() if self.policy.extend_from == "expiry" else t, t)

    def run_clock(self, x: datetime) -> None:
        """'While expires_at <= x and the credential is neither revoked nor lapsed'."""
        while self.expires_at is not None and self.expires_at <= x and not self.is_over():
            end = self.expires_at
            free = not self.suspended and not self.objection and self.renewals_left()
            if self.policy.renew_on == "expiry" and self.earned(end) and free:
                self.renew(end, self.last_valid_instant(), self.last_valid_instant())
            else:
                self.lapsed_at = end

    # facts: each answers whether it was accepted

    def take(self, fact: Mapping[str, Any], t: datetime, others: Policies) -> bool:
        if fact["fact"] in OBSERVATIONS:
            return True
        if self.revoked:  # 'revoked is final'
            return False
        if self.lapsed_at is not None:
            return self.in_grace(t) and self.take_in_grace(fact, t)
        return self.take_active(fact, t, others)

    def take_flag(self, name: str) -> bool:
        self.suspended = {"suspended": True, "resumed": False}.get(name, self.suspended)
        self.revoked = name == "revoked"
        return True

    def take_in_grace(self, fact: Mapping[str, Any], t: datetime) -> bool:
        """'Suspended, resumed and revoked still work, and a use ... brings it back, whatever min_uses'."""
        if fact["fact"] in {"suspended", "resumed", "revoked"}:
            return self.take_flag(fact["fact"])
        free = not self.suspended and not self.objection and self.renewals_left()
        by_use = fact["fact"] == "used" and self.policy.takes(fact)
        if not (by_use and free and self.policy.renew_on in {"use", "expiry"}):
            return False
        self.renew(t, t, t)  # 'renewed at the use, anchor = base = the use'
        return True

    def take_active(self, fact: Mapping[str, Any], t: datetime, others: Policies) -> bool:
        match fact["fact"]:
            case "suspended" | "resumed" | "revoked" as name:
                return self.take_flag(name)
            case "used":
                return self.take_use(fact, t)
            case "renewal_requested":
                return self.take_request(t)
            case "renewal_objected":
                self.objection = True
                return True
            case "policy_switched":
                self.switch(Policy.read(others[fact["policy"]]), fact.get("mode") or "keep", t)
                return True
            case other:
                raise ValueError(f"not a fact: {other}")

    def take_use(self, use: Mapping[str, Any], t: datetime) -> bool:
        if self.suspended:  # 'while suspended nothing renews and no use counts'
            return False
        if self.policy.takes(use):
            self.uses.append(t)
            if self.renewed_by_use(t):
                self.renew_by_extend_from(t)
        return True

    def renewed_by_use(self, t: datetime) -> bool:
        """'If renewals are left, eligible_from is set, the use qualifies, it is at or after eligible_from,
        and the qualifying uses at or after eligible_from, this one included, reach min_uses'."""
        if self.policy.renew_on != "use" or self.objection or not self.renewals_left():
            return False
        if self.eligible_from is None or t < self.eligible_from:
            return False
        return self.uses_since(self.eligible_from) >= self.policy.min_uses

    def take_request(self, t: datetime) -> bool:
        """'renew_on = request, not suspended, expires_at - request_window <= t < expires_at'."""
        window = self.policy.request_window
        if self.policy.renew_on != "request" or self.suspended or not self.renewals_left():
            return False
        if self.expires_at is None or window is None:
            return False
        if not shift(self.expires_at, window, self.policy.zone, sign=-1) <= t < self.expires_at:
            return False
        self.renew_by_extend_from(t)
        return True

    def switch(self, other: Policy, mode: str, t: datetime) -> None:
        self.policy = other
        if mode == "keep":  # 'Q decides from now on, the bounds stay'
            return
        if mode == "restart":  # 'anchor = base = t, bounds anew under Q'
            self.anchor = self.base = t
            self.begun_by_renewal = False
        elif mode != "recompute":
            raise ValueError(f"not a mode: {mode}")
        self.uses = []  # 'in restart and recompute the qualifying uses start anew'
        self.compute_bounds()
        if self.expires_at is not None:  # 'but never an end before t (then the end is t)'
            self.expires_at = max(self.expires_at, t)

    # answer

    def state(self) -> str:
        """'Revoked, expired, suspended or active', the first that holds."""
        if self.revoked:
            return "revoked"
        if self.lapsed_at is not None:
            return "expired"
        return "suspended" if self.suspended else "active"

    def auto_renewal(self, x: datetime) -> str:
        """'The first that holds', in the order of the text."""
        if self.revoked or self.policy.renew_on in {"never", "request"}:
            return "n/a"
        if self.eligible_from is None or not self.renewals_left():
            return "n/a"
        if self.lapsed_at is not None:
            return "grace" if self.in_grace(x) else "n/a"
        if x < self.eligible_from:
            return "not_yet"
        return "earned" if self.policy.renew_on == "expiry" and self.earned(x) else "awaiting_use"

    def blocked_by(self) -> list[str]:
        standing = {"objection": self.objection, "suspension": self.suspended}
        return [name for name, stands in standing.items() if stands]


def issue(policy: Policy, t: datetime) -> Life:
    life = Life(policy, base=t, anchor=t)  # 'base = anchor = t'
    life.compute_bounds()
    return life


def in_order(facts: Iterable[Mapping[str, Any]]) -> list[tuple[datetime, Mapping[str, Any]]]:
    timed = [(fact["at"].astimezone(UTC), fact) for fact in facts]
    if [at for at, _ in timed] != sorted(at for at, _ in timed):
        raise ValueError("a fact goes back in time")
    if not timed or [fact["fact"] for _, fact in timed].index("issued") != 0:
        raise ValueError("the first fact is not the issue")
    return timed


def replay(
    facts: Iterable[Mapping[str, Any]],
    policy: Mapping[str, Any],
    as_of: datetime,
    other_policies: Policies,
) -> Answer:
    """'A fact at exactly the moment asked about counts; later ones do not'."""
    x = as_of.astimezone(UTC)
    (issued_at, _), *later = in_order(facts)
    if x < issued_at:
        return Answer(
            state="not_issued",
            expires_at=None,
            eligible_from=None,
            auto_renewal="n/a",
            renewed_at=[],
            blocked_by=[],
            refused=[],
        )
    life = issue(Policy.read(policy), issued_at)
    refused: list[int] = []
    for index, (t, fact) in enumerate(later, start=1):
        if t <= x:
            life.run_clock(t)  # 'the clock first, before each fact'
            if not life.take(fact, t, other_policies):
                refused.append(index)
    life.run_clock(x)  # 'and at the moment asked about'
    return Answer(
        state=life.state(),
        expires_at=life.expires_at,
        eligible_from=life.eligible_from,
        auto_renewal=life.auto_renewal(x),
        renewed_at=life.renewed_at,
        blocked_by=life.blocked_by(),
        refused=refused,
    )
