"""Links of a credential: whose IDs it stands for, where else they are linked, and what frees them."""

from datetime import timedelta
from uuid import UUID

import pytest

from sealbook.application.requests import ChangeRole, LinkId, LinkService, OnCustomer, UnlinkId
from sealbook.domain import customer
from sealbook.domain.credential import Resume, Revoke, Suspend, UnlinkService
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, Role, Service
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEXT,
    NOBODY,
    OTHER_PHONE,
    PHONE,
    THIRD,
    Branch,
    apply,
    employ,
    issue,
    lapsed_by,
    on,
)
from tests.commands import MARCH
from tests.domain.examples import MOBILE, kinds_with

LINKED = ["credential.id_linked", "customer.id_taken"]
UNLINKED = ["credential.id_unlinked", "customer.id_released"]


@pytest.fixture
def branch(branch: Branch) -> Branch:
    """Alice and Bob have certificates, the company a mobile OTP."""
    branch.told(
        issue(),
        issue(NEXT, person=BOB, device=OTHER_PHONE),
    )
    return branch


def link(number: str = "id-1", *, owner: UUID = ALICE, held: UUID = HELD, minutes: int = 1) -> LinkId:
    return LinkId(
        at=MARCH,
        credential=held,
        bank_id=number,
        owner=owner,
        purpose="household",
        unlocked_at=MARCH - timedelta(minutes=minutes),
    )


def unlink(*, held: UUID = HELD) -> UnlinkId:
    return UnlinkId(at=MARCH, credential=held, bank_id="id-1")


def service(wanted: Service, *, company: UUID | None = None, held: UUID = HELD) -> LinkService:
    return LinkService(at=MARCH, credential=held, service=wanted, company=company)


# --- IDs


def test_an_id_is_linked_at_the_credential_and_taken_at_its_owner(branch: Branch) -> None:
    assert branch.told(link(), link()) == LINKED
    assert branch.credential().links.find("id-1") is not None
    assert branch.customer().linked_to("id-1") == HELD


def test_several_ids_are_linked_up_to_the_kinds_limit(branch: Branch) -> None:
    branch.told(*(link(f"id-{number}") for number in range(MOBILE.linking.ids_max)))

    assert branch.refused(link("one more")) is Refusal.LINK_LIMIT


def test_only_ids_in_the_own_name_are_linked(branch: Branch) -> None:
    assert branch.refused(link(owner=BOB)) is Refusal.NOT_OWN_NAME
    assert branch.refused(link(owner=NOBODY)) is Refusal.CUSTOMER_STATE
    assert branch.refused(link(owner=PHONE)) is Refusal.NOT_FOUND


def test_linking_asks_for_a_fresh_unlock(branch: Branch) -> None:
    assert branch.refused(link(minutes=MOBILE.unlocking.fresh_minutes)) is Refusal.EVIDENCE


def test_who_acts_for_a_company_links_its_ids(branch: Branch) -> None:
    assert branch.refused(link(owner=COMPANY)) is Refusal.NOT_OWN_NAME
    branch.told(*employ(ALICE, Role.VIEWER))
    assert branch.refused(link(owner=COMPANY)) is Refusal.NOT_OWN_NAME

    branch.told(ChangeRole(at=MARCH, customer=COMPANY, person=ALICE, role=Role.MAKER, granted=True))

    assert branch.told(link(owner=COMPANY)) == LINKED
    assert branch.customer(COMPANY).linked_to("id-1") == HELD


def test_an_id_is_linked_to_one_credential(branch: Branch) -> None:
    branch.told(*employ(ALICE, Role.MAKER), *employ(BOB, Role.MAKER), link(owner=COMPANY))

    assert branch.refused(link(owner=COMPANY, held=NEXT)) is Refusal.LINKED_ELSEWHERE
    assert branch.told(unlink(), link(owner=COMPANY, held=NEXT)) == [*UNLINKED, *LINKED]


def test_a_linked_id_has_one_owner(branch: Branch) -> None:
    branch.told(*employ(ALICE, Role.MAKER), link())

    assert branch.refused(link(owner=COMPANY)) is Refusal.LINKED_ELSEWHERE
    assert branch.customer(COMPANY).linked_to("id-1") is None


