"""A credential as of a moment, on both axes: when it was so, and when the ledger learned it."""

from datetime import datetime

import pytest

from sealbook.domain import customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import AutoRenewed, Expired, Renewed, Revoked, Suspended
from sealbook.domain.values import HolderSubkind, RenewalCause
from sealbook.projections.moment import Moment, credential_at, known_by
from sealbook.projections.validity import ValidityState, current_validity
from tests.domain.applications import APPLYING, OPEN_UNTIL, application_after
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    ISSUE,
    LATER,
    REQUEST_R,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    issued_under,
    kst,
    used,
)
from tests.projections.records import OTHER_CREDENTIAL, learned, log

ISSUED = issued_under(USE_D)
WEDNESDAY, THURSDAY, FRIDAY = kst("2024-06-05T08:00"), kst("2024-06-06T12:00"), kst("2024-06-07T09:00")
LOSS_LEARNED_ON_FRIDAY = log(ISSUED, learned(Suspended(at=WEDNESDAY, reason="lost"), FRIDAY))


def state_at(history: list[RecordedEvent], as_of: datetime) -> ValidityState:
    return current_validity(credential_at(history, as_of=as_of, policies=BOOK), BOOK).state


# --- Two axes.


def test_what_was_true_on_thursday_is_the_loss_reported_on_friday() -> None:
    assert state_at(LOSS_LEARNED_ON_FRIDAY, THURSDAY) is ValidityState.SUSPENDED


def test_what_was_known_on_thursday_is_an_active_credential() -> None:
    known = known_by(LOSS_LEARNED_ON_FRIDAY, THURSDAY)

    assert state_at(known, THURSDAY) is ValidityState.ACTIVE


def test_what_is_known_on_friday_is_the_loss() -> None:
    assert state_at(known_by(LOSS_LEARNED_ON_FRIDAY, FRIDAY), FRIDAY) is ValidityState.SUSPENDED


def test_before_the_loss_it_was_active_whenever_one_asks() -> None:
    assert state_at(LOSS_LEARNED_ON_FRIDAY, WEDNESDAY - MICROSECOND) is ValidityState.ACTIVE


@pytest.mark.parametrize(
    ("known_at", "events"),
    [(ISSUE - MICROSECOND, 0), (ISSUE, 1), (FRIDAY - MICROSECOND, 1), (FRIDAY, 2), (None, 2)],
    ids=["before all", "at the issue", "just before", "as it is learned", "now"],
)
def test_the_ledger_knows_what_it_has_recorded(known_at: datetime | None, events: int) -> None:
    assert known_by(LOSS_LEARNED_ON_FRIDAY, known_at) == LOSS_LEARNED_ON_FRIDAY[:events]


# --- As of.


@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        pytest.param(ISSUE - MICROSECOND, ValidityState.NOT_ISSUED, id="before the issue"),
        pytest.param(ISSUE, ValidityState.ACTIVE, id="exactly at the issue"),
        pytest.param(SUMMER - MICROSECOND, ValidityState.ACTIVE, id="before the revocation"),
        pytest.param(SUMMER, ValidityState.REVOKED, id="exactly at the revocation"),
        pytest.param(LATER, ValidityState.REVOKED, id="ever after"),
    ],
)
def test_an_event_counts_from_its_own_instant_on(as_of: datetime, state: ValidityState) -> None:
    assert state_at(log(ISSUED, Revoked(at=SUMMER, reason=None)), as_of) is state


def test_a_moment_before_everything_has_no_credential() -> None:
    moment = credential_at(log(ISSUED), as_of=ISSUE - MICROSECOND, policies=BOOK)

    assert moment == Moment(as_of=ISSUE - MICROSECOND, credential=None, version=0, position=0)


def test_a_moment_says_which_event_it_was_folded_from() -> None:
    before = log(issued_under(USE_D), stream=OTHER_CREDENTIAL)
    history = log(ISSUED, Suspended(at=SUMMER, reason=None), after=before)[1:]

    found = credential_at(history, as_of=LATER, policies=BOOK)
    assert (found.version, found.position) == (2, 3)
    found = credential_at(history, as_of=ISSUE, policies=BOOK)
    assert (found.version, found.position) == (1, 2)


def test_events_of_other_aggregates_are_left_out() -> None:
    enrolled = customer.Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)

    assert credential_at(log(enrolled), as_of=LATER, policies=BOOK).credential is None


# --- The clock decides, whether or not anybody has written it down.

COUNTED = used(AUTUMN_2025)
TWO_MORE_YEARS = by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=END - MICROSECOND)
RENEWED = AutoRenewed(at=END, policy=CLOCK_X.ref, cause=RenewalCause.EXPIRY, bounds=TWO_MORE_YEARS)


@pytest.mark.parametrize("as_of", [END - MICROSECOND, END, LATER], ids=["before the end", "at the end", "long after"])
def test_a_lapse_that_nobody_recorded_is_told_as_one_that_is(as_of: datetime) -> None:
    recorded = Expired(at=END, policy=USE_D.ref, grace_until=END)

    silent = credential_at(log(ISSUED), as_of=as_of, policies=BOOK)
    written = credential_at(log(ISSUED, recorded), as_of=as_of, policies=BOOK)
    assert silent.credential == written.credential


def test_a_lapse_is_at_the_end_exactly() -> None:
    assert state_at(log(ISSUED), END - MICROSECOND) is ValidityState.ACTIVE
    assert state_at(log(ISSUED), END) is ValidityState.EXPIRED


@pytest.mark.parametrize("written", [(), (RENEWED,)], ids=["nobody recorded it", "recorded"])
def test_a_renewal_by_the_clock_is_told(written: tuple[AutoRenewed, ...]) -> None:
    history = log(issued_under(CLOCK_X), COUNTED, *written)
    found = credential_at(history, as_of=kst("2027-01-01"), policies=BOOK)

    assert found.credential is not None
    assert found.credential.term.renewals == 1
    assert found.credential.expires_at == kst("2028-03-16")


def test_what_time_decided_adds_to_what_was_recorded() -> None:
    again = used(kst("2027-10-01"))
    found = credential_at(log(issued_under(CLOCK_X), COUNTED, RENEWED, again), as_of=LATER, policies=BOOK)

    assert found.credential is not None
    assert found.credential.term.renewals == 2
    assert (found.version, found.position) == (4, 4)


def test_a_renewal_on_request_is_told() -> None:
    at = kst("2026-03-01")
    renewed = Renewed(at=at, policy=REQUEST_R.ref, bounds=by_renewal(kst("2028-03-02"), None, base=at))

    found = credential_at(log(issued_under(REQUEST_R), renewed), as_of=END, policies=BOOK)
    assert found.credential is not None
    assert found.credential.term.bounds == renewed.bounds


def test_asking_records_nothing() -> None:
    history = log(ISSUED)
    before = list(history)

    credential_at(history, as_of=LATER, policies=BOOK)
    assert history == before


# --- Applications.


def test_until_the_issue_there_is_an_application() -> None:
    history = log(*APPLYING, ISSUED)
    before, after = (credential_at(history, as_of=at, policies=BOOK) for at in (ISSUE - MICROSECOND, ISSUE))

    assert (before.credential, before.application) == (None, application_after(*APPLYING))
    assert (after.credential, after.application) == (credential_after(ISSUED), None)


def test_an_application_whose_time_is_over_is_given_up_whether_or_not_anybody_noticed() -> None:
    found = credential_at(log(*APPLYING), as_of=OPEN_UNTIL, policies=BOOK).application

    assert found is not None
    assert (found.ended_at, found.rejected) == (OPEN_UNTIL, False)
