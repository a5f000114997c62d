"""Devices: whose they are, and what becomes of the credentials on one that is lost, found or given back."""

from datetime import timedelta
from uuid import UUID

import pytest

from sealbook.application.adopting import AdoptIssued
from sealbook.application.names import NameKind
from sealbook.application.requests import (
    OnApplication,
    OnDevice,
    RecoverDevice,
    ReleaseDevice,
    ReportLoss,
)
from sealbook.domain import device
from sealbook.domain.credential import Abandon, Resume, Revoke, Suspend
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, PolicyRef, SuspensionReason
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEXT,
    NO_PHONE,
    NOTHING,
    OTHER_PHONE,
    PHONE,
    THIRD,
    Branch,
    apply,
    complete,
    issue,
    lapsed_by,
    on,
)
from tests.commands import FEBRUARY, MARCH, name

LOST = ["credential.loss_reported", "credential.suspended"]


@pytest.fixture
def branch(branch: Branch) -> Branch:
    """Alice has a certificate and a mobile OTP on her phone."""
    branch.issue_by_steps(apply())
    branch.issue_by_steps(apply(NEXT, kind=Kind.MOBILE_OTP))
    return branch


# --- Release


def test_a_device_is_not_given_back_while_it_is_used(branch: Branch) -> None:
    branch.told(on(Revoke(at=MARCH)))

    assert branch.refused(ReleaseDevice(at=MARCH, device=PHONE)) is Refusal.DEVICE_STATE
    assert branch.device().customer == ALICE


def test_with_its_last_credential_a_device_is_given_back(branch: Branch) -> None:
    branch.told(on(Revoke(at=MARCH)))

    events = branch.told(on(Revoke(at=MARCH), NEXT))

    assert events[-2:] == ["device.released", "customer.device_slot_released"]
    assert branch.told(ReleaseDevice(at=MARCH, device=PHONE)) == []


def test_what_time_has_ended_keeps_no_device(branch: Branch) -> None:
    events = branch.told(ReleaseDevice(at=lapsed_by(), device=PHONE))

    assert events.count("credential.expired") == 2
    assert events[-2:] == ["device.released", "customer.device_slot_released"]


def test_an_application_whose_time_is_over_keeps_no_device(branch: Branch) -> None:
    branch.told(on(Revoke(at=FEBRUARY)), on(Revoke(at=FEBRUARY), NEXT), apply(THIRD))
    branch.pass_steps(THIRD)
    branch.told(complete(THIRD), apply(NOTHING, kind=Kind.FINANCIAL_CERTIFICATE))

    assert branch.refused(ReleaseDevice(at=FEBRUARY, device=PHONE)) is Refusal.DEVICE_STATE
    events = branch.told(ReleaseDevice(at=lapsed_by(), device=PHONE))
    assert "credential.application_abandoned" in events


def test_what_is_over_does_not_touch_who_has_the_device_now(branch: Branch) -> None:
    branch.told(on(Revoke(at=FEBRUARY)), on(Revoke(at=FEBRUARY), NEXT))
    branch.told(issue(THIRD, person=BOB))

    refusal, events = branch.noted(branch.script.use(HELD, device=PHONE).request)

    assert (refusal, events) == (Refusal.REVOKED, ["credential.use_refused"])
    assert branch.device().customer == BOB


# --- Loss


@pytest.mark.parametrize("lost", [PHONE, HELD, NEXT], ids=["the device", "a credential on it", "another one on it"])
def test_a_loss_holds_the_device_and_all_on_it_in_one_append(branch: Branch, lost: UUID) -> None:
    outcome = branch.ask(ReportLoss(at=MARCH, lost=lost))

    assert outcome.stream == lost
    assert [event.stored.name for event in outcome.events] == [*LOST, *LOST, "device.suspended"]
    for held in (HELD, NEXT):
        assert branch.credential(held).reported_at == MARCH
        assert branch.noted(branch.script.use(held, device=PHONE).request)[0] is Refusal.SUSPENDED


@pytest.mark.parametrize("again", [PHONE, HELD])
def test_a_loss_that_is_reported_again_is_nothing_new(branch: Branch, again: UUID) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE))

    assert branch.told(ReportLoss(at=MARCH + timedelta(days=1), lost=again)) == []
    assert branch.credential().reported_at == MARCH


def test_a_loss_that_turns_out_to_be_a_theft_is_reported_as_one(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE))

    assert branch.told(ReportLoss(at=MARCH, lost=PHONE, theft=True)) == [
        "credential.loss_reported",
        "credential.loss_reported",
        "device.suspended",
    ]
    assert branch.credential().suspended_for == SuspensionReason.THEFT_REPORTED


def test_a_customer_who_tells_of_a_loss_has_lost_every_device(branch: Branch) -> None:
    assert branch.told(ReportLoss(at=MARCH, lost=ALICE)) == [*LOST, *LOST, "device.suspended"]
    assert branch.told(ReportLoss(at=MARCH, lost=ALICE)) == []
    assert branch.told(ReportLoss(at=MARCH, lost=BOB)) == []


def test_another_persons_credentials_are_not_held(branch: Branch) -> None:
    branch.told(issue(THIRD, person=BOB, device=OTHER_PHONE), ReportLoss(at=MARCH, lost=PHONE))

    assert not branch.credential(THIRD).suspended


def test_what_came_in_with_a_history_is_held_without_a_device(branch: Branch) -> None:
    adopted = AdoptIssued(
        at=FEBRUARY,
        credential=THIRD,
        name=name("9-1", NameKind.CREDENTIAL),
        customer=name("9-1"),
        customer_stream=NOTHING,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        policy=PolicyRef("D", 1),
        provenance="a test",
    )
    branch.told(adopted)

    assert branch.told(ReportLoss(at=MARCH, lost=THIRD)) == LOST


