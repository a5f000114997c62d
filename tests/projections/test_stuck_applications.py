"""Which applications are stuck, at which step, and how long have they left?"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    ApplicationAbandoned,
    Applied,
    EscalatedToSupport,
    FeeCharged,
    FeeFailed,
    FeeFor,
    IdCaptureRejected,
    IdRefused,
    StepRetried,
)
from sealbook.domain.kind_document import KindBook
from sealbook.domain.values import CaptureFault, IdDocument, Kind, Step
from sealbook.projections.states import settled, states_at
from sealbook.projections.stuck_applications import StuckApplication, stuck_applications
from tests.domain.applications import (
    APPLIED,
    APPLIED_AT,
    APPLYING,
    CAPTURED,
    FEE_DUE,
    OPEN_UNTIL,
    PHONE_DONE,
    failures,
    minute,
)
from tests.domain.examples import BOOK, KINDS, PERSON, USE_D, issued_under
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, ledger

NINE_MINUTES_ON = minute(9)
TURNED_TO_SUPPORT = EscalatedToSupport(at=minute(5), step=Step.PHONE, help_url="https://bank.example/help")


def stuck(*history: Event, as_of: datetime = NINE_MINUTES_ON, kinds: KindBook = KINDS) -> list[StuckApplication]:
    states = settled(states_at(ledger({CREDENTIAL: history}), as_of=as_of), BOOK)
    return stuck_applications(states, kinds)


def one(*history: Event, as_of: datetime = NINE_MINUTES_ON, kinds: KindBook = KINDS) -> StuckApplication:
    (found,) = stuck(*history, as_of=as_of, kinds=kinds)
    return found


def test_an_application_that_inaccurate_input_holds_up_is_told_in_full() -> None:
    assert stuck(*APPLYING, *failures(Step.PHONE, count=2)) == [
        StuckApplication(
            application=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            applied_at=APPLIED_AT,
            waits_at=Step.PHONE,
            failures=2,
            attempts_left=3,
            awaiting_issuer=False,
            fee_open=False,
            escalated=False,
            open_until=OPEN_UNTIL,
            hours_left=7 * 24 - 1,
        )
    ]


def test_a_blurred_photo_counts_as_a_failure() -> None:
    blurred = IdCaptureRejected(at=minute(2), document=IdDocument.PASSPORT, fault=CaptureFault.BLURRED, attempt=1)
    found = one(*PHONE_DONE, blurred)

    assert (found.waits_at, found.failures, found.attempts_left) == (Step.ID_DOCUMENT, 1, 4)


def test_without_an_attempt_left_support_has_to_help() -> None:
    tried = (*APPLYING, *failures(Step.PHONE, count=5))
    before, after = one(*tried), one(*tried, TURNED_TO_SUPPORT)

    assert (before.attempts_left, before.escalated) == (0, False)
    assert (after.attempts_left, after.escalated) == (0, True)
    retried = one(*tried, TURNED_TO_SUPPORT, StepRetried(at=minute(6), step=Step.PHONE))
    assert (retried.failures, retried.attempts_left, retried.escalated) == (0, 5, False)


def test_a_document_may_await_its_issuers_answer() -> None:
    assert one(*PHONE_DONE, CAPTURED).awaiting_issuer
    answered = one(*PHONE_DONE, CAPTURED, IdRefused(at=minute(3), request="request-1", attempt=1))
    assert (answered.awaiting_issuer, answered.failures) == (False, 1)


def test_a_fee_may_be_open() -> None:
    failed = FeeFailed(at=minute(5), what=FeeFor.ISSUE, amount_krw=4_400, fee_version=1)
    paid = FeeCharged(at=minute(6), what=FeeFor.ISSUE, amount_krw=4_400, fee_version=1, receipt="receipt-1")

    assert (one(*FEE_DUE).waits_at, one(*FEE_DUE).fee_open) == (Step.FEE, False)
    assert one(*FEE_DUE, failed).fee_open
    assert (one(*FEE_DUE, failed, paid).waits_at, one(*FEE_DUE, failed, paid).fee_open) == (Step.KEY, False)


@pytest.mark.parametrize(
    ("left", "hours"),
    [(MICROSECOND, 0), (timedelta(minutes=59), 0), (timedelta(hours=1), 1), (timedelta(hours=30), 30)],
)
def test_the_time_left_is_told_in_whole_hours(left: timedelta, hours: int) -> None:
    assert one(*APPLYING, as_of=OPEN_UNTIL - left).hours_left == hours


@pytest.mark.parametrize(
    ("history", "as_of"),
    [
        (APPLYING, APPLIED_AT - MICROSECOND),
        (APPLYING, OPEN_UNTIL),
        ((*APPLYING, ApplicationAbandoned(at=minute(5), timed_out=False)), minute(9)),
        ((*APPLYING, issued_under(USE_D, at=minute(6))), minute(9)),
    ],
    ids=["not applied yet", "its time is over", "given up", "issued"],
)
def test_what_is_not_open_is_not_stuck(history: tuple[Event, ...], as_of: datetime) -> None:
    assert stuck(*history, as_of=as_of) == []


def test_the_least_time_left_comes_first() -> None:
    assert isinstance(APPLIED, Applied)
    later = replace(APPLIED, open_until=OPEN_UNTIL + timedelta(days=1))
    log = ledger({OTHER_CREDENTIAL: [later], CREDENTIAL: APPLYING})
    found = stuck_applications(settled(states_at(log, as_of=minute(9)), BOOK), KINDS)

    assert [each.application for each in found] == [CREDENTIAL, OTHER_CREDENTIAL]


def test_of_a_kind_that_is_no_longer_issued_no_attempts_are_told() -> None:
    assert one(*APPLYING, kinds=replace(KINDS, kinds={})).attempts_left is None
