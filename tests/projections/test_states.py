"""What was everything in the ledger like at a moment?"""

from datetime import datetime
from uuid import UUID

import pytest

from sealbook.domain import customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import Applied, Suspended
from sealbook.domain.device import App, DeviceBound, DeviceRegistered
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import Adopted
from sealbook.domain.values import HolderSubkind
from sealbook.projections.states import settled, states_at
from sealbook.projections.validity import state_of
from tests.domain.applications import APPLIED_AT, APPLYING, OPEN_UNTIL
from tests.domain.examples import (
    BOOK,
    END,
    ISSUE,
    LATER,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    credential_after,
    issued_under,
)
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, learned, ledger, log

POLICY = UUID(int=103)
ISSUED = issued_under(USE_D, device=PHONE)
SUSPENDED = Suspended(at=SUMMER, reason=None)
EVERYTHING = ledger(
    {
        POLICY: [Adopted(at=APPLIED_AT, document=USE_D)],
        PERSON: [customer.Enrolled(at=APPLIED_AT, subkind=HolderSubkind.INDIVIDUAL, provenance=None)],
        PHONE: [
            DeviceRegistered(at=ISSUE, model="phone", os_version="15", app=App(version="6.2.0", store="google_play")),
            DeviceBound(at=ISSUE, customer=PERSON),
        ],
        CREDENTIAL: [ISSUED, SUSPENDED],
        OTHER_CREDENTIAL: APPLYING,
    }
)


def test_every_aggregate_has_its_state() -> None:
    states = states_at(EVERYTHING, as_of=SUMMER)

    assert [stream for stream, _ in states.policies()] == [POLICY]
    assert [stream for stream, _ in states.customers()] == [PERSON]
    assert [(stream, state.customer) for stream, state in states.devices()] == [(PHONE, PERSON)]
    assert list(states.credentials()) == [(CREDENTIAL, credential_after(ISSUED, SUSPENDED))]
    assert [stream for stream, _ in states.applications()] == [OTHER_CREDENTIAL]


@pytest.mark.parametrize(
    ("as_of", "streams"),
    [
        (APPLIED_AT - MICROSECOND, []),
        (APPLIED_AT, [POLICY, PERSON, OTHER_CREDENTIAL]),
        (ISSUE, [POLICY, PERSON, PHONE, CREDENTIAL, OTHER_CREDENTIAL]),
    ],
    ids=["before everything", "at the first events", "at the issue"],
)
def test_what_had_not_begun_is_not_there(as_of: datetime, streams: list[UUID]) -> None:
    assert list(states_at(EVERYTHING, as_of=as_of).by_stream) == streams


def test_an_event_that_was_learned_late_counts_from_its_own_moment() -> None:
    history = log(ISSUED, learned(SUSPENDED, LATER))

    def suspended_at(as_of: datetime) -> bool:
        return dict(states_at(history, as_of=as_of).credentials())[CREDENTIAL].suspended

    assert (suspended_at(SUMMER - MICROSECOND), suspended_at(SUMMER)) == (False, True)


def test_of_what_had_not_begun_nothing_that_follows_counts() -> None:
    # Told of a moment before the enrollment, of which the ledger knows nothing yet.
    joined = customer.CredentialOpened(at=ISSUE, credential=CREDENTIAL, kind=ISSUED.kind)
    history = log(customer.Enrolled(at=SUMMER, subkind=HolderSubkind.INDIVIDUAL, provenance=None), joined)

    assert states_at(history, as_of=ISSUE).by_stream == {}


def test_the_clock_decides_for_credentials_and_applications() -> None:
    unsettled = states_at(EVERYTHING, as_of=END)
    states = settled(unsettled, BOOK)

    assert [state_of(state) for _, state in states.credentials()] == ["expired"]
    assert [state.ended_at for _, state in states.applications()] == [OPEN_UNTIL]
    assert [state_of(state) for _, state in unsettled.credentials()] == ["suspended"]
    assert list(states.by_stream) == list(unsettled.by_stream)


def test_a_credential_or_its_application_is_found_by_its_id() -> None:
    states = states_at(EVERYTHING, as_of=ISSUE)

    assert states.held(CREDENTIAL) == credential_after(ISSUED)
    assert isinstance(APPLYING[0], Applied)
    assert states.held(OTHER_CREDENTIAL).policy == APPLYING[0].policy


@pytest.mark.parametrize("stream", [PERSON, UUID(int=999)], ids=["a customer's", "nobody's"])
def test_another_id_finds_no_credential(stream: UUID) -> None:
    with pytest.raises(Refused) as refused:
        states_at(EVERYTHING, as_of=ISSUE).held(stream)

    assert refused.value.code is Refusal.NOT_ISSUED
