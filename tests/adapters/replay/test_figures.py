"""Figures of partitions: by group, by month, and the sample's share in them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from sealbook.adapters.replay.contract import Outcomes, Partition
from sealbook.adapters.replay.figures import (
    METRICS,
    Ground,
    Partial,
    Shape,
    columns,
    month_named,
    months_of,
    split_groups,
)
from sealbook.adapters.replay.kernel_sums import Adding, Sums
from sealbook.adapters.replay.moments import moment_of, month_of
from sealbook.adapters.replay.sampling import interval, sampled, share_of, weights
from sealbook.adapters.replay.selecting import PER_CHAIN, taken
from tests.adapters.replay.histories import Chain, moments, partition_of, partitions

CUSTOMERS = METRICS.index("customers_locked_out")
SHAPE = Shape(kinds=2, holders=2, channels=2, first_month=240, months=24, fees=(0, 500))


def chains() -> Partition:
    """Three customers: two chains of two kinds, then one, then one."""
    of = ((1, 0, 0), (1, 1, 1), (2, 1, 0), (3, 0, 0))
    issued_at = (20 * 366 + 10) * 86_400
    return partition_of(
        [
            Chain(issued_at=issued_at, customer=customer, kind=kind, holder=holder, truncated=customer < 3)
            for customer, kind, holder in of
        ]
    )


def outcomes(*, lockouts: list[int]) -> Outcomes:
    n = len(lockouts)
    counts = np.arange(1, n + 1, dtype=np.int32)
    return Outcomes(
        renewals=counts,
        lapses=counts * 10,
        lockouts=np.array(lockouts, np.int32),
        reissues=counts,
        valid_days=counts * 100,
        exposed_days=counts,
        valid=counts % 2 == 0,
        by_month=np.zeros((SHAPE.months, 2), np.int64),
    )


def ground() -> Ground:
    return Ground(partition=chains(), shape=SHAPE, weights=np.zeros((0, 4), np.int64))


def test_the_metrics_of_all_chains_add_up() -> None:
    found = dict(zip(METRICS, columns(ground(), outcomes(lockouts=[2, 1, 0, 1])).sum(axis=1).tolist(), strict=True))

    assert found == {
        "renewals": 10,
        "lapses": 100,
        "lockouts": 4,
        "chains_locked_out": 3,
        "customers_locked_out": 2,
        "reissues": 10,
        "cost": 500 * (2 + 3),
        "valid_days": 1000,
        "exposed_days": 10,
        "still_valid": 2,
    }


def sums(*, lockouts: list[int]) -> Sums:
    what = outcomes(lockouts=lockouts)
    return Adding(ground()).sums(what, what)


def test_what_is_added_up_is_the_sum_of_the_chains() -> None:
    for lockouts in ([2, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]):
        of_chains = columns(ground(), outcomes(lockouts=lockouts))

        assert sums(lockouts=lockouts).totals.tolist() == of_chains.sum(axis=1).tolist()
        assert (
            sums(lockouts=lockouts).truncated.tolist()
            == of_chains[:, ground().partition.truncated].sum(axis=1).tolist()
        )


@pytest.mark.parametrize("name", PER_CHAIN)
def test_a_chain_changes_where_anything_becomes_of_it_otherwise(name: str) -> None:
    what, other = outcomes(lockouts=[1, 0, 0, 0]), outcomes(lockouts=[1, 0, 0, 0])
    getattr(other, name)[2] += 1

    assert Adding(ground()).sums(what, other).changed.tolist() == [False, False, True, False]
    assert not Adding(ground()).sums(what, what).changed.any()


def test_a_customer_counts_once_in_each_group_in_which_he_was_locked_out() -> None:
    parts = dict(split_groups(SHAPE, sums(lockouts=[2, 1, 0, 1]).groups))

    assert parts["kind"][CUSTOMERS].tolist() == [2, 1]
    assert parts["holder"][CUSTOMERS].tolist() == [2, 1]
    assert parts["cohort"][CUSTOMERS].sum() == 2
    assert parts["channel"][CUSTOMERS].tolist() == [2, 0]


def test_every_grouping_adds_up_to_the_total() -> None:
    found = sums(lockouts=[0, 1, 3, 0])
    others = np.arange(len(METRICS)) != CUSTOMERS

    for _, part in split_groups(SHAPE, found.groups):
        assert (part.sum(axis=1) == found.totals)[others].all()


def test_partials_add_up() -> None:
    one = Partial.empty(SHAPE, policies=2)
    one.totals[...] = 3
    one.chains[...] = 4

    both = one + one

    assert (both.totals == 6).all()
    assert (int(both.chains), int(one.chains)) == (8, 4)


@given(moments())
def test_months_are_those_of_seoul(at: int) -> None:
    assert months_of(np.array([at], np.int32)).tolist() == [month_of(moment_of(at))]


def test_a_month_has_its_name() -> None:
    assert [month_named(each) for each in (0, 11, 12, 254)] == ["2000-01", "2000-12", "2001-01", "2021-03"]


# --- Selecting and sampling


@given(partitions())
def test_each_chain_taken_by_itself_is_the_chain(partition: Partition) -> None:
    backwards = np.arange(partition.chains)[::-1]
    again = taken(taken(partition, backwards), backwards)

    for name in ("key", "customer", "issued_at"):
        assert (getattr(again, name) == getattr(partition, name)).all()
    assert again.accepted is not None
    assert partition.accepted is not None
    assert again.accepted.begin.tolist() == partition.accepted.begin.tolist()
    assert again.accepted.at.tolist() == partition.accepted.at.tolist()
    assert again.facts.at.tolist() == partition.facts.at.tolist()
    assert again.facts.place.tolist() == partition.facts.place.tolist()


def test_a_sample_takes_whole_customers_and_about_its_share() -> None:
    customer = np.repeat(np.arange(20_000), 2)

    chosen = sampled(customer, share=Fraction(1, 10), seed=3)

    assert (chosen[::2] == chosen[1::2]).all()
    assert chosen.mean() == pytest.approx(0.1, abs=0.01)
    assert (chosen != sampled(customer, share=Fraction(1, 10), seed=4)).any()
    assert sampled(customer, share=Fraction(1), seed=3).all()


def test_the_weights_of_a_resample_follow_poisson_by_customer() -> None:
    customer = np.repeat(np.arange(20_000), 2)

    drawn = weights(customer, seed=3, resamples=20)

    assert (drawn[:, ::2] == drawn[:, 1::2]).all()
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.03


def test_the_weights_of_a_customer_do_not_depend_on_the_others() -> None:
    both = weights(np.array([7, 9]), seed=1, resamples=50)

    assert both[:, 1].tolist() == weights(np.array([9]), seed=1, resamples=50)[:, 0].tolist()


def test_an_interval_leaves_the_outermost_out() -> None:
    assert interval(np.arange(200)) == (5, 194)


@pytest.mark.parametrize("text", ["0%", "101%", "1", "-1%", "1.%", "", "one%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        share_of(text)


def test_a_share_is_exact() -> None:
    assert (share_of("1%"), share_of("0.5%"), share_of("100%")) == (Fraction(1, 100), Fraction(1, 200), Fraction(1))
