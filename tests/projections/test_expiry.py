"""When does a credential end, and how did that come about?"""

from datetime import date, datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import AutoRenewed
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import RenewalCause
from sealbook.projections.expiry import Expiry, expiry
from sealbook.projections.moment import credential_at
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    FOREVER_N,
    ISSUE,
    LAST_INSTANT,
    LATER,
    SUMMER,
    USE_D,
    book_with,
    by_renewal,
    document,
    issued_under,
    kst,
    used,
)
from tests.projections.records import log

ISSUED = issued_under(USE_D)


def expiry_of(*history: Event, as_of: datetime, policies: PolicyBook = BOOK) -> Expiry:
    found = expiry(credential_at(log(*history), as_of=as_of, policies=policies), policies)
    assert found is not None
    return found


def test_a_first_period_is_told_in_full() -> None:
    assert expiry_of(ISSUED, as_of=kst("2026-03-01T12:00")) == Expiry(
        expires_at=END,
        last_valid_day=date(2026, 3, 15),
        days_left=14,
        period=1,
        base=ISSUE,
        anchor=ISSUE,
    )


def test_before_the_issue_there_is_no_end() -> None:
    assert expiry(credential_at(log(ISSUED), as_of=ISSUE - MICROSECOND, policies=BOOK), BOOK) is None


@pytest.mark.parametrize(
    ("as_of", "days_left"),
    [
        pytest.param(kst("2026-03-14T00:00"), 1, id="at the first instant of the day before"),
        pytest.param(kst("2026-03-14T23:59:59"), 1, id="at the last second of the day before"),
        pytest.param(kst("2026-03-15T00:00"), 0, id="on the last day"),
        pytest.param(LAST_INSTANT, 0, id="at the last microsecond"),
        pytest.param(END, 0, id="at the end"),
        pytest.param(LATER, 0, id="long after"),
    ],
)
def test_days_are_counted_until_the_last_valid_day(as_of: datetime, days_left: int) -> None:
    assert expiry_of(ISSUED, as_of=as_of).days_left == days_left


def test_days_are_those_of_the_zone_of_the_policy() -> None:
    policy = document("NY", zone="America/New_York")
    found = expiry_of(issued_under(policy), as_of=kst("2026-03-14T12:00"), policies=book_with(policy))

    # Noon in Seoul is the evening of 13 March in New York, where the credential was issued on the 14th.
    assert (found.last_valid_day, found.days_left) == (date(2026, 3, 14), 1)


def test_without_an_end_no_days_are_left_to_count() -> None:
    found = expiry_of(issued_under(FOREVER_N), as_of=LATER)

    assert (found.expires_at, found.last_valid_day, found.days_left, found.period) == (None, None, None, 1)


def test_a_renewal_begins_the_next_period() -> None:
    bounds = by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025)
    renewed = AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=bounds)
    found = expiry_of(ISSUED, renewed, as_of=END)

    assert (found.period, found.base, found.anchor) == (2, AUTUMN_2025, AUTUMN_2025)
    assert found.last_valid_day == date(2027, 10, 1)


def test_a_renewal_that_nobody_recorded_counts() -> None:
    history = (issued_under(CLOCK_X), used(AUTUMN_2025))

    assert expiry_of(*history, as_of=SUMMER).period == 1
    assert expiry_of(*history, as_of=END).period == 2
    assert expiry_of(*history, as_of=END).base == LAST_INSTANT
