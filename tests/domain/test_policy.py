"""A policy's versions: announced in time, never changed, and what they take over."""

from datetime import datetime, timedelta

import pytest

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import (
    Adopt,
    Adopted,
    Announce,
    Announced,
    Event,
    Policy,
    PolicyBook,
    Switch,
    Withdraw,
    Withdrawn,
    fold,
)
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef, SwitchMode
from tests.domain.examples import BOOK, USE_D, document, kst
from tests.scenario import given

JANUARY = kst("2026-01-01")
FEBRUARY = kst("2026-02-01")
MARCH = kst("2026-03-01")
APRIL = kst("2026-04-01")
JUNE = kst("2026-06-01")
TICK = timedelta(microseconds=1)


def version(number: int, /, **written: object) -> RenewalPolicy:
    return document(**{"announced_at": JANUARY, "effective_from": MARCH, **written, "version": number})


FIRST, SECOND, THIRD = version(1), version(2, effective_from=JUNE), version(3, effective_from=JUNE)


def announced(policy: RenewalPolicy) -> Announced:
    return Announced(at=JANUARY, document=policy)


def adopted(policy: RenewalPolicy) -> Adopted:
    return Adopted(at=JANUARY, document=policy)


# --- Announcing.


def test_a_policy_is_announced() -> None:
    given().when(Announce(at=JANUARY, document=FIRST)).then(announced(FIRST))


@pytest.mark.parametrize("missing", ["announced_at", "effective_from"])
def test_a_policy_without_dates_is_not_announced(missing: str) -> None:
    given().when(Announce(at=JANUARY, document=version(1, **{missing: None}))).then_refused(Refusal.POLICY_NOTICE)


def test_a_month_is_the_least_notice() -> None:
    given().when(Announce(at=JANUARY, document=version(1, announced_at=FEBRUARY))).then(
        announced(version(1, announced_at=FEBRUARY))
    )
    given().when(Announce(at=JANUARY, document=version(1, announced_at=FEBRUARY + TICK))).then_refused(
        Refusal.POLICY_NOTICE
    )


def test_a_law_may_force_a_policy_without_notice() -> None:
    forced = version(1, announced_at=MARCH, law_forced=True)

    given().when(Announce(at=MARCH, document=forced)).then(Announced(at=MARCH, document=forced))


def test_a_policy_is_not_announced_once_its_date_is_past() -> None:
    given().when(Announce(at=MARCH, document=FIRST)).then(Announced(at=MARCH, document=FIRST))
    given().when(Announce(at=MARCH + TICK, document=FIRST)).then_refused(Refusal.POLICY_NOTICE)


def test_a_law_forces_no_policy_on_the_past() -> None:
    forced = version(1, law_forced=True)

    given().when(Announce(at=MARCH + TICK, document=forced)).then_refused(Refusal.POLICY_NOTICE)


# --- Adopting.


def test_a_policy_of_an_imported_history_needs_no_notice() -> None:
    given().when(Adopt(at=JUNE, document=USE_D)).then(Adopted(at=JUNE, document=USE_D))


# --- Versions.


@pytest.mark.parametrize("known", [announced(FIRST), adopted(FIRST)], ids=["announced", "adopted"])
@pytest.mark.parametrize("command", [Announce, Adopt])
def test_a_version_that_is_known_is_known(known: Announced | Adopted, command: type[Announce | Adopt]) -> None:
    given(known).when(command(at=JANUARY, document=FIRST)).then()


@pytest.mark.parametrize("command", [Announce, Adopt])
def test_a_version_never_changes(command: type[Announce | Adopt]) -> None:
    given(announced(FIRST)).when(command(at=JANUARY, document=version(1, min_uses=2))).then_refused(
        Refusal.POLICY_VERSION
    )


@pytest.mark.parametrize("command", [Announce, Adopt])
def test_a_version_is_above_the_last_one(command: type[Announce | Adopt]) -> None:
    given(announced(SECOND)).when(command(at=JANUARY, document=FIRST)).then_refused(Refusal.POLICY_VERSION)


def test_versions_may_leave_numbers_out() -> None:
    given(announced(FIRST)).when(Announce(at=JANUARY, document=THIRD)).then(announced(THIRD))


# --- Withdrawing.


def test_a_version_is_withdrawn_before_it_takes_effect() -> None:
    given(announced(FIRST)).when(Withdraw(at=MARCH - TICK, version=1)).then(Withdrawn(at=MARCH - TICK, version=1))


def test_a_version_that_has_taken_effect_is_not_withdrawn() -> None:
    given(announced(FIRST)).when(Withdraw(at=MARCH, version=1)).then_refused(Refusal.POLICY_NOTICE)


def test_a_version_that_is_not_there_is_not_withdrawn() -> None:
    given(announced(FIRST)).when(Withdraw(at=JANUARY, version=2)).then_refused(Refusal.NO_POLICY)


def test_withdrawing_again_does_nothing() -> None:
    given(announced(FIRST), Withdrawn(at=JANUARY, version=1)).when(Withdraw(at=JUNE, version=1)).then()


# --- What is in force.


@pytest.mark.parametrize(
    ("history", "moment", "number"),
    [
        pytest.param((), JUNE, None, id="no version"),
        pytest.param((announced(FIRST),), MARCH - TICK, None, id="before the first takes effect"),
        pytest.param((announced(FIRST),), MARCH, 1, id="at its date"),
        pytest.param((announced(FIRST), announced(SECOND)), JUNE - TICK, 1, id="before the second takes effect"),
        pytest.param((announced(FIRST), announced(SECOND)), JUNE, 2, id="the highest"),
        pytest.param(
            (announced(FIRST), announced(SECOND), Withdrawn(at=APRIL, version=2)), JUNE, 1, id="without the withdrawn"
        ),
        pytest.param((adopted(USE_D),), kst("1999-01-01"), 1, id="always, without a date"),
    ],
)
def test_the_highest_version_that_has_taken_effect_is_in_force(
    history: tuple[Event, ...], moment: datetime, number: int | None
) -> None:
    found = fold(history).in_force_at(moment)

    assert (found and found.version) == number


