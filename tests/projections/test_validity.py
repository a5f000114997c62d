"""May a credential be used at a moment, and if not, why not?"""

from datetime import date, datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    ApplicationAbandoned,
    ApplicationRejected,
    Expired,
    Locked,
    RenewalObjectionLodged,
    ResetRequired,
    Resumed,
    Revoked,
    Suspended,
)
from sealbook.domain.errors import Refusal
from sealbook.projections.moment import credential_at
from sealbook.projections.validity import Validity, ValidityState, current_validity, state_of
from tests.domain.applications import APPLIED_AT, APPLYING, OPEN_UNTIL, minute
from tests.domain.examples import (
    BOOK,
    END,
    FOREVER_N,
    GRACE_G,
    ISSUE,
    LATER,
    PHONE,
    SUMMER,
    USE_D,
    book_with,
    document,
    issued_under,
)
from tests.projections.records import log

ISSUED = issued_under(USE_D)
SUSPENDED = Suspended(at=SUMMER, reason=None)
REVOKED = Revoked(at=SUMMER, reason=None)
LOCKED = Locked(at=SUMMER, for_good=False)
RESET = ResetRequired(at=SUMMER)
REJECTED = ApplicationRejected(at=minute(9), reason="forged")
ABANDONED = ApplicationAbandoned(at=minute(9), timed_out=False)


def validity(*history: Event, as_of: datetime = SUMMER) -> Validity:
    return current_validity(credential_at(log(*history), as_of=as_of, policies=BOOK), BOOK)


def test_an_active_credential_is_told_in_full() -> None:
    assert validity(ISSUED) == Validity(
        state=ValidityState.ACTIVE,
        suspended=False,
        locked=False,
        reset_required=False,
        lapsed=False,
        revoked=False,
        objected=False,
        valid_from=ISSUE,
        expires_at=END,
        last_valid_day=date(2026, 3, 15),
        refusal=None,
        policy=USE_D.ref,
        version=1,
        position=1,
    )


@pytest.mark.parametrize(
    ("history", "as_of", "state", "refusal"),
    [
        pytest.param((), SUMMER, ValidityState.NOT_ISSUED, Refusal.NOT_ISSUED, id="nothing issued"),
        pytest.param(
            (ISSUED,), ISSUE - MICROSECOND, ValidityState.NOT_ISSUED, Refusal.NOT_ISSUED, id="before the issue"
        ),
        pytest.param((ISSUED,), END - MICROSECOND, ValidityState.ACTIVE, None, id="at the last microsecond"),
        pytest.param((ISSUED,), END, ValidityState.EXPIRED, Refusal.EXPIRED, id="at the end"),
        pytest.param((ISSUED, SUSPENDED), SUMMER, ValidityState.SUSPENDED, Refusal.SUSPENDED, id="suspended"),
        pytest.param(
            (ISSUED, SUSPENDED, Resumed(at=SUMMER, evidence=None)), SUMMER, ValidityState.ACTIVE, None, id="resumed"
        ),
        pytest.param((ISSUED, SUSPENDED), END, ValidityState.EXPIRED, Refusal.EXPIRED, id="suspended and expired"),
        pytest.param((ISSUED, REVOKED), LATER, ValidityState.REVOKED, Refusal.REVOKED, id="revoked before its end"),
        pytest.param(
            (ISSUED, SUSPENDED, REVOKED), SUMMER, ValidityState.REVOKED, Refusal.REVOKED, id="suspended and revoked"
        ),
        pytest.param((ISSUED, LOCKED), SUMMER, ValidityState.LOCKED, Refusal.LOCKED, id="locked"),
        pytest.param(
            (ISSUED, LOCKED, RESET), SUMMER, ValidityState.RESET_REQUIRED, Refusal.RESET_REQUIRED, id="locked and reset"
        ),
        pytest.param(
            (ISSUED, LOCKED, RESET, SUSPENDED), SUMMER, ValidityState.SUSPENDED, Refusal.SUSPENDED, id="held as well"
        ),
        pytest.param(APPLYING, APPLIED_AT, ValidityState.APPLYING, Refusal.APPLYING, id="applied for"),
        pytest.param(
            (*APPLYING, REJECTED), SUMMER, ValidityState.REJECTED, Refusal.APPLICATION_ENDED, id="application rejected"
        ),
        pytest.param((*APPLYING, ABANDONED), SUMMER, ValidityState.ABANDONED, Refusal.APPLICATION_ENDED, id="given up"),
        pytest.param(APPLYING, OPEN_UNTIL, ValidityState.ABANDONED, Refusal.APPLICATION_ENDED, id="its time is over"),
        pytest.param((*APPLYING, ISSUED), SUMMER, ValidityState.ACTIVE, None, id="applied for and issued"),
        pytest.param((issued_under(FOREVER_N),), LATER, ValidityState.ACTIVE, None, id="without an end"),
        pytest.param((issued_under(GRACE_G),), END, ValidityState.EXPIRED, Refusal.EXPIRED, id="in its grace"),
        pytest.param((issued_under(USE_D, device=PHONE),), SUMMER, ValidityState.ACTIVE, None, id="bound to a device"),
    ],
)
def test_the_first_flag_by_precedence_is_the_state(
    history: tuple[Event, ...], as_of: datetime, state: ValidityState, refusal: Refusal | None
) -> None:
    found = validity(*history, as_of=as_of)

    assert (found.state, found.refusal) == (state, refusal)


def test_every_flag_stands_beside_the_state() -> None:
    lapse = Expired(at=END, policy=GRACE_G.ref, grace_until=LATER)
    revoked = Revoked(at=END, reason=None)
    objected = RenewalObjectionLodged(at=SUMMER)
    found = validity(issued_under(GRACE_G), SUSPENDED, LOCKED, RESET, objected, lapse, revoked, as_of=END)

    assert (found.suspended, found.objected, found.lapsed, found.revoked) == (True, True, True, True)
    assert (found.locked, found.reset_required) == (True, True)
    assert (found.version, found.position) == (7, 7)


def test_without_an_end_there_is_no_last_day() -> None:
    found = validity(issued_under(FOREVER_N))

    assert (found.expires_at, found.last_valid_day) == (None, None)


def test_the_last_day_is_one_of_the_zone_of_the_policy() -> None:
    policy = document("NY", zone="America/New_York", calendar="instant")
    book = book_with(policy)
    found = current_validity(credential_at(log(issued_under(policy)), as_of=SUMMER, policies=book), book)

    # Ten in the morning of 15 March in Seoul is still the day before in New York.
    assert found.last_valid_day == date(2026, 3, 14)


def test_before_the_issue_nothing_is_told() -> None:
    found = validity()

    assert (found.valid_from, found.policy, found.version, found.position) == (None, None, 0, 0)


def test_of_an_application_its_policy_and_place_are_told() -> None:
    found = validity(*APPLYING, as_of=APPLIED_AT)

    assert (found.valid_from, found.expires_at, found.policy) == (None, None, USE_D.ref)
    assert (found.version, found.position) == (2, 2)


def test_what_was_never_issued_has_a_state_too() -> None:
    assert state_of(None) is ValidityState.NOT_ISSUED
