"""Chains of credentials, policies and questions for the engines: made by hand, or drawn at random.

Leap days, month ends, midnights and the very seconds at which a period may end come often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sealbook.adapters.replay.contract import (
    PLAIN,
    Behavior,
    Days,
    FactKind,
    Facts,
    Mode,
    Partition,
    Question,
    UseClasses,
    Uses,
)
from sealbook.adapters.replay.moments import DAY_SECONDS, SEOUL, day_of, moment_of, seconds_of
from sealbook.domain.calendar import Calendar, Period, add
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind

CLASSES = UseClasses(of=(("app", None), ("web", None), ("app", "login"), ("web", "transfer")))
"""What the classes of the drawn uses mean."""
SWITCH_POLICIES = 2
"""How many policies the drawn switches name, by number; every drawn question has them."""
SWITCH_MODES = 3
BITS_PER_WORD = 64


# --- Made by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to use the credential, as it went in fact."""

    at: int
    accepted: bool = True
    use_class: int = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    at: int
    kind: FactKind
    detail: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """`then` is what followed upon the issue, in order; of attempts at one second, the accepted count as the first."""

    issued_at: int
    then: tuple[Attempt | Fact, ...] = ()
    key: int = 0
    customer: int = 0
    kind: int = 0
    holder: int = 0
    channel: int = 0
    policy: int = 0
    truncated: bool = False

    @property
    def attempts(self) -> list[Attempt]:
        """In the order in which an engine is to take them."""
        made = [each for each in self.then if isinstance(each, Attempt)]
        return sorted(made, key=lambda each: (each.at, not each.accepted))

    @property
    def facts(self) -> list[tuple[Fact, int]]:
        """Each with its place among the attempts."""
        places: list[tuple[Fact, int]] = []
        attempts = 0
        for each in self.then:
            if isinstance(each, Fact):
                places.append((each, attempts))
            else:
                attempts += 1
        return places


def partition_of(chains: Sequence[Chain], *, attempts: bool = True, days: bool = True) -> Partition:
    """Return chains as columns, on request without attempts or without days."""
    return Partition(
        key=np.array([each.key for each in chains], np.uint64),
        customer=np.array([each.customer for each in chains], np.int64),
        kind=np.array([each.kind for each in chains], np.uint8),
        holder=np.array([each.holder for each in chains], np.uint8),
        channel=np.array([each.channel for each in chains], np.uint8),
        policy=np.array([each.policy for each in chains], np.uint16),
        truncated=np.array([each.truncated for each in chains], np.bool_),
        issued_at=np.array([each.issued_at for each in chains], np.int32),
        accepted=_uses(chains, accepted=True) if attempts else None,
        refused=_uses(chains, accepted=False) if attempts else None,
        facts=_facts(chains),
        days=_days(chains) if days else None,
    )