def test_what_has_ended_is_not_held_for_a_loss(branch: Branch) -> None:
    branch.told(on(Revoke(at=FEBRUARY)))

    assert branch.told(ReportLoss(at=MARCH, lost=HELD)) == [*LOST, "device.suspended"]
    assert not branch.credential().suspended


def test_a_loss_of_what_is_over_does_not_touch_who_has_the_device_now(branch: Branch) -> None:
    branch.told(on(Revoke(at=FEBRUARY)), on(Revoke(at=FEBRUARY), NEXT), issue(THIRD, person=BOB))

    assert branch.told(ReportLoss(at=MARCH, lost=HELD)) == []
    assert not branch.device().suspended


def test_a_loss_of_an_application_does_not_touch_another_persons_device(branch: Branch) -> None:
    branch.told(apply(THIRD, person=BOB, device=PHONE))

    assert branch.told(ReportLoss(at=FEBRUARY, lost=THIRD)) == []
    assert not branch.device().suspended


def test_a_device_without_an_owner_is_reported_lost_as_well(branch: Branch) -> None:
    branch.told(apply(THIRD, person=BOB, device=OTHER_PHONE))

    assert branch.told(ReportLoss(at=FEBRUARY, lost=OTHER_PHONE)) == ["device.suspended"]


def test_what_nobody_knows_is_not_lost(branch: Branch) -> None:
    assert branch.refused(ReportLoss(at=MARCH, lost=NOTHING)) is Refusal.NOT_FOUND
    policy = branch.store.load(streams=[], names=[name("D", NameKind.POLICY)], commands=[]).names.values()
    assert [branch.refused(ReportLoss(at=MARCH, lost=each)) for each in policy] == [Refusal.NOT_FOUND]


# --- Recovery


def found(evidence: str | None = "branch-1", *, at_days: int = 0) -> RecoverDevice:
    return RecoverDevice(at=MARCH + timedelta(days=at_days), device=PHONE, evidence=evidence)


def test_a_device_that_is_found_brings_back_what_was_held_for_its_loss(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE))

    assert branch.refused(found(None)) is Refusal.EVIDENCE
    assert branch.told(found()) == ["device.restored", "credential.resumed", "credential.resumed"]
    assert branch.credential().reported_at is None
    assert branch.told(branch.script.use(HELD, device=PHONE).request) == ["credential.used"]


def test_what_was_held_for_something_else_stays_held(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE), on(Resume(at=MARCH, evidence="branch-1")), on(Suspend(at=MARCH)))

    assert branch.told(found()) == ["device.restored", "credential.resumed"]
    assert branch.credential().suspended


def test_an_application_on_a_device_that_is_found_goes_on(branch: Branch) -> None:
    branch.told(on(Revoke(at=FEBRUARY), NEXT), apply(THIRD, kind=Kind.MOBILE_OTP, at=MARCH))
    branch.told(ReportLoss(at=MARCH, lost=PHONE))

    assert branch.told(found()) == ["device.restored", "credential.resumed"]
    branch.pass_steps(THIRD, at=MARCH)
    branch.told(complete(THIRD, at=MARCH))


def test_what_was_held_for_too_long_stays_held(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE))

    assert branch.told(found(at_days=90)) == ["device.restored"]
    assert branch.refused(on(Resume(at=MARCH + timedelta(days=90), evidence="branch-1"))) is Refusal.EXPIRED


def test_a_stolen_device_does_not_come_back(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE, theft=True))

    assert branch.refused(found()) is Refusal.PERMANENT
    assert branch.refused(on(Resume(at=MARCH, evidence="branch-1"))) is Refusal.PERMANENT


def test_a_device_that_is_not_lost_is_not_found(branch: Branch) -> None:
    assert branch.told(found()) == []
    assert branch.refused(RecoverDevice(at=MARCH, device=NO_PHONE, evidence="e")) is Refusal.DEVICE_STATE


def test_a_device_without_an_owner_is_found_as_well(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=OTHER_PHONE))

    assert branch.told(RecoverDevice(at=MARCH, device=OTHER_PHONE, evidence="e")) == ["device.restored"]


def test_a_company_loses_a_device_as_a_person_does(branch: Branch) -> None:
    branch.told(issue(THIRD, person=COMPANY, device=OTHER_PHONE, kind=Kind.MOBILE_OTP))

    assert branch.told(ReportLoss(at=MARCH, lost=OTHER_PHONE)) == [*LOST, "device.suspended"]


# --- Upkeep


def test_what_is_seen_of_a_device_moves_it_alone(branch: Branch) -> None:
    updated = OnDevice(device=PHONE, command=device.UpdateApp(at=MARCH, version="6.3.0", keys_kept=True))

    assert branch.told(updated, updated) == ["device.app_updated"]
    assert branch.device().app.version == "6.3.0"
    older = OnDevice(device=PHONE, command=device.UpdateApp(at=MARCH, version="6.1.0", keys_kept=True))
    assert branch.refused(older) is Refusal.VERSION


def test_the_end_of_an_application_leaves_its_device_alone(branch: Branch) -> None:
    branch.told(apply(THIRD, kind=Kind.FINANCIAL_CERTIFICATE))

    branch.told(OnApplication(credential=THIRD, command=Abandon(at=FEBRUARY)))

    assert branch.customer().devices == (PHONE,)
