"""What does a customer hold, and what should it see to?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import pytest

from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    IdLinked,
    LinkedId,
    Moved,
    Revoked,
    ServiceLinked,
    UnlockMethodSet,
)
from sealbook.domain.device import App, DeviceRegistered, LockScreenObserved
from sealbook.domain.values import Kind, LockScreen, Service, Step, UnlockMethod
from sealbook.projections.holdings import Advice, Holding, holdings
from sealbook.projections.states import settled, states_at
from sealbook.projections.validity import ValidityState
from tests.domain.applications import APPLIED_AT, APPLYING, OPEN_UNTIL, PHONE_DONE, minute
from tests.domain.examples import (
    BOOK,
    END,
    FOREVER_N,
    ISSUE,
    KINDS,
    OTHER_PHONE,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    issued_under,
)
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, ledger

ISSUED = issued_under(USE_D, device=PHONE)
PIN = UnlockMethodSet(at=ISSUE, method=UnlockMethod.PIN)
REGISTERED = DeviceRegistered(
    at=APPLIED_AT, model="phone", os_version="15", app=App(version="6.2.0", store="google_play")
)


def seen(lock_screen: LockScreen) -> LockScreenObserved:
    return LockScreenObserved(at=APPLIED_AT, lock_screen=lock_screen)


def held(
    *history: Event, as_of: datetime = SUMMER, phone: Sequence[Event] = (REGISTERED,), person: UUID = PERSON
) -> list[Holding]:
    log = ledger({PHONE: phone, CREDENTIAL: history})
    return holdings(settled(states_at(log, as_of=as_of), BOOK), person, policies=BOOK, kinds=KINDS)


def advised(*history: Event, as_of: datetime = SUMMER, phone: Sequence[Event] = (REGISTERED,)) -> list[Advice]:
    (found,) = held(*history, as_of=as_of, phone=phone)
    return [advisory.advice for advisory in found.advisories]


def test_a_credential_is_told_in_full() -> None:
    linked = IdLinked(at=SUMMER, bank_id="id-1", owner=PERSON, purpose="transfer")
    service = ServiceLinked(at=SUMMER, service=Service.PERSONAL_BANKING)

    assert held(ISSUED, PIN, linked, service) == [
        Holding(
            credential=CREDENTIAL,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            state=ValidityState.ACTIVE,
            since=ISSUE,
            expires_at=END,
            last_valid_day=date(2026, 3, 15),
            next_step=None,
            device=PHONE,
            ids=(LinkedId(bank_id="id-1", owner=PERSON, purpose="transfer"),),
            services=(Service.PERSONAL_BANKING,),
            unlock_methods=(UnlockMethod.PIN,),
            advisories=(),
        )
    ]


def test_an_application_is_told_with_its_next_step() -> None:
    assert held(*PHONE_DONE, as_of=minute(1)) == [
        Holding(
            credential=CREDENTIAL,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            state=ValidityState.APPLYING,
            since=APPLIED_AT,
            expires_at=None,
            last_valid_day=None,
            next_step=Step.ID_DOCUMENT,
            device=PHONE,
            ids=(),
            services=(),
            unlock_methods=(),
            advisories=(),
        )
    ]


def test_an_application_that_ended_has_no_next_step() -> None:
    (found,) = held(*APPLYING, as_of=OPEN_UNTIL, phone=(REGISTERED, seen(LockScreen.NONE)))

    assert (found.state, found.next_step, found.advisories) == (ValidityState.ABANDONED, None, ())


def test_everything_is_told_in_its_order_and_of_this_customer_only() -> None:
    other = replace(ISSUED, customer=OTHER_PHONE)
    log = ledger({OTHER_CREDENTIAL: [ISSUED], CREDENTIAL: APPLYING, UUID(int=104): [other]})
    found = holdings(settled(states_at(log, as_of=END), BOOK), PERSON, policies=BOOK, kinds=KINDS)

    assert [(each.credential, each.state) for each in found] == [
        (OTHER_CREDENTIAL, ValidityState.EXPIRED),
        (CREDENTIAL, ValidityState.ABANDONED),
    ]


def test_what_has_no_end_has_no_last_day() -> None:
    (found,) = held(issued_under(FOREVER_N))

    assert (found.expires_at, found.last_valid_day) == (None, None)


def test_who_holds_nothing_is_told_nothing() -> None:
    assert held(ISSUED, person=OTHER_PHONE) == []


# --- Advice


def test_without_an_unlock_method_one_is_advised() -> None:
    assert advised(ISSUED) == [Advice.SET_UNLOCK_METHOD]
    assert advised(ISSUED, PIN) == []


@pytest.mark.parametrize(
    ("lock_screen", "advice"),
    [
        (LockScreen.NONE, [Advice.SET_LOCK_SCREEN]),
        (LockScreen.WEAK, [Advice.SET_LOCK_SCREEN]),
        (LockScreen.STRONG, []),
    ],
)
def test_a_strong_lock_screen_is_advised_until_one_is_seen(lock_screen: LockScreen, advice: list[Advice]) -> None:
    assert advised(ISSUED, PIN, phone=(REGISTERED, seen(lock_screen))) == advice
    assert advised(*APPLYING, as_of=APPLIED_AT, phone=(REGISTERED, seen(lock_screen))) == advice


def test_a_phone_that_was_never_looked_at_brings_no_advice() -> None:
    assert advised(ISSUED, PIN) == []
    assert advised(ISSUED, PIN, Moved(at=SUMMER, device=OTHER_PHONE)) == []


def test_of_a_credential_from_elsewhere_nothing_is_advised() -> None:
    assert advised(issued_under(USE_D)) == []


def test_what_has_ended_needs_no_advice() -> None:
    assert advised(ISSUED, Revoked(at=SUMMER, reason=None), phone=(REGISTERED, seen(LockScreen.NONE))) == []
    assert advised(ISSUED, as_of=END, phone=(REGISTERED, seen(LockScreen.NONE))) == []


def test_the_advice_is_one_that_the_kind_allows() -> None:
    # A financial certificate is opened by a PIN only.
    (found,) = held(issued_under(USE_D, device=PHONE, kind=Kind.FINANCIAL_CERTIFICATE))

    assert [(each.en, each.ko) for each in found.advisories] == [("Set a PIN", "간편비밀번호를 설정하세요")]


def test_an_advice_is_given_in_both_languages() -> None:
    (found,) = held(ISSUED, phone=(REGISTERED, seen(LockScreen.WEAK)))

    assert [(each.en, each.ko) for each in found.advisories] == [
        ("Set biometrics or a PIN", "생체 인식이나 간편비밀번호를 설정하세요"),
        ("Set a strong lock screen", "기기 잠금 화면을 강력하게 설정하세요"),
    ]
