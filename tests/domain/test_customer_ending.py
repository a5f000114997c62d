"""How a relationship is held, ends, and is forgotten."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND, Period
from sealbook.domain.customer import (
    Close,
    Command,
    CustomerClosed,
    CustomerDeceased,
    CustomerRestricted,
    Enrolled,
    Erase,
    Event,
    LegalHoldLifted,
    LegalHoldPlaced,
    LiftLegalHold,
    LiftRestriction,
    PersonalDataErased,
    PlaceLegalHold,
    RecordDeath,
    Restrict,
    RestrictionLifted,
    enrolled,
    fold,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderSubkind
from tests.domain.examples import ISSUE, KINDS, LATER, SUMMER, kst
from tests.scenario import given

ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
COMPANY = Enrolled(at=ISSUE, subkind=HolderSubkind.CORPORATION, provenance=None)
RESTRICTED = CustomerRestricted(at=ISSUE, reason="court order")
LIFTED = RestrictionLifted(at=SUMMER)
DECEASED = CustomerDeceased(at=SUMMER, evidence="register-1")
CLOSED = CustomerClosed(at=SUMMER)
RESTRICT = Restrict(at=ISSUE, reason="court order")
LIFT = LiftRestriction(at=SUMMER)
DEATH = RecordDeath(at=SUMMER, evidence="register-1")
CLOSE = Close(at=SUMMER, fee_open=False)
RETENTION_END = kst("2029-07-01T09:00")
"""Five years after SUMMER."""
ERASE = Erase(at=RETENTION_END, basis="retention is over", approved_by="officer-1")
ERASED = PersonalDataErased(at=RETENTION_END, basis="retention is over", approved_by="officer-1")

# --- Restriction


def test_a_customer_is_restricted_for_a_reason() -> None:
    given(ENROLLED).when(RESTRICT).then(RESTRICTED)


def test_restricting_again_does_nothing() -> None:
    given(ENROLLED, RESTRICTED).when(RESTRICT).then()


def test_a_restriction_is_lifted() -> None:
    given(ENROLLED, RESTRICTED).when(LIFT).then(LIFTED)


def test_a_restriction_that_was_lifted_leaves_nothing_behind() -> None:
    assert fold([ENROLLED, RESTRICTED, LIFTED]) == fold([ENROLLED])


@pytest.mark.parametrize("history", [(ENROLLED,), (ENROLLED, RESTRICTED, LIFTED)], ids=["never", "lifted"])
def test_lifting_what_does_not_stand_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(LIFT).then()


def test_a_customer_may_be_restricted_anew() -> None:
    given(ENROLLED, RESTRICTED, LIFTED).when(replace(RESTRICT, at=SUMMER)).then(replace(RESTRICTED, at=SUMMER))


# --- Death


@pytest.mark.parametrize("history", [(ENROLLED,), (ENROLLED, RESTRICTED)], ids=["active", "restricted"])
def test_a_death_is_recorded_by_evidence(history: tuple[Event, ...]) -> None:
    given(*history).when(DEATH).then(DECEASED)


@pytest.mark.parametrize("evidence", [None, ""], ids=["none", "empty"])
def test_a_death_is_not_recorded_without_evidence(evidence: str | None) -> None:
    given(ENROLLED).when(replace(DEATH, evidence=evidence)).then_refused(Refusal.EVIDENCE)


def test_recording_a_death_again_does_nothing() -> None:
    given(ENROLLED, DECEASED).when(DEATH).then()


def test_a_company_does_not_die() -> None:
    given(COMPANY).when(DEATH).then_refused(Refusal.CUSTOMER_STATE)


# --- Closure


@pytest.mark.parametrize("customer", [ENROLLED, COMPANY], ids=["person", "company"])
def test_a_relationship_is_closed(customer: Enrolled) -> None:
    given(customer).when(CLOSE).then(CLOSED)


def test_closing_again_does_nothing() -> None:
    given(ENROLLED, CLOSED).when(CLOSE).then()
    given(ENROLLED, CLOSED).when(replace(CLOSE, fee_open=True)).then()


def test_nothing_is_closed_while_a_fee_is_open() -> None:
    given(ENROLLED).when(replace(CLOSE, fee_open=True)).then_refused(Refusal.OPEN_FEE)


def test_nothing_is_closed_under_a_restriction() -> None:
    given(ENROLLED, RESTRICTED).when(CLOSE).then_refused(Refusal.CUSTOMER_STATE)
    given(ENROLLED, RESTRICTED, LIFTED).when(CLOSE).then(CLOSED)


# --- The end is final


@pytest.mark.parametrize(
    ("end", "command"),
    [
        pytest.param(CLOSED, RESTRICT, id="closed, restrict"),
        pytest.param(CLOSED, LIFT, id="closed, lift"),
        pytest.param(CLOSED, DEATH, id="closed, death"),
        pytest.param(DECEASED, RESTRICT, id="deceased, restrict"),
        pytest.param(DECEASED, LIFT, id="deceased, lift"),
        pytest.param(DECEASED, CLOSE, id="deceased, close"),
    ],
)
def test_a_relationship_that_ended_admits_nothing_but_holds_and_erasure(end: Event, command: Command) -> None:
    given(ENROLLED, RESTRICTED, end).when(command).then_refused(Refusal.CUSTOMER_STATE)


# --- Legal holds

HOLD = PlaceLegalHold(at=ISSUE, case="2024-0117")
HELD = LegalHoldPlaced(at=ISSUE, case="2024-0117")
OTHER_HELD = LegalHoldPlaced(at=ISSUE, case="2024-0201")
LET_GO = LegalHoldLifted(at=SUMMER, case="2024-0117")
LIFT_HOLD = LiftLegalHold(at=SUMMER, case="2024-0117")


@pytest.mark.parametrize(
    "history",
    [(ENROLLED,), (ENROLLED, RESTRICTED), (ENROLLED, CLOSED), (ENROLLED, DECEASED)],
    ids=["active", "restricted", "closed", "deceased"],
)
def test_a_legal_hold_is_placed_and_lifted_for_a_case_in_every_state(history: tuple[Event, ...]) -> None:
    given(*history).when(HOLD).then(HELD)
    given(*history, HELD).when(LIFT_HOLD).then(LET_GO)


def test_a_hold_for_the_same_case_again_does_nothing() -> None:
    given(ENROLLED, HELD).when(HOLD).then()
    given(ENROLLED, OTHER_HELD).when(HOLD).then(HELD)


@pytest.mark.parametrize(
    "history",
    [(ENROLLED,), (ENROLLED, HELD, LET_GO), (ENROLLED, OTHER_HELD)],
    ids=["never", "lifted", "for another case"],
)
def test_lifting_a_hold_that_does_not_stand_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(LIFT_HOLD).then()


def test_nothing_is_erased_while_any_hold_stands() -> None:
    given(ENROLLED, CLOSED, HELD).when(ERASE).then_refused(Refusal.LEGAL_HOLD)
    given(ENROLLED, CLOSED, HELD, OTHER_HELD, LET_GO).when(ERASE).then_refused(Refusal.LEGAL_HOLD)
    given(ENROLLED, CLOSED, HELD, LET_GO).when(ERASE).then(ERASED)


# --- Erasure


@pytest.mark.parametrize("end", [CLOSED, DECEASED], ids=["closed", "deceased"])
def test_records_are_erased_once_the_retention_is_over(end: Event) -> None:
    given(ENROLLED, end).when(ERASE).then(ERASED)
    given(ENROLLED, end).when(replace(ERASE, at=RETENTION_END - MICROSECOND)).then_refused(Refusal.RETENTION)


def test_records_are_not_erased_while_the_relationship_lasts() -> None:
    given(ENROLLED).when(replace(ERASE, at=LATER)).then_refused(Refusal.RETENTION)


def test_erasing_again_does_nothing() -> None:
    given(ENROLLED, CLOSED, ERASED).when(ERASE).then()
    given(ENROLLED, CLOSED, ERASED, HELD).when(ERASE).then()


def test_the_retention_is_the_bank_s_and_counts_by_the_clock_on_its_wall() -> None:
    bank = KINDS.bank.model_copy(update={"retention": Period.parse("P1M"), "zone": "America/New_York"})
    kinds = replace(KINDS, bank=bank)
    closed = CustomerClosed(at=datetime.fromisoformat("2024-02-20T10:00-05:00"))
    end = datetime.fromisoformat("2024-03-20T10:00-04:00")

    given(ENROLLED, closed, kinds=kinds).when(replace(ERASE, at=end)).then(replace(ERASED, at=end))
    given(ENROLLED, closed, kinds=kinds).when(replace(ERASE, at=end - MICROSECOND)).then_refused(Refusal.RETENTION)


@pytest.mark.parametrize(
    "command", [RESTRICT, LIFT, DEATH, CLOSE, HOLD, LIFT_HOLD, ERASE], ids=lambda command: type(command).__name__
)
def test_nothing_ends_for_one_who_is_not_enrolled(command: Command) -> None:
    given().when(command).then_refused(Refusal.CUSTOMER_STATE)


def test_a_customer_is_ended_when_it_closed_or_died() -> None:
    states = [enrolled(fold(history)) for history in [(ENROLLED,), (ENROLLED, CLOSED), (ENROLLED, DECEASED)]]

    assert [each.ended for each in states] == [False, True, True]
    assert [each.closed_at for each in states] == [None, SUMMER, None]
    assert [each.deceased_at for each in states] == [None, None, SUMMER]
