"""When is it best to renew a credential?"""

from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import Revoked, Suspended
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.projections.moment import credential_at
from sealbook.projections.renewal_window import RenewalWindow, renewal_window
from tests.domain.examples import (
    AUTUMN_2025,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    NEVER_NV,
    REQUEST_R,
    USE_D,
    WINTER_2026,
    book_with,
    document,
    issued_under,
)
from tests.projections.records import log


def window(policy: RenewalPolicy, *history: Event, as_of: datetime = WINTER_2026) -> RenewalWindow | None:
    book = book_with(policy)
    return renewal_window(credential_at(log(issued_under(policy), *history), as_of=as_of, policies=book), book)


@pytest.mark.parametrize("as_of", [ISSUE, WINTER_2026])
def test_a_use_renews_from_the_eligibility_on(as_of: datetime) -> None:
    assert window(USE_D, as_of=as_of) == RenewalWindow(start=ELIGIBLE, end=END)


def test_what_can_be_lifted_closes_no_window() -> None:
    assert window(USE_D, Suspended(at=AUTUMN_2025, reason=None)) == RenewalWindow(start=ELIGIBLE, end=END)


def test_in_its_grace_the_window_has_passed() -> None:
    assert window(GRACE_G, as_of=GRACE_END - MICROSECOND) == RenewalWindow(start=ELIGIBLE, end=END)
    assert END < GRACE_END


@pytest.mark.parametrize(
    ("policy", "history", "as_of"),
    [
        (USE_D, (), ISSUE - MICROSECOND),
        (USE_D, (Revoked(at=AUTUMN_2025, reason=None),), WINTER_2026),
        (USE_D, (), END),
        (GRACE_G, (), GRACE_END),
        (NEVER_NV, (), WINTER_2026),
        (FOREVER_N, (), WINTER_2026),
        (document(max_renewals=0), (), WINTER_2026),
        (
            document("R", renew_on="request", eligible_after=None, request_window="P30D", max_renewals=0),
            (),
            WINTER_2026,
        ),
        (REQUEST_R, (Revoked(at=AUTUMN_2025, reason=None),), WINTER_2026),
        (REQUEST_R, (), END),
    ],
)
def test_nothing_renews(policy: RenewalPolicy, history: tuple[Event, ...], as_of: datetime) -> None:
    assert window(policy, *history, as_of=as_of) is None


def test_a_request_is_taken_in_its_window() -> None:
    found = window(REQUEST_R)

    assert found is not None
    assert (found.end, ISSUE < found.start < found.end) == (END, True)


def test_no_request_reaches_back_before_the_period() -> None:
    found = window(document("R", renew_on="request", eligible_after=None, request_window="P10Y"))

    assert found is not None
    assert found.start == ISSUE
