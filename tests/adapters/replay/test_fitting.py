"""What is learnt from those who were locked out in fact."""

from collections.abc import Sequence

import numpy as np
import pytest

from sealbook.adapters.replay.contract import FactKind, Mode, Recorded
from sealbook.adapters.replay.fitting import DELAYS_MAX, fitted, refusals
from sealbook.adapters.replay.moments import DAY_SECONDS
from tests.adapters.replay.bank import BEGIN, END, listed
from tests.adapters.replay.histories import Attempt, Chain, Fact, partition_of

DAY = DAY_SECONDS


def refused(day: int) -> Attempt:
    return Attempt(at=BEGIN + day * DAY, accepted=False)


def fact(day: int, kind: FactKind) -> Fact:
    return Fact(at=BEGIN + day * DAY, kind=kind)


def found(
    *chains: tuple[Attempt | Fact, ...], lapses: Sequence[Sequence[int]] = (), until: int = END
) -> list[tuple[int, int]]:
    """Return the lock-outs in days: when, and how long until the return or -1."""
    partition = partition_of([Chain(issued_at=BEGIN, then=then) for then in chains])
    lapsed = listed([[BEGIN + day * DAY for day in days] for days in lapses] or [()] * len(chains))
    recorded = Recorded(renewals=listed([()] * len(chains)), lapses=lapsed)
    assert partition.refused is not None
    rows = refusals(partition.refused, partition.facts, recorded, until=until).tolist()
    return [((at - BEGIN) // DAY, delay // DAY if delay > 0 else delay) for at, delay in rows]


def test_the_first_refusal_counts_and_the_new_credential_after_it() -> None:
    then = (refused(10), refused(12), fact(15, FactKind.REISSUED_AFTER_LAPSE), refused(30), refused(31))

    assert found(then, (refused(5), fact(6, FactKind.REISSUED_AFTER_LAPSE)), ()) == [(10, 5), (30, -1), (5, 1)]


def test_a_fact_of_the_next_chain_is_not_a_return() -> None:
    assert found((refused(10),), (fact(15, FactKind.REISSUED_AFTER_LAPSE),)) == [(10, -1)]


@pytest.mark.parametrize("kind", [FactKind.REISSUED, FactKind.REVOKED])
def test_who_had_a_new_one_for_another_reason_says_nothing(kind: FactKind) -> None:
    assert found((refused(10), fact(15, kind))) == []


@pytest.mark.parametrize("kind", [FactKind.SUSPENDED, FactKind.REQUESTED])
def test_other_facts_play_no_part(kind: FactKind) -> None:
    assert found((refused(10), fact(12, kind), fact(15, FactKind.REISSUED_AFTER_LAPSE))) == [(10, 5)]


@pytest.mark.parametrize("kind", [FactKind.SUSPENDED, FactKind.REVOKED])
def test_who_could_not_use_it_for_another_reason_was_not_locked_out(kind: FactKind) -> None:
    assert found((fact(8, kind), refused(10))) == []


def test_where_lapses_are_on_record_only_a_refusal_after_one_counts() -> None:
    then = (refused(5), refused(10), refused(11), fact(15, FactKind.REISSUED_AFTER_LAPSE), refused(16), refused(30))

    assert found(then, (refused(9),), lapses=[[8, 20], []]) == [(10, 5), (30, -1)]


def test_what_lies_after_the_end_is_not_known() -> None:
    then = (refused(10), fact(15, FactKind.REISSUED_AFTER_LAPSE), refused(40))

    assert found(then, until=BEGIN + 14 * DAY) == [(10, -1)]
    assert found(then, until=BEGIN + 15 * DAY) == [(10, 5)]


def test_the_share_is_of_those_who_had_the_time_to_come_back() -> None:
    rows = np.array([[BEGIN, 3 * DAY], [BEGIN, -1], [BEGIN, 1 * DAY], [BEGIN, -1], [END - DAY, -1]], np.int64)

    fit = fitted(rows, until=END)

    assert fit is not None
    assert (fit.refused, fit.returned, fit.undecided) == (4, 2, 1)
    assert fit.delays_seconds == (DAY, 3 * DAY)
    behavior = fit.behavior(seed=5)
    assert (behavior.mode, behavior.returning, behavior.seed) == (Mode.AS_FITTED, 2**31, 5)


def test_nobody_locked_out_leaves_nothing_to_fit() -> None:
    assert fitted(np.zeros((0, 2), np.int64), until=END) is None


def test_nobody_back_is_a_share_of_nothing() -> None:
    fit = fitted(np.array([[BEGIN, -1]], np.int64), until=END)

    assert fit is not None
    assert (fit.returning, fit.delays_seconds, fit.median_delay_days) == (0, (), None)


def test_many_delays_are_thinned_evenly() -> None:
    delays = np.arange(1, 10 * DELAYS_MAX + 1)
    rows = np.stack([np.full(len(delays), BEGIN), delays], axis=1)

    fit = fitted(rows, until=END)

    assert fit is not None
    assert len(fit.delays_seconds) == DELAYS_MAX
    assert np.mean(fit.delays_seconds) == pytest.approx(np.mean(delays), rel=1e-3)
