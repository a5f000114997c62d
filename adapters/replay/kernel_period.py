"""A chain's live credential in compiled code: its periods, its spans of validity, its lapses.

The state is an array of whole numbers, laid out below; the rules are those of the domain's renewal, in ticks.
"""

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import END_OF_DAY, FAR, TICKS_PER_DAY, added, shifted
from sealbook.adapters.replay.compiled import compiled
from sealbook.adapters.replay.kernel_world import (
    EXPOSED_DAYS,
    LAPSES,
    RENEWALS,
    VALID,
    VALID_DAYS,
    World,
    column_of_month,
)
from sealbook.adapters.replay.terms import (
    CALENDAR,
    ELIGIBLE,
    FROM_EXPIRY,
    GRACE,
    LOOKING_BACK,
    MAX_RENEWALS,
    MIN_USES,
    ON_EXPIRY,
    RENEWAL_VALIDITY,
    RENEWS_ON,
    SINCE,
    SINCE_ELIGIBLE,
    SINCE_PERIOD,
    VALIDITY,
)
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX

State = NDArray[np.int64]
Months = NDArray[np.int64]

PHASE, POLICY = VALID + 1, VALID + 2
"""The state begins with what is made of the chain."""
BASE, ANCHOR, END, OPENS, CALENDAR_OF_END, BY_RENEWAL = range(VALID + 3, VALID + 9)
"""The present period: what the domain calls its bounds."""
USES, USES_SINCE_OPEN, TIMES_RENEWED, OBJECTED, SUSPENDED = range(VALID + 9, VALID + 14)
GRACE_END, LOCKED_OUT, BACK_AT, DRAWS, SPAN_BEGIN, LAST_DAY = range(VALID + 14, VALID + 20)
"""LAST_DAY is that of the last use in the span, or of its begin."""
KEPT = VALID + 20
"""Here the latest uses begin that a look-back counts among."""
STATE_SIZE = KEPT + LOOK_BACK_USES_MAX

IN_FORCE, LAPSED, REVOKED, AWAY, OVER = range(5)
"""Phases. AWAY: locked out, to come back at BACK_AT. OVER: gone for good."""


@compiled
def issue(state: State, policy: int, at: int, world: World) -> None:
    """Issue anew: nothing of an earlier credential is left."""
    state[PHASE] = IN_FORCE
    state[POLICY] = policy
    state[TIMES_RENEWED] = 0
    state[OBJECTED] = 0
    state[SUSPENDED] = 0
    begin_period(state, at, at, 0, world)
    forget_uses(state)
    open_span(state, at)


@compiled
def begin_period(state: State, base: int, anchor: int, by_renewal: int, world: World) -> None:
    """Set the bounds anew, as the policy in force has them."""
    rows, row = world.terms.rows, state[POLICY]
    validity = RENEWAL_VALIDITY if by_renewal else VALIDITY
    state[BASE] = base
    state[ANCHOR] = anchor
    state[BY_RENEWAL] = by_renewal
    state[CALENDAR_OF_END] = rows[row, CALENDAR]
    state[END] = FAR
    state[OPENS] = FAR
    if rows[row, validity] < 0:
        # What does not end needs no renewal.
        return
    state[END] = added(base, rows[row, validity], rows[row, validity + 1], rows[row, CALENDAR], world.tables)
    if rows[row, ELIGIBLE] >= 0:
        state[OPENS] = added(anchor, rows[row, ELIGIBLE], rows[row, ELIGIBLE + 1], rows[row, CALENDAR], world.tables)


@compiled
def forget_uses(state: State) -> None:
    state[USES] = 0
    state[USES_SINCE_OPEN] = 0


@compiled
def open_span(state: State, at: int) -> None:
    state[SPAN_BEGIN] = at
    state[LAST_DAY] = at // TICKS_PER_DAY


@compiled
def close_span(state: State, last_day: int, world: World) -> None:
    """Count a span of validity, given its last day, which lies before its first if it is empty."""
    state[VALID_DAYS] += max(0, last_day - state[SPAN_BEGIN] // TICKS_PER_DAY + 1)
    state[EXPOSED_DAYS] += max(0, last_day - state[LAST_DAY] - world.exposed_after_days)


@compiled
def close_before(state: State, end: int, world: World) -> None:
    """Count a span that ends, exclusively, at a tick."""
    begin = state[SPAN_BEGIN]
    close_span(state, (end - 1 if end > begin else begin - TICKS_PER_DAY) // TICKS_PER_DAY, world)


@compiled
def renewals_left(state: State, world: World) -> bool:
    return bool(state[TIMES_RENEWED] < world.terms.rows[state[POLICY], MAX_RENEWALS])


@compiled
def renew(state: State, base: int, anchor: int, at: int, by_month: Months, world: World) -> None:
    """Renew at a tick. What counted for this renewal does not for the next."""
    begin_period(state, base, anchor, 1, world)
    forget_uses(state)
    state[OBJECTED] = 0
    state[TIMES_RENEWED] += 1
    state[RENEWALS] += 1
    by_month[column_of_month(at // TICKS_PER_DAY, world, len(by_month)), RENEWALS] += 1


@compiled
def renew_by_decision(state: State, at: int, by_month: Months, world: World) -> None:
    """Renew by a use or on request: where the next period begins is the policy's choice."""
    base = _last_valid_instant(state) if world.terms.rows[state[POLICY], FROM_EXPIRY] else at
    renew(state, base, at, at, by_month, world)


@compiled
def settle(state: State, at: int, by_month: Months, world: World) -> None:
    """Do what the clock decides until a tick, inclusive, to a credential in force."""
    while state[PHASE] == IN_FORCE and state[END] <= at:
        end = state[END]
        if _earned(state, world):
            base = _last_valid_instant(state)
            renew(state, base, base, end, by_month, world)
        else:
            _lapse(state, end, by_month, world)


@compiled
def _last_valid_instant(state: State) -> int:
    return int(state[END] - (state[CALENDAR_OF_END] == END_OF_DAY))


@compiled
def _earned(state: State, world: World) -> bool:
    rows, row = world.terms.rows, state[POLICY]
    if rows[row, RENEWS_ON] != ON_EXPIRY or state[SUSPENDED] or state[OBJECTED] or not renewals_left(state, world):
        return False
    if state[END] < state[OPENS]:
        return False
    if rows[row, SINCE] == SINCE_ELIGIBLE:
        return bool(state[USES_SINCE_OPEN] >= rows[row, MIN_USES])
    if rows[row, SINCE] == SINCE_PERIOD:
        return bool(state[USES] >= rows[row, MIN_USES])
    since = shifted(state[END], -rows[row, LOOKING_BACK], -rows[row, LOOKING_BACK + 1], world.tables)
    counted = 0
    for each in range(min(state[USES], LOOK_BACK_USES_MAX)):
        counted += state[KEPT + each] >= since
    return bool(counted >= rows[row, MIN_USES])


@compiled
def _lapse(state: State, end: int, by_month: Months, world: World) -> None:
    rows, row = world.terms.rows, state[POLICY]
    state[PHASE] = LAPSED
    state[LOCKED_OUT] = 0
    state[GRACE_END] = shifted(end, rows[row, GRACE], rows[row, GRACE + 1], world.tables)
    close_before(state, end, world)
    state[LAPSES] += 1
    by_month[column_of_month(end // TICKS_PER_DAY, world, len(by_month)), LAPSES] += 1
