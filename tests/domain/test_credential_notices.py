"""Notices before an end or a renewal, once a period; consent and objection."""

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    Command,
    ConsentToRenewal,
    Event,
    ExpiryNoticeSent,
    Locked,
    ObjectToRenewal,
    PolicySwitched,
    RenewalConsentGiven,
    RenewalNoticeSent,
    RenewalObjectionLodged,
    ResetRequired,
    Revoked,
    SendExpiryNotice,
    SendRenewalNotice,
    Suspended,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause, SwitchMode
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    LAST_INSTANT,
    SUMMER,
    USE_D,
    WINTER_2026,
    book_with,
    by_renewal,
    credential_after,
    document,
    expired,
    issued_under,
    kst,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
A_MONTH, A_WEEK, A_DAY = "P30D", "P7D", "P1D"
TOLD_OF_THE_END = ExpiryNoticeSent(at=WINTER_2026, expires_at=END, lead=A_MONTH)
TOLD_OF_THE_RENEWAL = RenewalNoticeSent(at=WINTER_2026, planned_at=END)
CONSENTED = RenewalConsentGiven(at=WINTER_2026, evidence="letter 7")
RENEWED = AutoRenewed(
    at=END,
    policy=USE_D.ref,
    cause=RenewalCause.EXPIRY,
    bounds=by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=LAST_INSTANT),
)


# --- Notices.


def test_a_notice_says_when_the_credential_ends() -> None:
    given(ISSUED, policies=BOOK).when(SendExpiryNotice(at=WINTER_2026, lead=A_MONTH)).then(TOLD_OF_THE_END)


def test_a_notice_is_sent_once_a_period() -> None:
    given(ISSUED, TOLD_OF_THE_END, policies=BOOK).when(SendExpiryNotice(at=LAST_INSTANT, lead=A_MONTH)).then()


@pytest.mark.parametrize("lead", [A_WEEK, A_DAY])
def test_each_lead_has_a_notice_of_its_own(lead: str) -> None:
    given(ISSUED, TOLD_OF_THE_END, policies=BOOK).when(SendExpiryNotice(at=LAST_INSTANT, lead=lead)).then(
        ExpiryNoticeSent(at=LAST_INSTANT, expires_at=END, lead=lead)
    )


def test_the_notices_sent_are_known_in_order() -> None:
    second = ExpiryNoticeSent(at=LAST_INSTANT, expires_at=END, lead=A_WEEK)

    assert credential_after(ISSUED, TOLD_OF_THE_END, second).term.notices == (A_MONTH, A_WEEK)


def test_what_has_no_end_needs_no_notice_of_it() -> None:
    given(issued_under(FOREVER_N), policies=BOOK).when(SendExpiryNotice(at=WINTER_2026, lead=A_MONTH)).then()


def test_a_notice_says_from_when_on_it_may_renew() -> None:
    given(ISSUED, policies=BOOK).when(SendRenewalNotice(at=WINTER_2026, planned_at=END)).then(TOLD_OF_THE_RENEWAL)
    assert credential_after(ISSUED, TOLD_OF_THE_RENEWAL).term.notified_at == WINTER_2026


def test_a_renewal_is_told_of_once_a_period() -> None:
    given(ISSUED, TOLD_OF_THE_RENEWAL, policies=BOOK).when(SendRenewalNotice(at=LAST_INSTANT, planned_at=END)).then()


# --- Consent.


def test_consent_refers_to_what_the_holder_signed() -> None:
    given(ISSUED, policies=BOOK).when(ConsentToRenewal(at=WINTER_2026, evidence="letter 7")).then(CONSENTED)
    assert credential_after(ISSUED, CONSENTED).term.consented


@pytest.mark.parametrize("evidence", [None, ""])
def test_consent_without_a_signature_is_none(evidence: str | None) -> None:
    given(ISSUED, policies=BOOK).when(ConsentToRenewal(at=WINTER_2026, evidence=evidence)).then_refused(
        Refusal.EVIDENCE
    )


@pytest.mark.parametrize("evidence", [None, "letter 8"])
def test_consenting_again_does_nothing(evidence: str | None) -> None:
    given(ISSUED, CONSENTED, policies=BOOK).when(ConsentToRenewal(at=LAST_INSTANT, evidence=evidence)).then()


def test_with_a_renewal_notices_and_consent_begin_anew() -> None:
    said = (TOLD_OF_THE_END, TOLD_OF_THE_RENEWAL, CONSENTED)

    assert credential_after(ISSUED, *said, RENEWED) == credential_after(ISSUED, RENEWED)


