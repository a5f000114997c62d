"""How many credentials are in which state as of a moment, and what has happened until then?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sealbook.domain import customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event, RecordedEvent
from sealbook.domain.credential import (
    ApplicationRejected,
    Expired,
    Locked,
    RenewalObjectionLodged,
    ResetRequired,
    Revoked,
    Suspended,
)
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderSubkind, Kind
from sealbook.projections.counts import IN_VIEW, SOON, Report, report, tally
from sealbook.projections.validity import ValidityState
from tests.domain.applications import APPLIED_AT, APPLYING, OPEN_UNTIL, minute
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_G,
    ISSUE,
    LATER,
    SUMMER,
    USE_D,
    WINTER_2026,
    issued_under,
    used,
)
from tests.projections.records import log

ENROLLED = customer.Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
SUSPENDED = Suspended(at=SUMMER, reason=None)
REVOKED = Revoked(at=SUMMER, reason=None)


def streams(*histories: Sequence[Event]) -> list[RecordedEvent]:
    recorded: list[RecordedEvent] = []
    for number, history in enumerate(histories, start=1):
        recorded = log(*history, stream=UUID(int=number), after=recorded)
    return recorded


def counted(recorded: Sequence[RecordedEvent], as_of: datetime) -> Report:
    return report(tally(recorded, as_of=as_of), as_of=as_of, policies=BOOK)


def states(**counts: int) -> dict[str, int]:
    return {**dict.fromkeys(IN_VIEW, 0), **counts}


CERTIFICATE = issued_under(USE_D)
OTP = issued_under(USE_D, kind=Kind.MOBILE_OTP)
REJECTED = ApplicationRejected(at=minute(9), reason="forged")
MIXED = streams(
    [ENROLLED],
    [CERTIFICATE],
    [CERTIFICATE, SUSPENDED],
    [CERTIFICATE, SUSPENDED, REVOKED],
    [OTP],
    [OTP, Expired(at=END, policy=USE_D.ref, grace_until=END)],
)


def test_a_ledger_without_events_is_told_in_full() -> None:
    assert counted([], SUMMER) == Report(
        as_of=SUMMER,
        credentials=states(),
        kinds={},
        events={},
        expiring_soon=0,
        eligible_for_renewal=0,
    )


def test_every_state_of_what_was_begun_is_in_view() -> None:
    assert {*IN_VIEW, ValidityState.NOT_ISSUED} == set(ValidityState)


def test_credentials_are_counted_by_state_and_kind() -> None:
    found = counted(MIXED, SUMMER)

    assert found.credentials == states(active=3, suspended=1, revoked=1)
    assert found.kinds == {
        "kb_mobile_certificate": states(active=1, suspended=1, revoked=1),
        "mobile_otp": states(active=2),
    }
    assert list(found.kinds) == sorted(found.kinds)


@pytest.mark.parametrize(
    ("as_of", "counts"),
    [
        pytest.param(ISSUE - MICROSECOND, states(), id="before the issue"),
        pytest.param(ISSUE, states(active=5), id="at the issue"),
        pytest.param(SUMMER - MICROSECOND, states(active=5), id="before the summer"),
        pytest.param(END - MICROSECOND, states(active=3, suspended=1, revoked=1), id="at the last microsecond"),
        pytest.param(END, states(expired=4, revoked=1), id="at the end, recorded or not"),
    ],
)
def test_counts_are_as_of_their_moment(as_of: datetime, counts: dict[str, int]) -> None:
    assert counted(MIXED, as_of).credentials == counts


def test_an_expiry_counts_without_an_event_of_it() -> None:
    found = counted(streams([CERTIFICATE]), END)

    assert found.credentials == states(expired=1)
    assert found.events == {"credential.issued": 1}


def test_events_are_counted_by_name_until_the_moment() -> None:
    assert counted(MIXED, SUMMER).events == {
        "credential.issued": 5,
        "credential.revoked": 1,
        "credential.suspended": 2,
        "customer.enrolled": 1,
    }
    assert counted(MIXED, END).events["credential.expired"] == 1
    assert list(counted(MIXED, END).events) == sorted(counted(MIXED, END).events)


@pytest.mark.parametrize(
    ("as_of", "soon"),
    [
        pytest.param(END - SOON - MICROSECOND, 0, id="more than thirty days before"),
        pytest.param(END - SOON, 1, id="thirty days before"),
        pytest.param(END - MICROSECOND, 1, id="at the last microsecond"),
        pytest.param(END, 0, id="at the end"),
    ],
)
def test_a_credential_within_thirty_days_of_its_end_expires_soon(as_of: datetime, soon: int) -> None:
    assert counted(streams([CERTIFICATE]), as_of).expiring_soon == soon


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([CERTIFICATE, SUSPENDED], id="suspended"),
        pytest.param([CERTIFICATE, REVOKED], id="revoked"),
        pytest.param([issued_under(FOREVER_N)], id="without an end"),
    ],
)
def test_only_an_active_credential_with_an_end_expires_soon(history: list[Event]) -> None:
    assert counted(streams(history), END - timedelta(days=1)).expiring_soon == 0


USED = used(AUTUMN_2025)


@pytest.mark.parametrize(
    ("policy", "history", "as_of", "eligible"),
    [
        pytest.param(USE_D, [], ELIGIBLE - MICROSECOND, 0, id="not yet"),
        pytest.param(USE_D, [], ELIGIBLE, 1, id="awaiting a use"),
        pytest.param(CLOCK_X, [USED], WINTER_2026, 1, id="earned"),
        pytest.param(USE_D, [SUSPENDED], ELIGIBLE, 0, id="suspended"),
        pytest.param(USE_D, [RenewalObjectionLodged(at=SUMMER)], ELIGIBLE, 0, id="objected to"),
        pytest.param(FOREVER_N, [], ELIGIBLE, 0, id="never renewed"),
        pytest.param(GRACE_G, [], END, 0, id="in its grace"),
    ],
)
def test_a_credential_is_eligible_once_only_a_use_or_the_clock_is_missing(
    policy: RenewalPolicy, history: list[Event], as_of: datetime, eligible: int
) -> None:
    assert counted(streams([issued_under(policy), *history]), as_of).eligible_for_renewal == eligible


@pytest.mark.parametrize(
    ("history", "as_of", "state"),
    [
        pytest.param(APPLYING, APPLIED_AT, "applying", id="applied for"),
        pytest.param(APPLYING, OPEN_UNTIL, "abandoned", id="its time is over"),
        pytest.param([*APPLYING, REJECTED], SUMMER, "rejected", id="rejected"),
        pytest.param([*APPLYING, CERTIFICATE], SUMMER, "active", id="issued"),
        pytest.param([CERTIFICATE, Locked(at=SUMMER, for_good=True)], SUMMER, "locked", id="locked"),
        pytest.param([CERTIFICATE, ResetRequired(at=SUMMER)], SUMMER, "reset_required", id="to be set up again"),
    ],
)
def test_every_state_is_counted(history: Sequence[Event], as_of: datetime, state: str) -> None:
    found = counted(streams(history), as_of)

    assert found.credentials == states(**{state: 1})
    assert found.eligible_for_renewal == 0


def test_a_renewal_that_nobody_recorded_is_counted() -> None:
    found = counted(streams([issued_under(CLOCK_X), USED]), END)

    assert (found.credentials, found.eligible_for_renewal) == (states(active=1), 0)


def test_many_credentials_are_counted_each() -> None:
    found = counted(streams(*[[CERTIFICATE]] * 3, [OTP]), ELIGIBLE)

    assert (found.eligible_for_renewal, found.credentials["active"]) == (4, 4)
    assert counted(streams(*[[CERTIFICATE]] * 3, [OTP]), LATER).credentials["expired"] == 4
