"""At the counter: how one request spreads over customer, device and credential, and what guards the issue."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.commands import Request
from sealbook.application.names import NameKind
from sealbook.application.requests import IssueCredential, ReleaseDevice
from sealbook.domain.credential import Attestation, Issued, Revoke, Revoked, Settle
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, StorageLevel
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEXT,
    NO_PHONE,
    NOBODY,
    NOTHING,
    OTHER_PHONE,
    PHONE,
    Branch,
    apply,
    enroll,
    issue,
    key_of,
    lapsed_by,
    on,
    register,
)
from tests.commands import FEBRUARY, KIND, MARCH, Script, name

OF_THE_ISSUE = ["customer.credential_opened", "credential.issued", "credential.key_attested"]
BOUND = ["device.bound", "customer.device_slot_taken"]
AFTER_THE_END = lapsed_by()
USE = Script().use


def test_issuing_binds_the_device_and_takes_the_slot_in_one_append(branch: Branch) -> None:
    assert branch.told(issue()) == [*OF_THE_ISSUE, *BOUND]

    assert branch.device().customer == ALICE
    assert branch.customer().devices == (PHONE,)


def test_a_customer_and_a_device_may_be_called_by_their_names(branch: Branch) -> None:
    branch.told(issue(person=name(f"number of {ALICE}"), device=key_of(PHONE)))

    assert branch.customer().holding(KIND) == (HELD,)


def test_the_slot_of_a_person_is_one_device(branch: Branch) -> None:
    branch.told(issue())

    assert branch.refused(issue(NEXT, device=OTHER_PHONE, kind=Kind.MOBILE_OTP)) is Refusal.DEVICE_SLOT


def test_a_device_of_one_person_is_not_bound_to_another(branch: Branch) -> None:
    branch.told(issue())

    assert branch.refused(issue(NEXT, person=BOB)) is Refusal.DEVICE_TAKEN


def test_a_person_holds_one_live_credential_of_a_kind(branch: Branch) -> None:
    branch.told(issue())

    assert branch.refused(issue(NEXT, at=MARCH)) is Refusal.ALREADY_HELD


# --- What an officer has to have seen


def test_without_the_reference_of_an_identification_nothing_is_issued(branch: Branch) -> None:
    assert branch.refused(issue(evidence=None)) is Refusal.EVIDENCE
    assert branch.refused(issue(evidence="")) is Refusal.EVIDENCE


def test_the_identification_at_the_counter_is_on_the_record(branch: Branch) -> None:
    branch.told(issue(evidence="proofing-7"))

    issued = branch.store.stream(HELD)[0].event
    assert isinstance(issued, Issued)
    assert (issued.evidence, issued.identified_at) == ("proofing-7", FEBRUARY)


@pytest.mark.parametrize("attestation", [None, Attestation(level=StorageLevel.SOFTWARE, digest="a2")])
def test_a_key_that_is_not_kept_well_enough_is_not_taken(branch: Branch, attestation: Attestation | None) -> None:
    assert branch.refused(issue(attestation=attestation)) is Refusal.ATTESTATION


def test_a_key_that_is_kept_elsewhere_needs_no_word_of_the_device(branch: Branch) -> None:
    cloud = issue(kind=Kind.FINANCIAL_CERTIFICATE, policy_id="F3", attestation=None)

    assert branch.told(cloud) == [*OF_THE_ISSUE[:2], *BOUND]


def test_what_has_a_fee_is_applied_for(branch: Branch) -> None:
    assert branch.refused(issue(kind=Kind.JOINT_UNIVERSAL, policy_id="J1")) is Refusal.FEE_UNPAID


def test_an_issue_at_the_counter_is_for_who_may_hold_the_kind(branch: Branch) -> None:
    assert branch.refused(issue(person=COMPANY)) is Refusal.NOT_ELIGIBLE


def test_an_application_is_not_issued_over_at_the_counter(branch: Branch) -> None:
    branch.told(apply())

    assert branch.refused(issue()) is Refusal.ALREADY_HELD
    assert branch.refused(issue(kind=Kind.MOBILE_OTP)) is Refusal.MISMATCH


def test_without_a_policy_in_force_nothing_is_issued(memory_store: MemoryEventStore) -> None:
    branch = Branch(memory_store)
    branch.told(enroll(ALICE), register(PHONE))

    assert branch.refused(issue()) is Refusal.NO_POLICY


def test_a_credential_name_that_is_taken_refuses_the_issue(branch: Branch) -> None:
    number = name("C", NameKind.CREDENTIAL)
    branch.told(replace(issue(), name=number))

    second = replace(issue(NEXT, person=BOB, device=OTHER_PHONE), name=number)

    assert branch.refused(second) is Refusal.DUPLICATE


# --- What it replaces


def test_a_replacement_revokes_the_old_one_as_superseded(branch: Branch) -> None:
    branch.told(issue())

    branch.told(issue(NEXT, replaces=HELD, at=MARCH))

    revoked, issued = branch.store.stream(HELD)[-1].event, branch.store.stream(NEXT)[0].event
    assert isinstance(revoked, Revoked)
    assert isinstance(issued, Issued)
    assert (revoked.reason, issued.replaces) == ("superseded", HELD)
    assert branch.customer().holding(KIND) == (NEXT,)


def test_a_replacement_of_a_revoked_credential_leaves_it_as_it_was(branch: Branch) -> None:
    branch.told(issue(), on(Revoke(at=MARCH, reason="lost")))
    before = branch.store.stream(HELD)

    assert branch.told(issue(NEXT, replaces=HELD, at=MARCH)) == [*OF_THE_ISSUE, *BOUND]
    assert branch.store.stream(HELD) == before


def test_another_customers_credential_is_not_replaced(branch: Branch) -> None:
    branch.told(issue())

    assert branch.refused(issue(NEXT, person=BOB, device=OTHER_PHONE, replaces=HELD)) is Refusal.NOT_FOUND


@pytest.mark.parametrize("noticed", [True, False], ids=["the lapse is recorded", "nobody has noticed the lapse"])
def test_what_has_lapsed_is_replaced_whoever_notices(branch: Branch, noticed: bool) -> None:
    branch.told(issue())
    if noticed:
        branch.told(on(Settle(at=AFTER_THE_END)))

    branch.told(issue(NEXT, replaces=HELD, at=AFTER_THE_END))

    assert branch.customer().holding(KIND) == (NEXT,)


# --- What ends it


def test_what_time_alone_has_ended_is_closed_by_the_next_issue(branch: Branch) -> None:
    branch.told(issue())

    events = branch.told(issue(NEXT, at=AFTER_THE_END))

    assert events == ["credential.expired", "customer.credential_closed", *OF_THE_ISSUE]
    assert branch.customer().holding(KIND) == (NEXT,)


def test_a_revocation_closes_the_credential_and_frees_the_slot(branch: Branch) -> None:
    branch.told(issue())

    assert branch.told(on(Revoke(at=MARCH, reason="lost"))) == [
        "credential.revoked",
        "customer.credential_closed",
        "device.released",
        "customer.device_slot_released",
    ]
    assert branch.customer().open_credentials == ()


def test_a_released_device_frees_its_slot_and_may_be_bound_again(branch: Branch) -> None:
    branch.told(issue(), on(Settle(at=AFTER_THE_END)))

    events = branch.told(ReleaseDevice(at=AFTER_THE_END, device=PHONE))
    branch.told(issue(NEXT, person=BOB, at=AFTER_THE_END))

    assert events == ["device.released", "customer.device_slot_released"]
    assert branch.customer().devices == ()
    assert branch.device().customer == BOB


def test_releasing_an_unbound_device_is_nothing_new(branch: Branch) -> None:
    assert branch.told(ReleaseDevice(at=FEBRUARY, device=PHONE)) == []


def test_a_lapse_that_a_use_finds_closes_the_credential(branch: Branch) -> None:
    branch.told(issue())

    refusal, events = branch.noted(USE(HELD, device=PHONE, at=AFTER_THE_END).request)

    assert refusal is Refusal.EXPIRED
    assert events == ["credential.expired", "credential.use_refused", "customer.credential_closed"]
    assert branch.customer().open_credentials == ()
    assert branch.store.stream(ALICE)[-1].event.at < AFTER_THE_END - timedelta(days=1)


# --- What is not there

WRONG: dict[str, tuple[Request, Refusal]] = {
    "release of an unknown device": (ReleaseDevice(at=FEBRUARY, device=NO_PHONE), Refusal.DEVICE_STATE),
    "issue to nobody": (issue(person=NOBODY), Refusal.CUSTOMER_STATE),
    "issue to no name": (issue(person=name("nobody")), Refusal.NOT_FOUND),
    "issue on no device": (issue(device=NO_PHONE), Refusal.DEVICE_STATE),
    "issue to a device": (issue(person=PHONE), Refusal.NOT_FOUND),
    "use of nothing": (USE(NOTHING, device=PHONE).request, Refusal.NOT_ISSUED),
    "use of a customer": (USE(ALICE, device=PHONE).request, Refusal.NOT_FOUND),
    "a name that is taken": (replace(enroll(NOBODY), name=enroll(ALICE).name), Refusal.DUPLICATE),
    "an identity that is taken": (replace(enroll(NOBODY), identity=enroll(ALICE).identity), Refusal.DUPLICATE),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_there_is_refused_by_its_own_code(branch: Branch, what: str) -> None:
    request, refusal = WRONG[what]

    assert branch.refused(request) is refusal


def test_an_id_is_given_once(branch: Branch) -> None:
    branch.told(issue())
    again: IssueCredential = issue(kind=Kind.MOBILE_OTP)

    assert branch.refused(again) is Refusal.ALREADY_ISSUED