@pytest.mark.parametrize("mode", [SwitchMode.RESTART, SwitchMode.RECOMPUTE])
def test_with_a_switch_that_moves_the_end_notices_begin_anew(mode: SwitchMode) -> None:
    switch = PolicySwitched(at=WINTER_2026, policy=GRACE_G.ref, mode=mode, automatic=False, bounds=RENEWED.bounds)
    said = (TOLD_OF_THE_END, TOLD_OF_THE_RENEWAL)

    assert credential_after(ISSUED, *said, switch) == credential_after(ISSUED, switch)
    assert credential_after(ISSUED, *said, switch).term.notices == ()


# --- An objection, for as long as the policy says after the notice.

TWENTY_DAYS = document("L", renew_on="expiry", objection="P20D")
NOTIFIED = (issued_under(TWENTY_DAYS), TOLD_OF_THE_RENEWAL)
UNTIL = kst("2026-01-30T12:00")
BOOK_L = book_with(TWENTY_DAYS)


def test_an_objection_is_taken_for_twenty_days_after_the_notice() -> None:
    last = UNTIL - MICROSECOND

    given(*NOTIFIED, policies=BOOK_L).when(ObjectToRenewal(at=last)).then(RenewalObjectionLodged(at=last))
    given(*NOTIFIED, policies=BOOK_L).when(ObjectToRenewal(at=UNTIL)).then_refused(Refusal.TOO_LATE)


def test_before_a_notice_an_objection_is_always_in_time() -> None:
    given(NOTIFIED[0], policies=BOOK_L).when(ObjectToRenewal(at=LAST_INSTANT)).then(
        RenewalObjectionLodged(at=LAST_INSTANT)
    )


def test_without_a_period_an_objection_is_always_in_time() -> None:
    given(ISSUED, TOLD_OF_THE_RENEWAL, policies=BOOK).when(ObjectToRenewal(at=LAST_INSTANT)).then(
        RenewalObjectionLodged(at=LAST_INSTANT)
    )


def test_objecting_again_does_nothing_even_when_it_is_late() -> None:
    given(*NOTIFIED, RenewalObjectionLodged(at=WINTER_2026), policies=BOOK_L).when(ObjectToRenewal(at=UNTIL)).then()


def test_the_period_of_an_objection_is_counted_in_the_zone_of_the_policy() -> None:
    """From 20 February in New York, a month of wall time has an hour less: the clocks go forward on 8 March."""
    new_york = document("NY", renew_on="expiry", objection="P1M", zone="America/New_York")
    notified = RenewalNoticeSent(at=kst("2026-02-20T12:00"), planned_at=END)
    until = kst("2026-03-20T11:00")
    history, book = (issued_under(new_york, at=AUTUMN_2025), notified), book_with(new_york)

    given(*history, policies=book).when(ObjectToRenewal(at=until)).then_refused(Refusal.TOO_LATE)
    given(*history, policies=book).when(ObjectToRenewal(at=until - MICROSECOND)).then(
        RenewalObjectionLodged(at=until - MICROSECOND)
    )


def test_a_history_tells_of_an_objection_whenever_it_came() -> None:
    given(*NOTIFIED, policies=BOOK_L).when(Adopt(fact=ObjectToRenewal(at=UNTIL))).then(RenewalObjectionLodged(at=UNTIL))


# --- When.

COMMANDS: list[Command] = [
    SendExpiryNotice(at=APRIL_2026, lead=A_MONTH),
    SendRenewalNotice(at=APRIL_2026, planned_at=APRIL_2026),
    ConsentToRenewal(at=APRIL_2026, evidence="letter 7"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (expired(GRACE_G, grace_until=GRACE_END), Refusal.EXPIRED),
        (expired(GRACE_G, grace_until=APRIL_2026), Refusal.ALREADY_FINAL),
        (Revoked(at=SUMMER, reason=None), Refusal.ALREADY_FINAL),
    ],
    ids=["in its grace", "lapsed", "revoked"],
)
def test_after_the_end_nobody_is_told_and_nobody_consents(command: Command, end: Event, reason: Refusal) -> None:
    given(issued_under(FOREVER_N), end, policies=BOOK).when(command).then_refused(reason)


@pytest.mark.parametrize(
    "since",
    [Suspended(at=SUMMER, reason=None), Locked(at=SUMMER, for_good=False), ResetRequired(at=SUMMER)],
    ids=lambda event: type(event).__name__,
)
def test_the_holder_is_told_whatever_else_stands(since: Event) -> None:
    given(ISSUED, since, policies=BOOK).when(SendExpiryNotice(at=WINTER_2026, lead=A_MONTH)).then(TOLD_OF_THE_END)


@pytest.mark.parametrize(
    "event", [TOLD_OF_THE_END, TOLD_OF_THE_RENEWAL, CONSENTED], ids=lambda event: type(event).__name__
)
def test_notices_and_consent_are_duties_of_the_live_system(event: Event) -> None:
    assert fact_of(event) is None
