"""Limits on how often: what is let through over time, and that a limit cannot be pushed out of memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.http import rate_limits
from sealbook.adapters.http.rate_limits import Rate, RateLimits
from tests.adapters.http.issuer import Clock

SECOND = 1.0


def limits(clock: Clock, *, per_second: float = 1, burst: int = 3, keys_max: int = 10) -> RateLimits:
    return RateLimits(Rate(per_second, burst), keys_max=keys_max, clock=clock)


def test_so_many_at_once_and_then_as_fast_as_the_bucket_fills() -> None:
    clock = Clock(1_000)
    limited = limits(clock)
    assert [limited.take("a") for _ in range(4)] == [None, None, None, SECOND]
    clock.now += 0.75
    assert limited.take("a") == pytest.approx(0.25)
    clock.now += 0.25
    assert limited.take("a") is None
    assert limited.take("a") == pytest.approx(SECOND)


def test_one_who_is_sent_away_pays_nothing() -> None:
    clock = Clock(0)
    limited = limits(clock, burst=1)
    assert limited.take("a") is None
    for _ in range(100):
        assert limited.take("a") == pytest.approx(SECOND)
    clock.now += 1
    assert limited.take("a") is None


def test_every_key_has_a_bucket_of_its_own() -> None:
    limited = limits(Clock(0), burst=1)
    assert [limited.take(key) for key in "aab"] == [None, SECOND, None]


def test_a_bucket_does_not_fill_over_its_brim() -> None:
    clock = Clock(0)
    limited = limits(clock)
    limited.take("a")
    clock.now += 1_000
    assert [limited.take("a") is None for _ in range(4)] == [True, True, True, False]


def test_what_costs_more_takes_more() -> None:
    clock = Clock(0)
    limited = limits(clock)
    assert limited.take("a", cost=2) is None
    assert limited.take("a", cost=2) == pytest.approx(SECOND)
    assert limited.take("a") is None


def test_what_costs_more_than_a_bucket_holds_waits_for_a_full_one_and_is_paid_off() -> None:
    clock = Clock(0)
    limited = limits(clock)
    assert limited.take("a") is None
    assert limited.take("a", cost=10) == pytest.approx(SECOND)
    clock.now += 1
    assert limited.take("a", cost=10) is None
    assert limited.take("a") == pytest.approx(8 * SECOND)


@given(
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 4)), max_size=60),
    per_second=st.sampled_from([0.5, 1.0, 7.0, 1_000.0]),
    burst=st.integers(1, 5),
)
def test_over_any_time_no_more_is_let_through_than_the_rate_and_a_bucket(
    steps: list[tuple[float, int]], per_second: float, burst: int
) -> None:
    clock = Clock(0)
    limited = limits(clock, per_second=per_second, burst=burst)
    taken = list[tuple[float, int]]()
    for seconds, cost in steps:
        clock.now += seconds
        wait_seconds = limited.take("a", cost=min(cost, burst))
        if wait_seconds is None:
            taken.append((clock.now, min(cost, burst)))
        else:
            # Whoever waits as long as was said is let in.
            clock.now += wait_seconds
            assert limited.take("a", cost=min(cost, burst)) is None
            taken.append((clock.now, min(cost, burst)))
    for number, (begun_at, _) in enumerate(taken):
        for last in range(number, len(taken)):
            sum_of_costs = sum(cost for _, cost in taken[number : last + 1])
            assert sum_of_costs <= burst + (taken[last][0] - begun_at) * per_second + 1e-6


# --- Memory


def test_memory_is_bounded() -> None:
    limited = limits(Clock(0))
    for number in range(10_000):
        limited.take(f"made up {number}")
    assert len(limited) == 10


def test_made_up_keys_do_not_reset_a_limit() -> None:
    clock = Clock(0)
    limited = limits(clock, per_second=0.01, burst=3)
    assert [limited.take("victim") is None for _ in range(4)] == [True, True, True, False]
    for number in range(1_000):
        limited.take(f"made up {number}")
    clock.now += 50
    wait_seconds = limited.take("victim")
    assert wait_seconds is not None
    assert wait_seconds >= 50 - 1e-6


def test_a_key_that_is_in_use_is_not_the_first_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_FLOORS", 1)
    clock = Clock(0)
    limited = limits(clock, burst=2, keys_max=2)
    for key in ("busy", "idle", "busy"):
        limited.take(key)
    clock.now += 1  # idle is full again, busy is not
    assert limited.take("new") is None
    # What was forgotten was full: it weighs on nobody.
    assert [limited.take("stranger"), limited.take("stranger")] == [None, None]


def test_what_is_forgotten_later_does_not_ease_a_limit_that_was_forgotten_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "_FLOORS", 1)
    clock = Clock(0)
    limited = limits(clock, burst=3, keys_max=2)
    for key in ("victim", "victim", "victim", "other", "new"):
        limited.take(key)
    clock.now += 1
    limited.take("newer")  # and other, whose bucket is nearly full, is forgotten
    assert [limited.take("victim") is None for _ in range(2)] == [True, False]


def test_a_stranger_is_limited_only_until_a_bucket_would_be_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_FLOORS", 1)
    clock = Clock(0)
    limited = limits(clock, burst=3, keys_max=1)
    for _ in range(3):
        limited.take("attacker")
    limited.take("another")
    clock.now += 3
    assert [limited.take("stranger") is None for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize(("per_second", "burst", "keys_max"), [(0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limit_without_sense_cannot_be_made(per_second: float, burst: int, keys_max: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        limits(Clock(0), per_second=per_second, burst=burst, keys_max=keys_max)
