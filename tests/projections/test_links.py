"""For which IDs and services does a credential stand?"""

from datetime import datetime
from uuid import UUID

import pytest

from sealbook.domain.catalogue import Event
from sealbook.domain.credential import IdLinked, IdUnlinked, Revoked, ServiceLinked, ServiceUnlinked
from sealbook.domain.values import HolderKind, Kind, Service
from sealbook.projections.links import Link, Linked, links
from sealbook.projections.states import settled, states_at
from tests.domain.applications import APPLYING
from tests.domain.examples import BOOK, END, ISSUE, PERSON, SUMMER, USE_D, issued_under
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, ledger

ISSUED = issued_under(USE_D)
COMPANY = UUID(int=9)


def linked(bank_id: str, *, owner: UUID = PERSON) -> IdLinked:
    return IdLinked(at=SUMMER, bank_id=bank_id, owner=owner, purpose="transfer")


def service(which: Service) -> ServiceLinked:
    return ServiceLinked(at=SUMMER, service=which)


def links_of(*history: Event, as_of: datetime = SUMMER, of: UUID | None = None) -> list[Link]:
    log = ledger({CREDENTIAL: history, OTHER_CREDENTIAL: [ISSUED, linked("id-9")]})
    found = links(settled(states_at(log, as_of=as_of), BOOK), of=of)
    return [each for each in found if of is not None or each.credential == CREDENTIAL]


def test_several_ids_and_services_are_linked_to_one_credential() -> None:
    history: list[Event] = [linked("id-1"), linked("id-2"), *(service(each) for each in Service)]

    assert [(each.linked, each.to) for each in links_of(ISSUED, *history)] == [
        (Linked.ID, "id-1"),
        (Linked.ID, "id-2"),
        *((Linked.SERVICE, each) for each in Service),
    ]


def test_an_id_is_told_with_its_owner_and_purpose() -> None:
    assert links_of(ISSUED, linked("id-1")) == [
        Link(
            credential=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            linked=Linked.ID,
            to="id-1",
            owner=PERSON,
            own=True,
            purpose="transfer",
        )
    ]


def test_a_persons_credential_is_linked_to_personal_banking() -> None:
    (found,) = links_of(ISSUED, service(Service.PERSONAL_BANKING))

    assert (found.linked, found.to, found.own) == (Linked.SERVICE, Service.PERSONAL_BANKING, True)


def test_a_companys_credential_is_linked_to_corporate_banking() -> None:
    issued = issued_under(USE_D, kind=Kind.JOINT_UNIVERSAL, holder=HolderKind.CORPORATE)
    (found,) = links_of(issued, service(Service.CORPORATE_BANKING))

    assert (found.kind, found.to) == (Kind.JOINT_UNIVERSAL, Service.CORPORATE_BANKING)


def test_an_id_of_a_company_is_told_apart_from_ones_own() -> None:
    (found,) = links_of(ISSUED, linked("id-1", owner=COMPANY))

    assert (found.customer, found.owner, found.own) == (PERSON, COMPANY, False)


def test_what_was_unlinked_is_gone() -> None:
    unlinked = (IdUnlinked(at=SUMMER, bank_id="id-1"), ServiceUnlinked(at=SUMMER, service=Service.PERSONAL_BANKING))

    assert links_of(ISSUED, linked("id-1"), service(Service.PERSONAL_BANKING), *unlinked) == []


@pytest.mark.parametrize(
    ("history", "as_of"),
    [
        ((ISSUED, linked("id-1"), Revoked(at=SUMMER, reason=None)), SUMMER),
        ((ISSUED, linked("id-1")), END),
        ((ISSUED, linked("id-1")), ISSUE),
        (APPLYING, ISSUE),
    ],
    ids=["revoked", "expired", "not linked yet", "applied for"],
)
def test_what_cannot_be_used_stands_for_nothing(history: tuple[Event, ...], as_of: datetime) -> None:
    assert links_of(*history, as_of=as_of) == []


@pytest.mark.parametrize(
    ("of", "ids"),
    [
        (CREDENTIAL, ["id-1", "id-2"]),
        (OTHER_CREDENTIAL, ["id-9"]),
        (PERSON, ["id-1", "id-2", "id-9"]),
        (COMPANY, ["id-2"]),
        (UUID(int=404), []),
    ],
    ids=["a credential", "another", "their holder", "the owner of an ID", "somebody else"],
)
def test_one_credential_or_customer_can_be_asked_about(of: UUID, ids: list[str]) -> None:
    found = links_of(ISSUED, linked("id-1"), linked("id-2", owner=COMPANY), of=of)

    assert [each.to for each in found] == ids
