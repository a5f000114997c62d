"""Another phone: what moves to it, what ends, and who vouches for it."""

from datetime import timedelta
from uuid import UUID

import pytest

from sealbook.application.requests import OnCustomer, OnDevice, ReplaceDevice, ReportLoss
from sealbook.domain import customer, device
from sealbook.domain.credential import Revoke, Revoked
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, RevocationReason
from tests.application.branch import (
    ALICE,
    BOB,
    HELD,
    NEW_PHONE,
    NEXT,
    NO_PHONE,
    OTHER_PHONE,
    PHONE,
    THIRD,
    Branch,
    apply,
    issue,
    lapsed_by,
    on,
)
from tests.commands import FEBRUARY, MARCH

REPLACED = ["device.released", "customer.device_slot_released", "device.bound", "customer.device_slot_taken"]
ENDED = ["credential.revoked", "customer.credential_closed"]
OFFER = OnDevice(device=PHONE, command=device.OfferHandover(at=MARCH))


@pytest.fixture
def branch(branch: Branch) -> Branch:
    """Alice has a certificate in her phone and one in the cloud."""
    branch.issue_by_steps(apply())
    branch.issue_by_steps(apply(NEXT, kind=Kind.FINANCIAL_CERTIFICATE))
    return branch


def replacement(*, new: UUID = NEW_PHONE, evidence: str | None = "branch-1", minutes: int = 0) -> ReplaceDevice:
    return ReplaceDevice(at=MARCH + timedelta(minutes=minutes), old=PHONE, new=new, evidence=evidence)


def test_the_slot_goes_to_the_new_phone_with_what_moves_and_the_rest_ends(branch: Branch) -> None:
    assert branch.told(replacement()) == [*REPLACED, "credential.moved", *ENDED]

    assert branch.customer().devices == (NEW_PHONE,)
    assert (branch.device(PHONE).customer, branch.device(NEW_PHONE).customer) == (None, ALICE)
    assert (branch.credential(NEXT).device, branch.credential(NEXT).revoked) == (NEW_PHONE, False)
    reasons = [each.event.reason for each in branch.store.stream(HELD) if isinstance(each.event, Revoked)]
    assert reasons == [RevocationReason.SUPERSEDED]


def test_what_moved_is_used_on_the_new_phone_only(branch: Branch) -> None:
    branch.told(replacement())

    assert branch.told(branch.script.use(NEXT, device=NEW_PHONE).request) == ["credential.used"]
    assert branch.noted(branch.script.use(NEXT, device=PHONE).request)[0] is Refusal.WRONG_DEVICE


def test_what_ended_is_set_up_anew_by_the_short_path(branch: Branch) -> None:
    branch.told(replacement())

    branch.issue_by_steps(apply(THIRD, device=NEW_PHONE, replaces=HELD, at=MARCH))

    assert branch.credential(THIRD).identified_at == FEBRUARY


def test_an_application_on_the_old_phone_is_abandoned(branch: Branch) -> None:
    branch.told(apply(THIRD, kind=Kind.MOBILE_OTP, at=MARCH))

    events = branch.told(replacement())

    assert events[-2:] == ["credential.application_abandoned", "customer.credential_closed"]
    assert branch.application(THIRD).ended_at == MARCH


def test_an_application_whose_time_is_over_is_in_nobodys_way(branch: Branch) -> None:
    branch.told(apply(THIRD, kind=Kind.MOBILE_OTP))

    events = branch.told(replacement())

    assert "credential.application_abandoned" in events
    assert branch.application(THIRD).open_until == branch.application(THIRD).ended_at


# --- Who vouches for it


def test_the_old_phone_vouches_by_a_code_of_ten_minutes(branch: Branch) -> None:
    assert branch.refused(replacement(evidence=None)) is Refusal.EVIDENCE
    assert branch.told(OFFER) == ["device.handover_offered"]

    assert branch.refused(replacement(evidence=None, minutes=10)) is Refusal.CODE_EXPIRED
    assert branch.told(replacement(evidence=None, minutes=9))[:4] == REPLACED


def test_a_lost_phone_vouches_for_nothing(branch: Branch) -> None:
    branch.told(OFFER, ReportLoss(at=MARCH, lost=PHONE))

    assert branch.refused(replacement(evidence=None)) is Refusal.EVIDENCE
    branch.told(replacement())


def test_what_is_held_stays_held_on_the_new_phone(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE), replacement())

    assert branch.credential(NEXT).device == NEW_PHONE
    assert branch.credential(NEXT).suspended


def test_nothing_of_a_stolen_phone_moves(branch: Branch) -> None:
    branch.told(ReportLoss(at=MARCH, lost=PHONE, theft=True))

    assert branch.told(replacement()) == [*REPLACED, *ENDED, *ENDED]


# --- What cannot be


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        (PHONE, Refusal.DEVICE_STATE),
        (NO_PHONE, Refusal.DEVICE_STATE),
        (OTHER_PHONE, Refusal.DEVICE_TAKEN),
    ],
    ids=["itself", "not registered", "another person's"],
)
def test_some_phones_take_the_place_of_none(branch: Branch, new: UUID, refusal: Refusal) -> None:
    branch.told(issue(THIRD, person=BOB, device=OTHER_PHONE))

    assert branch.refused(replacement(new=new)) is refusal
    assert branch.device().customer == ALICE


def test_a_phone_that_is_bound_to_nobody_is_not_replaced(branch: Branch) -> None:
    request = ReplaceDevice(at=MARCH, old=OTHER_PHONE, new=NEW_PHONE, evidence="e")

    assert branch.refused(request) is Refusal.DEVICE_STATE


def test_a_phone_that_nothing_is_on_is_not_replaced(branch: Branch) -> None:
    request = ReplaceDevice(at=lapsed_by(), old=PHONE, new=NEW_PHONE, evidence="e")

    assert branch.refused(request) is Refusal.DEVICE_STATE


def test_a_restricted_customer_replaces_no_phone(branch: Branch) -> None:
    branch.told(OnCustomer(customer=ALICE, command=customer.Restrict(at=MARCH, reason="fraud")))

    assert branch.refused(replacement()) is Refusal.CUSTOMER_STATE


def test_a_new_phone_is_as_the_kinds_that_move_to_it_ask(branch: Branch) -> None:
    branch.told(OnDevice(device=NEW_PHONE, command=device.ObserveIntegrity(at=MARCH, rooted=True)))

    assert branch.told(replacement()) == [*REPLACED, "credential.moved", *ENDED]


def test_if_nothing_moves_a_new_phone_is_as_the_kinds_ask_that_were_on_the_old_one(branch: Branch) -> None:
    branch.told(
        on(Revoke(at=FEBRUARY), NEXT),
        OnDevice(device=NEW_PHONE, command=device.ObserveIntegrity(at=MARCH, rooted=True)),
    )

    assert branch.refused(replacement()) is Refusal.INTEGRITY
