"""On what basis was each credential renewed without an application, or why was there none?"""

from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event, RecordedEvent
from sealbook.domain.credential import (
    AutoRenewed,
    RenewalConsentGiven,
    RenewalNoticeSent,
    RenewalObjectionLodged,
    Renewed,
    Suspended,
)
from sealbook.domain.values import Kind, RenewalCause
from sealbook.projections.lawful_renewals import Basis, JudgedRenewal, Lack, judged_renewals
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    ISSUE,
    LATER,
    PERSON,
    REQUEST_R,
    SUMMER,
    USE_D,
    by_renewal,
    issued_under,
    kst,
    used,
)
from tests.projections.records import CREDENTIAL, learned, log

RENEWED_AT = AUTUMN_2025
A_MONTH_BEFORE = kst("2025-09-01T12:00")
HALF_A_YEAR_BEFORE = kst("2025-04-01T12:00")
RENEWED = AutoRenewed(
    at=RENEWED_AT,
    policy=USE_D.ref,
    cause=RenewalCause.USE,
    bounds=by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=RENEWED_AT),
)
BY_THE_CLOCK = AutoRenewed(
    at=END,
    policy=CLOCK_X.ref,
    cause=RenewalCause.EXPIRY,
    bounds=by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=END),
)

History = Event | tuple[Event, datetime]


def notice(at: datetime = A_MONTH_BEFORE) -> RenewalNoticeSent:
    return RenewalNoticeSent(at=at, planned_at=RENEWED_AT)


def consent(at: datetime = SUMMER) -> RenewalConsentGiven:
    return RenewalConsentGiven(at=at, evidence="consent-1")


def objection(at: datetime = A_MONTH_BEFORE) -> RenewalObjectionLodged:
    return RenewalObjectionLodged(at=at)


def judged(*history: History, as_of: datetime = RENEWED_AT) -> list[JudgedRenewal]:
    return judged_renewals(log(issued_under(USE_D), *history), as_of=as_of, policies=BOOK)


def judgement(*history: History) -> tuple[Basis | None, Lack | None]:
    (found,) = judged(*history)
    return found.basis, found.lacks


def test_a_renewal_after_a_notice_is_told_in_full() -> None:
    assert judged(notice(), used(RENEWED_AT), RENEWED) == [
        JudgedRenewal(
            credential=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            renewed_at=RENEWED_AT,
            recorded_at=RENEWED_AT,
            cause=RenewalCause.USE,
            policy=USE_D.ref,
            used_at=RENEWED_AT,
            notified_at=A_MONTH_BEFORE,
            consented_at=None,
            objected_at=None,
            basis=Basis.NOTICE,
            lacks=None,
        )
    ]


USE = used(RENEWED_AT)


@pytest.mark.parametrize(
    ("history", "basis", "lacks"),
    [
        pytest.param((notice(), USE), Basis.NOTICE, None, id="notified a month before, and used"),
        pytest.param((USE,), None, Lack.NO_NOTICE, id="not notified"),
        pytest.param((notice(A_MONTH_BEFORE + MICROSECOND), USE), None, Lack.LATE_NOTICE, id="notified too late"),
        pytest.param((notice(), objection(), USE), None, Lack.OBJECTED, id="objected to"),
        pytest.param((notice(), used(HALF_A_YEAR_BEFORE)), Basis.NOTICE, None, id="used six months before"),
        pytest.param((notice(), used(HALF_A_YEAR_BEFORE - MICROSECOND)), None, Lack.NO_CONSENT, id="used longer ago"),
        pytest.param((notice(),), None, Lack.NO_CONSENT, id="never used"),
        pytest.param((consent(),), Basis.CONSENT, None, id="consented to, though never used"),
        pytest.param((consent(), USE), Basis.CONSENT, None, id="consented to, without a notice"),
        pytest.param((consent(), objection(), USE), None, Lack.OBJECTED, id="consented and objected to"),
        pytest.param((notice(), used(RENEWED_AT, qualifies=False)), Basis.NOTICE, None, id="used at the web"),
    ],
)
def test_a_renewal_has_a_basis_or_lacks_one(
    history: tuple[Event, ...], basis: Basis | None, lacks: Lack | None
) -> None:
    assert judgement(*history, RENEWED) == (basis, lacks)


