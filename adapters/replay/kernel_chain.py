"""One chain's history under one policy in compiled code: attempts and facts in their order, under any policy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import FAR, TICKS_PER_DAY, shifted
from sealbook.adapters.replay.compiled import compiled
from sealbook.adapters.replay.contract import SWITCH_MODES, FactKind
from sealbook.adapters.replay.kernel_period import (
    ANCHOR,
    AWAY,
    BACK_AT,
    BASE,
    BY_RENEWAL,
    DRAWS,
    END,
    GRACE_END,
    IN_FORCE,
    KEPT,
    LAPSED,
    LAST_DAY,
    LOCKED_OUT,
    OBJECTED,
    OPENS,
    OVER,
    PHASE,
    POLICY,
    REVOKED,
    SUSPENDED,
    USES,
    USES_SINCE_OPEN,
    Months,
    State,
    begin_period,
    close_before,
    close_span,
    forget_uses,
    issue,
    open_span,
    renew,
    renew_by_decision,
    renewals_left,
    settle,
)
from sealbook.adapters.replay.kernel_world import EXPOSED_DAYS, LOCKOUTS, REISSUES, VALID, World, drawn
from sealbook.adapters.replay.terms import (
    COUNTING,
    MIN_USES,
    NO_CLASS,
    ON_EXPIRY,
    ON_REQUEST,
    ON_USE,
    RENEWS_ON,
    SOME_CLASSES,
    WINDOW,
)
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX

_SUSPENDED, _RESUMED, _REVOKED, _REQUESTED, _OBJECTED, _REISSUED, _AFTER_LAPSE, _SWITCHED = map(int, FactKind)
_KEEP, _RECOMPUTE = SWITCH_MODES.index("keep"), SWITCH_MODES.index("recompute")


class Attempts(NamedTuple):
    """Attempts of some chains, accepted and refused merged, none after the end of the question.

    `exposed` is how many days a chain was exposed between its first attempt and this one, if it was valid all along.
    """

    tick: NDArray[np.int64]
    refused: NDArray[np.bool_]
    use_class: NDArray[np.uint8]
    exposed: NDArray[np.int64]


@compiled
def attempted(
    state: State, policy: int, key: np.uint64, first: int, stop: int, attempts: Attempts, by_month: Months, world: World
) -> None:
    """Take the attempts in [first, stop), with no other fact in between."""
    each = first
    while each < stop:
        at = attempts.tick[each]
        if state[PHASE] == AWAY and state[BACK_AT] <= at:
            come_back(state, policy, world)
        settle(state, at, by_month, world)
        if state[PHASE] == IN_FORCE:
            if state[SUSPENDED]:
                each = _first_from(state[END], each + 1, stop, attempts)
            else:
                each = _used(state, each, stop, attempts, by_month, world)
        elif state[PHASE] == LAPSED:
            if _mends(state, attempts.use_class[each], at, world):
                renew(state, at, at, at, by_month, world)
                state[PHASE] = IN_FORCE
                open_span(state, at)
            elif _locked_out(state, policy, key, attempts.refused[each], at, world):
                continue
            each += 1
        elif state[PHASE] == AWAY:
            each = _first_from(state[BACK_AT], each + 1, stop, attempts)
        else:
            return


@compiled
def _used(state: State, first: int, stop: int, attempts: Attempts, by_month: Months, world: World) -> int:
    """Take uses of a credential in force, as many as can be taken alike; return the next attempt."""
    rows, row = world.terms.rows, state[POLICY]
    qualifies, after = rows[row, COUNTING] != NO_CLASS, first + 1
    if rows[row, COUNTING] == SOME_CLASSES:
        qualifies = world.terms.counts[state[POLICY], attempts.use_class[first]]
    opened = attempts.tick[first] >= state[OPENS]
    decides = opened and rows[row, RENEWS_ON] == ON_USE and not state[OBJECTED] and renewals_left(state, world)
    if rows[row, COUNTING] != SOME_CLASSES:
        if decides and qualifies:
            stop = min(stop, first + max(1, rows[row, MIN_USES] - state[USES_SINCE_OPEN]))
        bound = state[END] if opened else min(state[END], state[OPENS])
        after = _first_from(bound, first + 1, stop, attempts)
    day = attempts.tick[first] // TICKS_PER_DAY
    state[EXPOSED_DAYS] += max(0, day - 1 - state[LAST_DAY] - world.exposed_after_days)
    state[EXPOSED_DAYS] += attempts.exposed[after - 1] - attempts.exposed[first]
    state[LAST_DAY] = attempts.tick[after - 1] // TICKS_PER_DAY
    if not qualifies:
        return after
    if world.look_back:
        for each in range(max(first, after - LOOK_BACK_USES_MAX), after):
            state[KEPT + (state[USES] + each - first) % LOOK_BACK_USES_MAX] = attempts.tick[each]
    state[USES] += after - first
    state[USES_SINCE_OPEN] += (after - first) * opened
    if decides and state[USES_SINCE_OPEN] >= rows[row, MIN_USES]:
        renew_by_decision(state, attempts.tick[after - 1], by_month, world)
    return after


@compiled
def _first_from(tick: int, first: int, stop: int, attempts: Attempts) -> int:
    """Return the first attempt of [first, stop) at or after a tick, or stop: by leaps, for most are near."""
    low, leap = first, 1
    while low + leap < stop and attempts.tick[low + leap] < tick:
        low += leap
        leap *= 2
    high = min(low + leap, stop)
    while low < high:
        middle = (low + high) // 2
        if attempts.tick[middle] < tick:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _mends(state: State, use_class: int, at: int, world: World) -> bool:
    """Tell whether a use of a lapsed credential brings it back."""
    rows, row = world.terms.rows, state[POLICY]
    if at >= state[GRACE_END] or state[SUSPENDED] or state[OBJECTED] or not renewals_left(state, world):
        return False
    automatic = rows[row, RENEWS_ON] == ON_USE or rows[row, RENEWS_ON] == ON_EXPIRY
    return bool(automatic and world.terms.counts[state[POLICY], use_class])


@compiled
def _locked_out(state: State, policy: int, key: np.uint64, refused: bool, at: int, world: World) -> bool:
    """Take an attempt that is refused; tell whether it is made again at once, with a new credential."""
    if not state[LOCKED_OUT]:
        state[LOCKED_OUT] = 1
        state[LOCKOUTS] += 1
    if refused:
        return False
    if world.leaves:
        state[PHASE] = OVER
        return False
    if world.fitted:
        delay = drawn(key, state[DRAWS], world)
        state[DRAWS] += 1
        state[PHASE] = OVER if delay < 0 else AWAY
        state[BACK_AT] = at + delay
        return False
    issue(state, policy, at, world)
    state[REISSUES] += 1
    return True


@compiled
def come_back(state: State, policy: int, world: World) -> None:
    issue(state, policy, state[BACK_AT], world)
    state[REISSUES] += 1


@compiled
def happened(
    state: State, policy: int, kind: int, detail: int, asked: int, at: int, by_month: Months, world: World
) -> None:
    """Take a fact that is no attempt; what does not apply changes nothing.

    `asked` is how many policies are asked about: those that switches name come after them.
    """
    if state[PHASE] == AWAY and state[BACK_AT] < at:
        come_back(state, policy, world)
    settle(state, at, by_month, world)
    phase = state[PHASE]
    if phase == OVER:
        return
    if kind == _REISSUED or (kind == _AFTER_LAPSE and phase != IN_FORCE):
        if phase == IN_FORCE:
            close_before(state, at, world)
        state[REISSUES] += kind == _AFTER_LAPSE and phase != REVOKED
        issue(state, policy, at, world)
    elif phase == IN_FORCE or (phase == LAPSED and at < state[GRACE_END]):
        if kind == _SUSPENDED:
            state[SUSPENDED] = 1
        elif kind == _RESUMED:
            state[SUSPENDED] = 0
        elif kind == _REVOKED:
            if phase == IN_FORCE:
                close_before(state, at, world)
            state[PHASE] = REVOKED
        elif phase == IN_FORCE:
            _changed(state, kind, detail, asked, at, by_month, world)


@compiled
def _changed(state: State, kind: int, detail: int, asked: int, at: int, by_month: Months, world: World) -> None:
    """Take a request, an objection or a switch, for which a credential must be in force."""
    if kind == _OBJECTED:
        state[OBJECTED] = 1
    elif kind == _REQUESTED:
        if not state[SUSPENDED] and _in_window(state, at, world):
            renew_by_decision(state, at, by_month, world)
    elif kind == _SWITCHED:
        state[POLICY] = asked + detail // 4
        mode = detail % 4
        if mode == _RECOMPUTE:
            begin_period(state, state[BASE], state[ANCHOR], state[BY_RENEWAL], world)
            state[END] = max(state[END], at)
        elif mode != _KEEP:
            begin_period(state, at, at, 0, world)
        if mode != _KEEP:
            forget_uses(state)


@compiled
def _in_window(state: State, at: int, world: World) -> bool:
    rows, row = world.terms.rows, state[POLICY]
    if rows[row, RENEWS_ON] != ON_REQUEST or state[END] >= FAR or not renewals_left(state, world):
        return False
    opens = shifted(state[END], -rows[row, WINDOW], -rows[row, WINDOW + 1], world.tables)
    return bool(max(opens, state[ANCHOR]) <= at < state[END])


@compiled
def ended(state: State, policy: int, by_month: Months, world: World) -> None:
    """Do what the clock decides until the end of the question."""
    if state[PHASE] == AWAY and state[BACK_AT] <= world.until:
        come_back(state, policy, world)
    settle(state, world.until, by_month, world)
    if state[PHASE] == IN_FORCE:
        state[VALID] = 1
        close_span(state, world.until // TICKS_PER_DAY, world)