def test_what_is_not_linked_is_not_unlinked(branch: Branch) -> None:
    assert branch.told(unlink()) == []


def test_a_restricted_owner_links_no_id(branch: Branch) -> None:
    branch.told(OnCustomer(customer=ALICE, command=customer.Restrict(at=MARCH, reason="fraud")))

    assert branch.refused(link()) is Refusal.CUSTOMER_STATE


def test_the_end_of_a_credential_frees_its_ids(branch: Branch) -> None:
    branch.told(link(), link("id-2"))

    events = branch.told(on(Revoke(at=MARCH)))

    assert events.count("customer.id_released") == 2
    assert branch.customer().linked_ids == ()


def test_a_lapse_frees_the_ids_as_well(branch: Branch) -> None:
    branch.told(link())

    _, events = branch.noted(branch.script.use(HELD, device=PHONE, at=lapsed_by()).request)

    assert "customer.id_released" in events


def test_what_has_ended_does_not_free_the_ids_of_another_credential(branch: Branch) -> None:
    branch.told(link(), on(Revoke(at=MARCH)), issue(THIRD, at=MARCH), link(held=THIRD))

    refusal, events = branch.noted(branch.script.use(HELD, device=PHONE).request)

    assert (refusal, events) == (Refusal.REVOKED, ["credential.use_refused"])
    assert branch.customer().linked_to("id-1") == THIRD


def test_a_suspended_credential_links_nothing_and_unlinks(branch: Branch) -> None:
    branch.told(link(), on(Suspend(at=MARCH)))

    assert branch.refused(link("id-2")) is Refusal.SUSPENDED
    assert branch.told(unlink()) == UNLINKED
    branch.told(on(Resume(at=MARCH)))


# --- Services


def test_a_persons_credential_is_linked_to_household_banking(branch: Branch) -> None:
    branch.kinds = kinds_with(MOBILE)

    assert branch.told(service(Service.PERSONAL_BANKING)) == ["credential.service_linked"]
    assert branch.told(service(Service.PERSONAL_BANKING)) == []
    assert branch.refused(service(Service.CORPORATE_BANKING)) is Refusal.SCOPE


def test_one_credential_is_linked_to_several_services(branch: Branch) -> None:
    branch.told(service(Service.PERSONAL_BANKING), service(Service.ELECTRONIC_GOVERNMENT))

    assert branch.credential().links.services == (Service.PERSONAL_BANKING, Service.ELECTRONIC_GOVERNMENT)
    ended = on(UnlinkService(at=MARCH, service=Service.PERSONAL_BANKING))
    assert branch.told(ended, ended) == ["credential.service_unlinked"]


def test_for_a_company_who_acts_for_it_is_linked_to_corporate_banking(branch: Branch) -> None:
    wish = service(Service.CORPORATE_BANKING, company=COMPANY)
    assert branch.refused(wish) is Refusal.ROLE
    branch.told(*employ(ALICE, Role.VIEWER))
    assert branch.refused(wish) is Refusal.ROLE

    branch.told(ChangeRole(at=MARCH, customer=COMPANY, person=ALICE, role=Role.APPROVER, granted=True))

    assert branch.told(wish) == ["credential.service_linked"]


def test_a_companys_own_credential_is_linked_to_corporate_banking(branch: Branch) -> None:
    company_phone = UUID(int=13_000)
    branch.told(branch.script.register(company_phone).request)
    branch.told(issue(THIRD, person=COMPANY, device=company_phone, kind=Kind.MOBILE_OTP))

    assert branch.told(service(Service.CORPORATE_BANKING, held=THIRD)) == ["credential.service_linked"]
    assert branch.refused(service(Service.PERSONAL_BANKING, held=THIRD)) is Refusal.SCOPE


def test_an_application_is_linked_to_nothing(branch: Branch) -> None:
    branch.told(apply(THIRD, kind=Kind.MOBILE_OTP))

    assert branch.refused(link(held=THIRD)) is Refusal.APPLYING
    assert branch.refused(service(Service.PERSONAL_BANKING, held=THIRD)) is Refusal.APPLYING