# --- The book.


def book_of(*history: Event) -> PolicyBook:
    return PolicyBook({"D": fold(history)})


def test_a_book_finds_a_version_by_its_reference() -> None:
    book = book_of(announced(FIRST), announced(SECOND))

    assert book.policy(PolicyRef("D", 2)) == SECOND


@pytest.mark.parametrize("ref", [PolicyRef("D", 9), PolicyRef("E", 1)], ids=str)
def test_a_book_refuses_a_version_that_it_does_not_know(ref: PolicyRef) -> None:
    with pytest.raises(Refused) as caught:
        book_of(announced(FIRST)).policy(ref)

    assert caught.value.code is Refusal.NO_POLICY


def test_a_book_finds_the_version_in_force() -> None:
    assert book_of(announced(FIRST), announced(SECOND)).in_force("D", APRIL) == FIRST


@pytest.mark.parametrize(("policy_id", "moment"), [("D", JANUARY), ("E", JUNE)], ids=["not yet", "unknown"])
def test_a_book_refuses_when_nothing_is_in_force(policy_id: str, moment: datetime) -> None:
    with pytest.raises(Refused) as caught:
        book_of(announced(FIRST)).in_force(policy_id, moment)

    assert caught.value.code is Refusal.NO_POLICY


def test_a_book_of_documents_holds_every_version_of_each() -> None:
    book = PolicyBook.of(FIRST, SECOND, document("E"))

    assert book.policies["D"] == Policy(versions=(FIRST, SECOND))
    assert book.in_force("E", JANUARY) == document("E")


# --- Which version takes over by itself.


def taking_over(*documents: RenewalPolicy, after: datetime = APRIL, withdrawn: tuple[int, ...] = ()) -> Switch | None:
    """The switch of a personal certificate issued under the first version at `after`."""
    history: list[Event] = [announced(policy) for policy in (FIRST, *documents)]
    history += [Withdrawn(at=APRIL, version=number) for number in withdrawn]
    return book_of(*history).next_switch(
        FIRST.ref, after=after, kind=Kind.KB_MOBILE_CERTIFICATE, holder=HolderKind.PERSONAL
    )


@pytest.mark.parametrize("mode", list(SwitchMode))
def test_a_later_version_takes_over_in_the_mode_announced(mode: SwitchMode) -> None:
    policy = version(2, effective_from=JUNE, applies_to=mode)

    assert taking_over(policy) == Switch(at=JUNE, policy=policy.ref, mode=mode)


def test_a_version_takes_over_the_kinds_and_holders_that_it_names() -> None:
    policy = version(2, effective_from=JUNE, applies_to="keep", kinds=["kb_mobile_certificate"], holders=["personal"])

    assert taking_over(policy) == Switch(at=JUNE, policy=policy.ref, mode=SwitchMode.KEEP)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(SECOND, id="for new credentials only"),
        pytest.param(version(2, effective_from=JUNE, applies_to="keep", kinds=["mobile_otp"]), id="for another kind"),
        pytest.param(version(2, effective_from=JUNE, applies_to="keep", holders=["corporate"]), id="for companies"),
        pytest.param(version(2, effective_from=APRIL, applies_to="keep"), id="in force when it was issued"),
    ],
)
def test_a_later_version_takes_nothing_over(policy: RenewalPolicy) -> None:
    assert taking_over(policy) is None


def test_a_withdrawn_version_takes_nothing_over() -> None:
    assert taking_over(version(2, effective_from=JUNE, applies_to="keep"), withdrawn=(2,)) is None


def test_an_adopted_version_takes_nothing_over() -> None:
    policy = version(2, effective_from=JUNE, applies_to="keep")
    book = book_of(announced(FIRST), adopted(policy))

    assert book.next_switch(FIRST.ref, after=APRIL, kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL) is None


def test_an_earlier_version_takes_nothing_over() -> None:
    kept = version(1, effective_from=JUNE, applies_to="keep")
    book = book_of(announced(kept), announced(SECOND))

    assert book.next_switch(SECOND.ref, after=APRIL, kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL) is None


def test_a_version_does_not_take_over_from_itself() -> None:
    book = book_of(announced(version(1, applies_to="keep")))

    assert book.next_switch(FIRST.ref, after=JANUARY, kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL) is None


def test_a_policy_that_is_not_known_takes_nothing_over() -> None:
    unknown = PolicyRef("E", 1)

    assert BOOK.next_switch(unknown, after=APRIL, kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL) is None


def test_the_version_that_takes_effect_first_takes_over_first() -> None:
    later = version(2, effective_from=JUNE, applies_to="keep")
    sooner = version(3, effective_from=kst("2026-05-01"), applies_to="keep")

    assert taking_over(later, sooner) == Switch(at=kst("2026-05-01"), policy=sooner.ref, mode=SwitchMode.KEEP)


def test_of_two_versions_that_take_effect_at_once_the_higher_takes_over() -> None:
    second, third = (version(number, effective_from=JUNE, applies_to="keep") for number in (2, 3))

    assert taking_over(second, third) == Switch(at=JUNE, policy=third.ref, mode=SwitchMode.KEEP)
