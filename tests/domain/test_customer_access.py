"""A look of the staff at a customer's record: noted in every state, as long as there is something to see."""

import pytest

from sealbook.domain.customer import (
    CustomerClosed,
    CustomerDeceased,
    CustomerRestricted,
    Enrolled,
    Event,
    LegalHoldPlaced,
    PersonalDataErased,
    RecordViewed,
    ViewRecord,
    fold,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderSubkind
from tests.domain.examples import ISSUE, KINDS, SUMMER
from tests.scenario import given

ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
CLOSED = CustomerClosed(at=ISSUE)
LOOK = ViewRecord(at=SUMMER, what="credential history", reason="call 7")
VIEWED = RecordViewed(at=SUMMER, what="credential history", reason="call 7")
STATES: list[tuple[Event, ...]] = [
    (),
    (CustomerRestricted(at=ISSUE, reason="court"),),
    (CustomerDeceased(at=ISSUE, evidence="register-1"),),
    (CLOSED,),
    (CLOSED, LegalHoldPlaced(at=ISSUE, case="case-1")),
]


@pytest.mark.parametrize("since", STATES, ids=["enrolled", "restricted", "deceased", "closed", "under a legal hold"])
def test_a_look_is_noted_in_every_state_and_changes_nothing(since: tuple[Event, ...]) -> None:
    given(ENROLLED, *since).when(LOOK).then(VIEWED)
    assert fold([ENROLLED, *since, VIEWED]) == fold([ENROLLED, *since])


def test_every_look_is_noted_again() -> None:
    given(ENROLLED, VIEWED).when(LOOK).then(VIEWED)


def test_there_is_nothing_to_see_before_the_enrollment() -> None:
    given().when(LOOK).then_refused(Refusal.CUSTOMER_STATE)


def test_there_is_nothing_left_to_see_of_one_who_was_erased() -> None:
    erased = PersonalDataErased(at=SUMMER, basis="act 5", approved_by="officer-1")

    given(ENROLLED, CLOSED, erased).when(LOOK).then_refused(Refusal.CUSTOMER_STATE)


def test_looks_are_kept_for_two_years() -> None:
    assert str(KINDS.bank.kept(RecordViewed.stored.name)) == "P2Y"
