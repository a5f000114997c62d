"""Which notices are due at a moment, and which were sent?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain import customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import AutoRenewed, ExpiryNoticeSent, Issued, RenewalNoticeSent, Revoked, Suspended
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderSubkind, Kind, RenewalCause
from sealbook.projections.notices import Notice, NoticeOf, notices
from tests.domain.examples import (
    AUTUMN_2025,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_G,
    ISSUE,
    KINDS,
    NEVER_NV,
    PERSON,
    REQUEST_R,
    USE_D,
    book_with,
    by_renewal,
    document,
    issued_under,
    kst,
)
from tests.projections.records import CREDENTIAL, ledger

WARNED_D = document("WD", notice_lead="P1M")
WARNED_X = document("WX", renew_on="expiry", notice_lead="P35D")
A_MONTH, A_WEEK, A_DAY = kst("2026-02-14"), kst("2026-03-09"), kst("2026-03-15")
"""Thirty days, seven and one before the end."""
A_MONTH_BEFORE_ELIGIBLE = kst("2025-02-16")
ENROLLED = customer.Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
OPENED = customer.CredentialOpened(at=ISSUE, credential=CREDENTIAL, kind=Kind.KB_MOBILE_CERTIFICATE)
CLOSED = customer.CredentialClosed(at=ISSUE, credential=CREDENTIAL)


def answer(
    policy: RenewalPolicy,
    *history: Event,
    as_of: datetime,
    holder: Sequence[Event] = (ENROLLED, OPENED),
    kinds: KindBook = KINDS,
    issued: Issued | None = None,
) -> list[Notice]:
    log = ledger({PERSON: holder, CREDENTIAL: [issued or issued_under(policy), *history]})
    return notices(log, as_of=as_of, policies=book_with(policy), kinds=kinds)


def due(policy: RenewalPolicy, *history: Event, as_of: datetime) -> list[tuple[NoticeOf, str | None]]:
    return [(each.notice, each.lead) for each in answer(policy, *history, as_of=as_of) if each.due_at is not None]


def sent(lead: str, at: datetime) -> ExpiryNoticeSent:
    return ExpiryNoticeSent(at=at, expires_at=END, lead=lead)


def renewal_sent(at: datetime = A_MONTH_BEFORE_ELIGIBLE) -> RenewalNoticeSent:
    return RenewalNoticeSent(at=at, planned_at=ELIGIBLE)


def test_a_notice_of_the_end_is_told_in_full() -> None:
    assert answer(USE_D, as_of=A_MONTH) == [
        Notice(
            credential=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            notice=NoticeOf.EXPIRY,
            lead="P30D",
            about=END,
            due_at=A_MONTH,
            sent_at=None,
        )
    ]


@pytest.mark.parametrize(
    ("as_of", "leads"),
    [
        (A_MONTH - MICROSECOND, []),
        (A_MONTH, ["P30D"]),
        (A_WEEK - MICROSECOND, ["P30D"]),
        (A_WEEK, ["P7D"]),
        (A_DAY, ["P1D"]),
        (END - MICROSECOND, ["P1D"]),
        (END, []),
    ],
)
def test_the_latest_notice_of_the_end_is_due(as_of: datetime, leads: list[str]) -> None:
    assert due(USE_D, as_of=as_of) == [(NoticeOf.EXPIRY, lead) for lead in leads]


def test_what_was_sent_is_not_due_again() -> None:
    found = answer(USE_D, sent("P30D", A_MONTH), as_of=A_WEEK - MICROSECOND)

    assert [(each.lead, each.due_at, each.sent_at) for each in found] == [("P30D", None, A_MONTH)]
    assert due(USE_D, sent("P30D", A_MONTH), as_of=A_WEEK) == [(NoticeOf.EXPIRY, "P7D")]


def test_a_period_shorter_than_its_lead_has_no_such_notice() -> None:
    short = document("S", validity="P10D", renew_on="never", eligible_after=None)

    assert due(short, as_of=ISSUE) == []
    assert due(short, as_of=kst("2024-03-19")) == [(NoticeOf.EXPIRY, "P7D")]


def test_a_renewal_begins_notices_anew() -> None:
    renewed = AutoRenewed(
        at=AUTUMN_2025,
        policy=USE_D.ref,
        cause=RenewalCause.USE,
        bounds=by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025),
    )

    assert due(USE_D, renewed, as_of=A_MONTH) == []
    assert due(USE_D, sent("P30D", A_MONTH), renewed, as_of=kst("2027-09-02")) == [(NoticeOf.EXPIRY, "P30D")]


# --- Of a renewal


@pytest.mark.parametrize(
    ("as_of", "is_due"),
    [
        (A_MONTH_BEFORE_ELIGIBLE - MICROSECOND, False),
        (A_MONTH_BEFORE_ELIGIBLE, True),
        (ELIGIBLE - MICROSECOND, True),
        (ELIGIBLE, False),
    ],
)
def test_of_a_renewal_by_use_the_notice_comes_before_it_is_possible(as_of: datetime, is_due: bool) -> None:
    found = answer(WARNED_D, as_of=as_of)

    assert [(each.notice, each.lead, each.about, each.due_at) for each in found] == (
        [(NoticeOf.RENEWAL, "P1M", ELIGIBLE, A_MONTH_BEFORE_ELIGIBLE)] if is_due else []
    )


def test_of_a_renewal_by_the_clock_the_notice_comes_before_the_end() -> None:
    before = kst("2026-02-09")

    assert due(WARNED_X, as_of=before - MICROSECOND) == []
    assert due(WARNED_X, as_of=before) == [(NoticeOf.RENEWAL, "P35D")]
    assert due(WARNED_X, as_of=A_MONTH) == [(NoticeOf.RENEWAL, "P35D"), (NoticeOf.EXPIRY, "P30D")]


def test_of_a_renewal_there_is_one_notice_a_period() -> None:
    found = answer(WARNED_D, renewal_sent(), as_of=ELIGIBLE - MICROSECOND)

    assert [(each.notice, each.lead, each.about, each.due_at, each.sent_at) for each in found] == [
        (NoticeOf.RENEWAL, None, ELIGIBLE, None, A_MONTH_BEFORE_ELIGIBLE)
    ]


def test_a_lead_that_reaches_back_before_the_period_begins_with_it() -> None:
    found = answer(document("W3", notice_lead="P3Y"), as_of=ISSUE)

    assert [(each.notice, each.due_at) for each in found] == [(NoticeOf.RENEWAL, ISSUE)]


@pytest.mark.parametrize("policy", [USE_D, REQUEST_R, NEVER_NV, document("WN", renew_on="never", notice_lead="P1M")])
def test_without_a_lead_or_a_renewal_by_itself_there_is_no_such_notice(policy: RenewalPolicy) -> None:
    assert [notice for notice, _ in due(policy, as_of=END - MICROSECOND)] == [NoticeOf.EXPIRY]


# --- Who gets none


def test_without_an_end_nothing_is_due() -> None:
    assert answer(FOREVER_N, as_of=END) == []
    assert answer(document("WF", renew_on="use", notice_lead="P1M"), as_of=A_MONTH_BEFORE_ELIGIBLE) != []


def test_a_plan_without_a_moment_has_no_notice() -> None:
    # A switch may leave a credential with bounds that have no eligible moment.
    issued = replace(issued_under(FOREVER_N), policy=WARNED_D.ref)

    assert answer(WARNED_D, as_of=END, issued=issued) == []


@pytest.mark.parametrize(
    ("policy", "history", "as_of"),
    [
        (USE_D, (Revoked(at=AUTUMN_2025, reason=None),), A_MONTH),
        (GRACE_G, (), END),
    ],
    ids=["revoked", "in its grace"],
)
def test_of_what_has_ended_nothing_is_due(policy: RenewalPolicy, history: tuple[Event, ...], as_of: datetime) -> None:
    assert due(policy, *history, as_of=as_of) == []


def test_who_is_held_is_told_all_the_same() -> None:
    assert due(USE_D, Suspended(at=AUTUMN_2025, reason=None), as_of=A_MONTH) == [(NoticeOf.EXPIRY, "P30D")]


def test_of_what_the_customer_no_longer_holds_nothing_is_due() -> None:
    assert answer(USE_D, as_of=A_MONTH, holder=(ENROLLED, OPENED, CLOSED)) == []


def test_of_a_kind_that_is_no_longer_issued_no_end_is_announced() -> None:
    found = answer(WARNED_X, as_of=A_MONTH, kinds=replace(KINDS, kinds={}))

    assert [each.notice for each in found] == [NoticeOf.RENEWAL]


def test_a_notice_that_was_sent_later_is_not_told() -> None:
    assert answer(USE_D, sent("P30D", A_MONTH), as_of=A_MONTH - MICROSECOND) == []
