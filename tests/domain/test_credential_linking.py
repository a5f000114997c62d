"""Links: the IDs and services that one credential stands for, by purpose and in the own name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Command,
    Event,
    IdLinked,
    IdUnlinked,
    LinkedId,
    LinkId,
    LinkService,
    Locked,
    ResetRequired,
    Revoked,
    ServiceLinked,
    ServiceUnlinked,
    Suspended,
    UnlinkId,
    UnlinkService,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, Service
from tests.domain.examples import (
    APRIL_2026,
    BOOK,
    GRACE_END,
    GRACE_G,
    ID_1,
    ID_2,
    ISSUE,
    MOBILE,
    PERSON,
    PHONE,
    SOON,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
    kinds_with,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
LINK = LinkId(at=SUMMER, bank_id=ID_1, owner=PERSON, in_own_name=True, purpose="family", unlocked_at=SUMMER)
COMPANY = PHONE
"""Any other id will do."""


def linked(bank_id: str = ID_1) -> IdLinked:
    return IdLinked(at=SUMMER, bank_id=bank_id, owner=PERSON, purpose="family")


def several(count: int) -> tuple[Event, ...]:
    return tuple(linked(f"id of others {number}") for number in range(count))


# --- IDs.


def test_an_id_is_linked_for_a_purpose() -> None:
    given(ISSUED, policies=BOOK).when(LINK).then(linked())
    assert credential_after(ISSUED, linked()).links.ids == (LinkedId(bank_id=ID_1, owner=PERSON, purpose="family"),)


def test_the_id_of_a_company_that_the_holder_acts_for_is_linked() -> None:
    given(ISSUED, policies=BOOK).when(replace(LINK, owner=COMPANY, purpose="accounting")).then(
        IdLinked(at=SUMMER, bank_id=ID_1, owner=COMPANY, purpose="accounting")
    )


def test_linking_an_id_again_does_nothing() -> None:
    again = replace(LINK, at=SOON, in_own_name=False)

    given(ISSUED, linked(), *several(4), policies=BOOK).when(again).then()


def test_the_id_of_another_is_not_linked() -> None:
    given(ISSUED, *several(5), policies=BOOK).when(replace(LINK, in_own_name=False)).then_refused(Refusal.NOT_OWN_NAME)


def test_a_credential_stands_for_as_many_ids_as_the_kind_allows() -> None:
    late = replace(LINK, unlocked_at=ISSUE)

    given(ISSUED, *several(4), policies=BOOK).when(LINK).then(linked())
    given(ISSUED, *several(5), policies=BOOK).when(LINK).then_refused(Refusal.LINK_LIMIT)
    given(ISSUED, *several(5), policies=BOOK).when(late).then_refused(Refusal.LINK_LIMIT)


def test_a_kind_may_allow_a_single_id_or_none() -> None:
    code = issued_under(USE_D, kind=Kind.MOBILE_OTP)
    none = kinds_with(MOBILE, linking={"ids_max": 0})

    given(code, policies=BOOK).when(LINK).then(linked())
    given(code, *several(1), policies=BOOK).when(LINK).then_refused(Refusal.LINK_LIMIT)
    given(ISSUED, policies=BOOK, kinds=none).when(LINK).then_refused(Refusal.LINK_LIMIT)


@pytest.mark.parametrize(
    ("unlocked", "links"),
    [
        pytest.param(timedelta(0), True, id="at that moment"),
        pytest.param(timedelta(minutes=5) - MICROSECOND, True, id="just fresh enough"),
        pytest.param(timedelta(minutes=5), False, id="five minutes before"),
        pytest.param(-MICROSECOND, False, id="after it"),
    ],
)
def test_linking_asks_for_a_fresh_unlock(unlocked: timedelta, links: bool) -> None:
    outcome = given(ISSUED, policies=BOOK).when(replace(LINK, unlocked_at=SUMMER - unlocked))

    if links:
        outcome.then(linked())
    else:
        outcome.then_refused(Refusal.EVIDENCE)


def test_an_id_is_not_linked_for_nothing() -> None:
    given(ISSUED, policies=BOOK).when(replace(LINK, purpose="")).then_refused(Refusal.SCOPE)


def test_each_kind_says_how_long_an_unlock_is_fresh() -> None:
    longer = kinds_with(MOBILE, unlocking={"fresh_minutes": 6})

    given(ISSUED, policies=BOOK, kinds=longer).when(replace(LINK, unlocked_at=SUMMER - timedelta(minutes=5))).then(
        linked()
    )


def test_an_id_is_unlinked() -> None:
    unlinked = IdUnlinked(at=SOON, bank_id=ID_1)

    given(ISSUED, linked(), policies=BOOK).when(UnlinkId(at=SOON, bank_id=ID_1)).then(unlinked)
    assert credential_after(ISSUED, linked(), linked(ID_2), unlinked) == credential_after(ISSUED, linked(ID_2))


@pytest.mark.parametrize("history", [(), (linked(ID_2),)], ids=["none is linked", "another is linked"])
def test_unlinking_an_id_that_is_not_linked_does_nothing(history: tuple[Event, ...]) -> None:
    given(ISSUED, *history, policies=BOOK).when(UnlinkId(at=SOON, bank_id=ID_1)).then()


# --- Services.


@pytest.mark.parametrize(
    ("service", "for_company", "links"),
    [
        (Service.PERSONAL_BANKING, False, True),
        (Service.ELECTRONIC_GOVERNMENT, False, True),
        (Service.CORPORATE_BANKING, False, False),
        (Service.CORPORATE_BANKING, True, True),
        (Service.PERSONAL_BANKING, True, False),
    ],
)
def test_a_service_is_linked_by_whom_the_holder_acts_for(service: Service, for_company: bool, links: bool) -> None:
    outcome = given(ISSUED, policies=BOOK).when(LinkService(at=SUMMER, service=service, for_company=for_company))

    if links:
        outcome.then(ServiceLinked(at=SUMMER, service=service))
    else:
        outcome.then_refused(Refusal.SCOPE)


BANKING = ServiceLinked(at=SUMMER, service=Service.PERSONAL_BANKING)
OFFICES = ServiceLinked(at=SUMMER, service=Service.ELECTRONIC_GOVERNMENT)


def test_one_credential_is_linked_to_several_services() -> None:
    links = credential_after(ISSUED, BANKING, OFFICES).links

    assert links.services == (Service.PERSONAL_BANKING, Service.ELECTRONIC_GOVERNMENT)


@pytest.mark.parametrize("for_company", [False, True])
def test_linking_a_service_again_does_nothing(for_company: bool) -> None:
    again = LinkService(at=SOON, service=Service.PERSONAL_BANKING, for_company=for_company)

    given(ISSUED, BANKING, policies=BOOK).when(again).then()


def test_a_service_is_unlinked() -> None:
    unlinked = ServiceUnlinked(at=SOON, service=Service.PERSONAL_BANKING)

    given(ISSUED, BANKING, policies=BOOK).when(UnlinkService(at=SOON, service=Service.PERSONAL_BANKING)).then(unlinked)
    assert credential_after(ISSUED, BANKING, OFFICES, unlinked) == credential_after(ISSUED, OFFICES)


def test_unlinking_a_service_that_is_not_linked_does_nothing() -> None:
    given(ISSUED, OFFICES, policies=BOOK).when(UnlinkService(at=SOON, service=Service.PERSONAL_BANKING)).then()


# --- When.

IN_GRACE = issued_under(GRACE_G, at=SUMMER)
LAPSED_INTO_GRACE = expired(GRACE_G, grace_until=GRACE_END)
SUSPENDED, RESET = Suspended(at=SUMMER, reason=None), ResetRequired(at=SUMMER)
LOCKED, REVOKED = Locked(at=SUMMER, for_good=True), Revoked(at=SUMMER, reason=None)
TO_LINK: list[Command] = [
    replace(LINK, at=APRIL_2026, unlocked_at=APRIL_2026),
    LinkService(at=APRIL_2026, service=Service.PERSONAL_BANKING, for_company=False),
]


@pytest.mark.parametrize("command", TO_LINK, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ((LOCKED,), Refusal.LOCKED),
        ((LOCKED, RESET), Refusal.RESET_REQUIRED),
        ((LOCKED, RESET, SUSPENDED), Refusal.SUSPENDED),
        ((LOCKED, RESET, SUSPENDED, LAPSED_INTO_GRACE), Refusal.EXPIRED),
        ((LOCKED, RESET, SUSPENDED, expired(GRACE_G, grace_until=APRIL_2026)), Refusal.ALREADY_FINAL),
        ((LOCKED, RESET, SUSPENDED, REVOKED), Refusal.ALREADY_FINAL),
    ],
    ids=["locked", "reset required", "suspended", "in its grace", "lapsed", "revoked"],
)
def test_links_are_made_while_the_credential_is_active(
    since: tuple[Event, ...], reason: Refusal, command: Command
) -> None:
    given(IN_GRACE, *since, policies=BOOK).when(command).then_refused(reason)


TO_UNLINK: list[tuple[Command, Event]] = [
    (UnlinkId(at=APRIL_2026, bank_id=ID_1), IdUnlinked(at=APRIL_2026, bank_id=ID_1)),
    (
        UnlinkService(at=APRIL_2026, service=Service.PERSONAL_BANKING),
        ServiceUnlinked(at=APRIL_2026, service=Service.PERSONAL_BANKING),
    ),
]


@pytest.mark.parametrize(("command", "event"), TO_UNLINK, ids=["an ID", "a service"])
def test_links_end_as_long_as_the_credential_can_change(command: Command, event: Event) -> None:
    history = (IN_GRACE, linked(), BANKING, LOCKED, RESET, SUSPENDED)

    given(*history, policies=BOOK).when(command).then(event)
    given(*history, LAPSED_INTO_GRACE, policies=BOOK).when(command).then(event)
    given(*history, REVOKED, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


@pytest.mark.parametrize(
    "event",
    [linked(), BANKING, *(event for _, event in TO_UNLINK)],
    ids=lambda event: type(event).__name__,
)
def test_links_have_no_part_in_a_renewal(event: Event) -> None:
    assert fact_of(event) is None
