"""Erasure: the last thing, once the records need not be kept any longer."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND, Period
from sealbook.domain.credential import (
    AutoRenewed,
    Erase,
    Event,
    PersonalDataErased,
    Revoked,
    Suspended,
    Use,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause
from tests.domain.examples import (
    APRIL_2026,
    BOOK,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    KINDS,
    LATER,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    expired,
    issued_under,
    kst,
    refused,
    used,
)
from tests.scenario import given

ISSUED, IN_GRACE, ENDLESS = issued_under(USE_D), issued_under(GRACE_G), issued_under(FOREVER_N)
REVOKED = Revoked(at=SUMMER, reason=None)
LAPSED_INTO_GRACE = expired(GRACE_G, grace_until=GRACE_END)
REVOKED_IN_GRACE = Revoked(at=APRIL_2026, reason=None)
BASIS = "retention over"


def erased(at: datetime) -> PersonalDataErased:
    return PersonalDataErased(at=at, basis=BASIS)


@pytest.mark.parametrize(
    ("history", "from_when"),
    [
        pytest.param((ENDLESS, REVOKED), kst("2029-07-01T09:00"), id="a revocation"),
        pytest.param((ISSUED, expired(USE_D)), kst("2031-03-16"), id="a lapse"),
        pytest.param((IN_GRACE, LAPSED_INTO_GRACE), kst("2031-04-15"), id="the end of a grace"),
        pytest.param((IN_GRACE, LAPSED_INTO_GRACE, REVOKED_IN_GRACE), kst("2031-04-01T12:00"), id="one in the grace"),
    ],
)
def test_five_years_after_the_end_personal_data_is_erased(history: tuple[Event, ...], from_when: datetime) -> None:
    too_soon = Erase(at=from_when - MICROSECOND, basis=BASIS)

    given(*history, policies=BOOK).when(Erase(at=from_when, basis=BASIS)).then(erased(from_when))
    given(*history, policies=BOOK).when(too_soon).then_refused(Refusal.RETENTION)


def test_the_bank_says_how_long_records_are_kept() -> None:
    kinds = replace(KINDS, bank=KINDS.bank.model_copy(update={"retention": Period.parse("P1Y")}))

    given(ENDLESS, REVOKED, policies=BOOK, kinds=kinds).when(Erase(at=kst("2025-07-01T09:00"), basis=BASIS)).then(
        erased(kst("2025-07-01T09:00"))
    )


@pytest.mark.parametrize("history", [(), (Suspended(at=SUMMER, reason=None),)], ids=["active", "suspended"])
def test_what_has_not_ended_is_not_erased(history: tuple[Event, ...]) -> None:
    given(ENDLESS, *history, policies=BOOK).when(Erase(at=kst("2060-01-01"), basis=BASIS)).then_refused(
        Refusal.RETENTION
    )


def test_what_a_use_brought_back_is_not_erased() -> None:
    bounds = by_renewal(kst("2060-01-01"), None, base=APRIL_2026)
    back = AutoRenewed(at=APRIL_2026, policy=GRACE_G.ref, cause=RenewalCause.GRACE, bounds=bounds)

    given(IN_GRACE, LAPSED_INTO_GRACE, used(APRIL_2026), back, policies=BOOK).when(
        Erase(at=kst("2040-01-01"), basis=BASIS)
    ).then_refused(Refusal.RETENTION)


def test_the_clock_decides_before_an_erasure() -> None:
    given(ISSUED, policies=BOOK).when(Erase(at=kst("2031-03-16"), basis=BASIS)).then(
        expired(USE_D), erased(kst("2031-03-16"))
    )


def test_erasing_again_does_nothing() -> None:
    given(ENDLESS, REVOKED, erased(LATER), policies=BOOK).when(Erase(at=LATER, basis=BASIS)).then()


def test_an_erasure_leaves_what_is_no_personal_data() -> None:
    assert credential_after(ENDLESS, REVOKED, erased(LATER)) == replace(credential_after(ENDLESS, REVOKED), erased=True)


def test_after_an_erasure_a_use_is_refused_as_before() -> None:
    given(ENDLESS, REVOKED, erased(LATER), policies=BOOK).when(Use(at=LATER)).then(refused(LATER, Refusal.REVOKED))


def test_an_erasure_has_no_part_in_a_renewal() -> None:
    assert fact_of(erased(LATER)) is None