def test_what_the_ledger_learned_after_the_renewal_counts_from_its_own_moment() -> None:
    assert judgement(notice(), USE, RENEWED, learned(objection(), LATER)) == (None, Lack.OBJECTED)
    assert judgement(USE, RENEWED, learned(notice(), LATER)) == (Basis.NOTICE, None)


def test_a_notice_of_another_period_is_no_notice_of_this_one() -> None:
    before, again = kst("2024-05-01"), kst("2025-10-02")
    earlier = Renewed(at=SUMMER, policy=REQUEST_R.ref, bounds=RENEWED.bounds)

    assert judgement(notice(before), earlier, USE, RENEWED) == (None, Lack.NO_NOTICE)
    assert judged(USE, RENEWED, notice(again), as_of=LATER)[0].lacks is Lack.NO_NOTICE


def test_each_renewal_is_judged_by_itself() -> None:
    second = AutoRenewed(
        at=kst("2026-11-01T12:00"),
        policy=USE_D.ref,
        cause=RenewalCause.USE,
        bounds=by_renewal(kst("2028-11-02"), kst("2027-11-02"), base=kst("2026-11-01T12:00")),
    )
    found = judged(notice(), USE, RENEWED, used(second.at), second, as_of=second.at)

    assert [(each.renewed_at, each.basis, each.lacks) for each in found] == [
        (RENEWED_AT, Basis.NOTICE, None),
        (second.at, None, Lack.NO_NOTICE),
    ]


def test_a_renewal_at_the_very_issue_has_no_notice() -> None:
    at_once = AutoRenewed(at=ISSUE, policy=USE_D.ref, cause=RenewalCause.USE, bounds=RENEWED.bounds)

    assert judgement(used(ISSUE), at_once) == (None, Lack.NO_NOTICE)


def test_a_renewal_on_request_needs_no_basis() -> None:
    assert judged(Renewed(at=SUMMER, policy=REQUEST_R.ref, bounds=RENEWED.bounds)) == []


def test_what_came_after_the_moment_is_not_judged() -> None:
    assert judged(USE, RENEWED, as_of=RENEWED_AT - MICROSECOND) == []


# --- By the clock


def by_the_clock(*history: Event, as_of: datetime) -> list[JudgedRenewal]:
    recorded: list[RecordedEvent] = log(issued_under(CLOCK_X), *history)
    return judged_renewals(recorded, as_of=as_of, policies=BOOK)


def test_a_renewal_that_nobody_recorded_is_judged_like_one_that_is() -> None:
    history = (used(RENEWED_AT), notice(kst("2026-02-01")))
    (silent,) = by_the_clock(*history, as_of=END)
    (written,) = by_the_clock(*history, BY_THE_CLOCK, as_of=END)

    assert (silent.basis, silent.cause, silent.recorded_at) == (Basis.NOTICE, RenewalCause.EXPIRY, None)
    assert (written.basis, written.cause, written.recorded_at) == (Basis.NOTICE, RenewalCause.EXPIRY, END)


def test_what_had_not_been_used_for_half_a_year_needed_consent() -> None:
    (found,) = by_the_clock(used(kst("2025-08-01")), notice(kst("2026-02-01")), as_of=END)

    assert (found.basis, found.lacks, found.used_at) == (None, Lack.NO_CONSENT, kst("2025-08-01"))


@pytest.mark.parametrize(
    ("history", "as_of"),
    [
        ((used(RENEWED_AT),), END - MICROSECOND),
        ((), LATER),
        ((used(RENEWED_AT), Suspended(at=SUMMER, reason=None)), END),
    ],
    ids=["not yet", "not earned", "held"],
)
def test_what_was_not_renewed_is_not_judged(history: tuple[Event, ...], as_of: datetime) -> None:
    assert by_the_clock(*history, as_of=as_of) == []
