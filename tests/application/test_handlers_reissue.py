"""Reissue: the new credential ends the old one when it is issued, not before."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sealbook.application.requests import OnApplication, OnPolicy, ReportLoss
from sealbook.domain import policy
from sealbook.domain.credential import Abandon, Applied, Issued, Revoke, Revoked
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind, RevocationReason, Step
from tests.application.branch import (
    ALICE,
    BOB,
    HELD,
    NEW_PHONE,
    NEXT,
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
from tests.commands import A_YEAR_LATER, FEBRUARY, JANUARY, MARCH
from tests.domain.examples import JOINT, document, kinds_with

SUPERSEDED = RevocationReason.SUPERSEDED


def reissue(branch: Branch, *, device: UUID = PHONE) -> list[str]:
    return branch.issue_by_steps(apply(NEXT, device=device, replaces=HELD, at=MARCH))


def adopt(policy_id: str, document: RenewalPolicy) -> OnPolicy:
    return OnPolicy(policy_id=policy_id, stream=NOTHING, command=policy.Adopt(at=JANUARY, document=document))


def ended(branch: Branch) -> Revoked:
    *_, last = branch.store.stream(HELD)
    assert isinstance(last.event, Revoked)
    return last.event


def test_the_old_one_stays_until_the_new_one_is_issued(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    branch.told(apply(NEXT, replaces=HELD, at=MARCH))

    assert branch.customer().holding(Kind.KB_MOBILE_CERTIFICATE) == (HELD, NEXT)
    assert branch.told(branch.script.use(HELD, device=PHONE).request) == ["credential.used"]
    branch.pass_steps(NEXT, at=MARCH)
    assert branch.told(complete(NEXT, at=MARCH)) == [
        "credential.issued",
        "credential.key_attested",
        "credential.revoked",
        "customer.credential_closed",
    ]
    assert (ended(branch).reason, ended(branch).at) == (SUPERSEDED, MARCH)


def test_a_reissue_that_is_given_up_leaves_the_old_one_alone(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    before = branch.credential()

    branch.told(apply(NEXT, replaces=HELD, at=MARCH), OnApplication(credential=NEXT, command=Abandon(at=MARCH)))

    assert branch.credential() == before
    assert branch.customer().holding(Kind.KB_MOBILE_CERTIFICATE) == (HELD,)


def test_on_another_device_the_slot_goes_with_the_new_one(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    events = reissue(branch, device=NEW_PHONE)

    assert events[-5:] == [
        "customer.credential_closed",
        "device.released",
        "customer.device_slot_released",
        "device.bound",
        "customer.device_slot_taken",
    ]
    assert branch.customer().devices == (NEW_PHONE,)
    assert (branch.device(PHONE).customer, branch.device(NEW_PHONE).customer) == (None, ALICE)


def test_while_something_else_is_on_the_old_device_its_slot_stays_taken(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    branch.issue_by_steps(apply(THIRD, kind=Kind.MOBILE_OTP))
    branch.told(apply(NEXT, device=NEW_PHONE, replaces=HELD, at=MARCH))
    branch.pass_steps(NEXT, at=MARCH)

    assert branch.refused(complete(NEXT, at=MARCH)) is Refusal.DEVICE_SLOT
    assert not branch.credential().revoked


@pytest.mark.parametrize("reason", [RevocationReason.KEY_COMPROMISE, RevocationReason.UNSPECIFIED])
def test_what_was_revoked_already_stays_as_it_was(branch: Branch, reason: RevocationReason) -> None:
    branch.issue_by_steps(apply())
    branch.told(on(Revoke(at=FEBRUARY, reason=reason)))

    reissue(branch)

    assert (ended(branch).reason, ended(branch).at) == (reason, FEBRUARY)
    issued = branch.store.stream(NEXT)[-2].event
    assert isinstance(issued, Issued)
    assert issued.replaces == HELD


def test_what_was_held_for_a_loss_is_replaced(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    branch.told(ReportLoss(at=MARCH, lost=HELD))

    reissue(branch, device=NEW_PHONE)

    assert ended(branch).reason == SUPERSEDED
    assert branch.credential(NEXT).device == NEW_PHONE


@pytest.mark.parametrize(("at", "short"), [(MARCH, True), (A_YEAR_LATER, False)], ids=["fresh", "a year ago"])
def test_the_path_is_short_while_the_last_identification_is_fresh(branch: Branch, at: datetime, short: bool) -> None:
    branch.issue_by_steps(apply())

    branch.told(apply(NEXT, replaces=HELD, at=at))

    (applied,) = (recorded.event for recorded in branch.store.stream(NEXT) if isinstance(recorded.event, Applied))
    assert (Step.ID_DOCUMENT not in applied.steps) is short
    assert applied.replaces == HELD


def test_a_short_path_does_not_make_the_identification_younger(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    reissue(branch)

    assert branch.credential(NEXT).identified_at == FEBRUARY


def test_a_policy_may_keep_the_old_end(branch: Branch) -> None:
    keeping = preset_policies()["J1"].model_copy(update={"version": 2, "reissue_validity": "keep"})
    branch.told(adopt("J1", keeping))
    branch.issue_by_steps(apply(kind=Kind.JOINT_UNIVERSAL))

    branch.issue_by_steps(apply(NEXT, kind=Kind.JOINT_UNIVERSAL, replaces=HELD, at=MARCH))

    assert branch.credential(NEXT).expires_at == branch.credential(HELD).expires_at


def test_the_old_end_that_is_kept_is_the_one_that_the_clock_has_decided(branch: Branch) -> None:
    keeping = document("X", version=2, renew_on="expiry", reissue_validity="keep")
    branch.told(adopt("X", keeping))
    branch.issue_by_steps(replace(apply(), policy_id="X"))
    branch.told(branch.script.use(HELD, device=PHONE, at=A_YEAR_LATER).request)
    first_end = branch.credential().expires_at
    assert first_end is not None

    wish = replace(apply(NEXT, replaces=HELD, at=first_end - timedelta(days=1)), policy_id="X")
    branch.told(wish)
    branch.pass_steps(NEXT, at=wish.at)
    branch.told(complete(NEXT, at=first_end + timedelta(days=1)))

    renewed_end = branch.credential(HELD).expires_at
    assert renewed_end is not None
    assert renewed_end > first_end
    assert branch.credential(NEXT).expires_at == renewed_end


def test_another_customers_credential_is_not_replaced(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    assert branch.refused(apply(NEXT, person=BOB, device=OTHER_PHONE, replaces=HELD)) is Refusal.NOT_FOUND


def test_what_was_not_issued_is_not_replaced(branch: Branch) -> None:
    branch.told(apply())

    assert branch.refused(apply(NEXT, replaces=HELD)) is Refusal.APPLYING
    branch.told(OnApplication(credential=HELD, command=Abandon(at=FEBRUARY)))
    assert branch.refused(apply(NEXT, replaces=HELD)) is Refusal.APPLICATION_ENDED
    assert branch.refused(apply(NEXT, replaces=THIRD)) is Refusal.NOT_ISSUED


def test_a_credential_is_replaced_by_one_application_at_a_time(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    branch.told(apply(NEXT, replaces=HELD, at=MARCH))

    assert branch.refused(apply(THIRD, replaces=HELD, at=MARCH)) is Refusal.ALREADY_HELD


def test_a_reissue_has_its_fee(branch: Branch) -> None:
    branch.kinds = kinds_with(JOINT, fees={"issue_personal_krw": 5_000})
    branch.issue_by_steps(apply(kind=Kind.JOINT_UNIVERSAL))

    branch.told(apply(NEXT, kind=Kind.JOINT_UNIVERSAL, replaces=HELD, at=MARCH))

    assert branch.application(NEXT).fee_krw == 5_000
    assert branch.application(NEXT).due[-2:] == (Step.FEE, Step.KEY)


def test_at_the_counter_what_has_lapsed_is_replaced_as_well(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    branch.told(issue(NEXT, replaces=HELD, at=lapsed_by()))

    assert branch.credential(HELD).lapsed_at is not None
    assert not branch.credential(HELD).revoked