def _begin(lengths: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _uses(chains: Sequence[Chain], *, accepted: bool) -> Uses:
    rows = [[each for each in chain.attempts if each.accepted == accepted] for chain in chains]
    flat = [each for row in rows for each in row]
    plain = all(each.use_class == PLAIN for each in flat)
    return Uses(
        begin=_begin([len(row) for row in rows]),
        at=np.array([each.at for each in flat], np.int32),
        use_class=None if plain else np.array([each.use_class for each in flat], np.uint8),
    )


def _facts(chains: Sequence[Chain]) -> Facts:
    rows = [chain.facts for chain in chains]
    flat = [each for row in rows for each in row]
    return Facts(
        begin=_begin([len(row) for row in rows]),
        at=np.array([fact.at for fact, _ in flat], np.int32),
        kind=np.array([fact.kind for fact, _ in flat], np.uint8),
        place=np.array([place for _, place in flat], np.int32),
        detail=np.array([fact.detail for fact, _ in flat], np.uint32),
    )


def _days(chains: Sequence[Chain]) -> Days:
    known = [day_of(each.at) for chain in chains for each in chain.attempts]
    first_day, last_day = min(known, default=0), max(known, default=0)
    shape = (len(chains), (last_day - first_day) // BITS_PER_WORD + 1)
    attempted, refused = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    for row, chain in enumerate(chains):
        seen = set[tuple[int, int]]()
        for each in chain.attempts:
            word, bit = divmod(day_of(each.at) - first_day, BITS_PER_WORD)
            if (word, bit) not in seen:
                seen.add((word, bit))
                attempted[row, word] |= np.uint64(1 << bit)
                refused[row, word] |= np.uint64((not each.accepted) << bit)
    return Days(first_day=first_day, attempted=attempted, refused=refused)


# --- Drawn: moments

PERIODS = ("P1M", "P3M", "P6M", "P1Y", "P18M", "P2Y", "P30D", "P1D", "P2W", "P3Y", "P1Y1M1D")
HARD_DAYS = (
    date(2020, 2, 29),
    date(2022, 8, 31),
    date(2023, 2, 28),
    date(2024, 1, 31),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 12, 31),
    date(2025, 3, 1),
    date(2026, 2, 28),
)
OFFSETS_SECONDS = (0, -1, 1, 10 * 3600, DAY_SECONDS - 1)
TICKS_SECONDS = (0, 0, -1, 1, -DAY_SECONDS, DAY_SECONDS, 20 * DAY_SECONDS)
LAST = seconds_of(moment_of(0).replace(year=2040))

_hard_days = st.sampled_from(HARD_DAYS) | st.dates(date(2019, 1, 1), date(2027, 12, 31))


def midnight(day: date) -> int:
    """Return when a day of Seoul begins."""
    return (day - date(2000, 1, 1)).days * DAY_SECONDS


def moments() -> st.SearchStrategy[int]:
    return st.builds(_moment_on, _hard_days, st.sampled_from(OFFSETS_SECONDS))


def _moment_on(day: date, offset_seconds: int) -> int:
    return midnight(day) + offset_seconds


_moments = moments()
_periods = st.sampled_from([Period.parse(period) for period in PERIODS])
_calendars = st.sampled_from(Calendar)
_ticks_seconds = st.sampled_from(TICKS_SECONDS)
_gaps_seconds = st.integers(0, 300 * DAY_SECONDS)
_ways = st.sampled_from(["any", "soon", "bound", "bound"])


def _moment_after(draw: st.DrawFn, earlier: Sequence[int]) -> int:
    """Draw a moment of a chain: any, one soon after an earlier one, or where a period from there on may end."""
    way = draw(_ways)
    if way == "any":
        return draw(_moments)
    moment = earlier[draw(st.integers(0, len(earlier) - 1))]
    if way == "soon":
        return moment + draw(_gaps_seconds)
    end = add(moment_of(moment), draw(_periods), calendar=draw(_calendars), zone_name=SEOUL)
    return max(moment, seconds_of(end) + draw(_ticks_seconds))


# --- Drawn: policies

_written = st.sampled_from(PERIODS)
_longer = st.sampled_from(["P1Y", "P2Y", "P3Y", "P18M", "P1Y1M1D"]) | _written
_shorter = st.sampled_from(["P0D", "P1M", "P6M", "P1Y"]) | _written
_ZONES = (SEOUL, SEOUL, SEOUL, SEOUL, "America/New_York", "UTC")


@cache
def _fields(renew_on: str) -> dict[str, st.SearchStrategy[Any]]:
    automatic = renew_on in ("use", "expiry")
    return {
        "policy_id": st.sampled_from(["A", "B"]),
        "version": st.integers(1, 3),
        "law_forced": st.booleans(),
        "kinds": st.none() | st.just([Kind.MOBILE_OTP]),
        "holders": st.none() | st.just([HolderKind.CORPORATE]),
        "applies_to": st.sampled_from(["new", "keep", "recompute", "restart"]),
        "validity": _longer if automatic else st.none() | _longer,
        "eligible_after": _shorter if automatic else st.none() | _shorter,
        "usage_since": st.sampled_from(["eligible", "period"]) | _written,
        "min_uses": st.sampled_from([1, 1, 1, 1, 2, 3]),
        "channels": st.sampled_from([["app"], ["app"], ["app", "web"], ["app", "web"], ["web"]]),
        "purposes": st.sampled_from([None, None, None, ["login"]]),
        "extend_from": st.sampled_from(["decision", "expiry"]),
        "renewal_validity": st.none() | _written,
        "max_renewals": st.sampled_from([None, None, None, None, 0, 1, 2]),
        "grace": st.just("P0D") | _written,
        "request_window": (_written | st.just("P0D")) if renew_on == "request" else st.none() | _written,
        "notice_lead": st.none() | _written,
        "objection": st.none() | _written,
        "consent": st.sampled_from(["none", "implied_notice", "explicit"]),
        "calendar": st.sampled_from([each.value for each in Calendar]),
        "zone": st.sampled_from(_ZONES),
        "reissue_validity": st.sampled_from(["fresh"] * 7 + ["keep"]),
    }


@st.composite
def policies(draw: st.DrawFn, /, **fixed: object) -> RenewalPolicy:
    """Policies over all fields; those given by name are as given: `policies(zone="Asia/Seoul", min_uses=1)`."""
    renew_on = str(
        fixed.get("renew_on") or draw(st.sampled_from(["use", "use", "expiry", "expiry", "request", "never"]))
    )
    written = {name: draw(each) for name, each in _fields(renew_on).items() if name not in fixed}
    return RenewalPolicy.model_validate(written | {"renew_on": renew_on} | fixed)


# --- Drawn: partitions

_FACTS = (
    *([FactKind.SUSPENDED, FactKind.RESUMED] * 2),
    FactKind.REVOKED,
    *([FactKind.REQUESTED] * 2),
    FactKind.OBJECTED,
    FactKind.REISSUED,
    *([FactKind.REISSUED_AFTER_LAPSE] * 2),
    *([FactKind.SWITCHED] * 2),
)
_details = st.sampled_from([4 * policy + mode for policy in range(SWITCH_POLICIES) for mode in range(SWITCH_MODES)])

_issues = _moments | st.sampled_from([midnight(date(2020, 2, 29)), midnight(date(2019, 8, 31)) + 1])


@st.composite
def chains(
    draw: st.DrawFn, *, facts: Sequence[FactKind] = _FACTS, classes: int = len(CLASSES.of), things_max: int = 14
) -> Chain:
    """Chains with facts of the given kinds, the more often the more often given, and attempts of the first classes."""
    issued_at = draw(_issues)
    known = [issued_at]
    for _ in range(draw(st.integers(0, things_max))):
        known.append(_moment_after(draw, known))
    then: list[Attempt | Fact] = []
    for at in sorted(each for each in known[1:] if issued_at <= each <= LAST):
        if facts and draw(st.integers(0, 2)) == 0:
            kind = draw(st.sampled_from(facts))
            then.append(Fact(at=at, kind=kind, detail=draw(_details) if kind is FactKind.SWITCHED else 0))
        else:
            accepted, use_class = draw(st.sampled_from([True, True, False])), draw(st.integers(0, classes - 1))
            then.append(Attempt(at=at, accepted=accepted, use_class=use_class))
    return Chain(
        issued_at=issued_at,
        then=tuple(then),
        key=draw(st.integers(0, 2**64 - 1)),
        customer=draw(st.integers(0, 2)),
        kind=draw(st.integers(0, 3)),
        holder=draw(st.integers(0, 1)),
        channel=draw(st.integers(0, 1)),
        truncated=draw(st.booleans()),
    )


@st.composite
def partitions(
    draw: st.DrawFn, *, facts: Sequence[FactKind] = _FACTS, classes: int = len(CLASSES.of), chains_max: int = 4
) -> Partition:
    """Partitions of a few `chains`, with attempts and with days; the classes are those of CLASSES."""
    drawn = draw(st.lists(chains(facts=facts, classes=classes), max_size=chains_max))
    return partition_of(sorted(drawn, key=lambda chain: chain.customer))


# --- Drawn: questions

_delays_seconds = st.sampled_from([0, 1, 3600, DAY_SECONDS, 5 * DAY_SECONDS, 40 * DAY_SECONDS, 800 * DAY_SECONDS])
_behaviors = st.builds(
    Behavior,
    mode=st.sampled_from(Mode),
    returning=st.sampled_from([0, 2**31, 2**32]),
    delays_seconds=st.lists(_delays_seconds, max_size=3).map(tuple),
    seed=st.integers(0, 2**64 - 1),
)


@st.composite
def questions(draw: st.DrawFn, *, named: st.SearchStrategy[RenewalPolicy] | None = None) -> Question:
    """Questions of any behavior; `named` are the policies that switches name."""
    named = policies() if named is None else named
    return Question(
        policies=(draw(named), draw(named)),
        until=draw(_moments | st.sampled_from([midnight(date(2028, 2, 29)), midnight(date(2031, 1, 1))])),
        exposed_after_days=draw(st.sampled_from([0, 1, 30, 400])),
        behavior=draw(_behaviors),
        first_month=draw(st.integers(225, 300)),
        months=draw(st.integers(1, 160)),
    )
