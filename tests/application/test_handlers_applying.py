"""Who may apply, for what, on which device; and what must still hold when the key comes."""

from dataclasses import replace
from uuid import UUID

import pytest

from sealbook.application.requests import (
    ApplyForCredential,
    CompleteApplication,
    OnApplication,
    OnCustomer,
    OnDevice,
    RegisterDevice,
    ReportLoss,
)
from sealbook.domain import customer, device
from sealbook.domain.credential import Abandon, Attestation
from sealbook.domain.device import App
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, LockScreen, Service, StorageLevel
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEXT,
    NO_PHONE,
    NOBODY,
    OTHER_PHONE,
    PHONE,
    Branch,
    apply,
    complete,
    issue,
    key_of,
    lapsed_by,
)
from tests.commands import FEBRUARY, JANUARY, MARCH
from tests.domain.examples import MOBILE, kinds_with

SOFTWARE = Attestation(level=StorageLevel.SOFTWARE, digest="a2")
LEAVE = OnCustomer(customer=ALICE, command=customer.LeaveService(at=FEBRUARY, service=Service.INTERNET_BANKING))
RESTRICT = OnCustomer(customer=ALICE, command=customer.Restrict(at=FEBRUARY, reason="fraud"))


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (apply(person=NOBODY), Refusal.CUSTOMER_STATE),
        (apply(person=COMPANY), Refusal.NOT_ELIGIBLE),
        (apply(device=NO_PHONE), Refusal.DEVICE_STATE),
        (apply(purpose="shopping"), Refusal.SCOPE),
        (replace(apply(kind=Kind.MOBILE_OTP), policy_id=None), Refusal.NO_POLICY),
    ],
    ids=["nobody", "a company", "no device", "a foreign purpose", "a kind without a policy"],
)
def test_what_may_not_be_applied_for_is_refused(branch: Branch, wish: ApplyForCredential, refusal: Refusal) -> None:
    assert branch.refused(wish) is refusal


def test_a_kind_that_the_bank_does_not_issue_is_not_applied_for(branch: Branch) -> None:
    branch.kinds = replace(branch.kinds, kinds={MOBILE.kind: MOBILE})

    assert branch.refused(apply(kind=Kind.FINANCIAL_CERTIFICATE)) is Refusal.NOT_ELIGIBLE


def test_a_financial_certificate_is_for_members_of_internet_banking(branch: Branch) -> None:
    branch.told(LEAVE)

    assert branch.refused(apply(kind=Kind.FINANCIAL_CERTIFICATE)) is Refusal.NOT_ELIGIBLE
    branch.told(apply(NEXT))


def test_a_restricted_customer_does_not_apply(branch: Branch) -> None:
    branch.told(RESTRICT)

    assert branch.refused(apply()) is Refusal.CUSTOMER_STATE


def test_one_application_or_credential_of_a_kind_at_a_time(branch: Branch) -> None:
    branch.told(apply())

    assert branch.refused(apply(NEXT)) is Refusal.ALREADY_HELD
    assert branch.refused(apply(kind=Kind.MOBILE_OTP)) is Refusal.DUPLICATE
    branch.told(apply(NEXT, kind=Kind.MOBILE_OTP))


def test_who_gave_up_may_apply_anew(branch: Branch) -> None:
    branch.told(apply(), OnApplication(credential=HELD, command=Abandon(at=FEBRUARY)))

    assert branch.refused(apply()) is Refusal.DUPLICATE
    branch.told(apply(NEXT))


def test_an_old_app_or_one_of_another_store_is_updated_first(branch: Branch) -> None:
    for number, app in enumerate((App(version="5.9", store="google_play"), App(version="6.2", store="a web page"))):
        phone = UUID(int=100 + number)
        branch.told(
            RegisterDevice(at=JANUARY, device=phone, key=key_of(phone), model="phone", os_version="15", app=app)
        )
        assert branch.refused(apply(device=phone)) is Refusal.APP_OUTDATED


def test_a_device_is_registered_once_by_its_key(branch: Branch) -> None:
    again = RegisterDevice(
        at=FEBRUARY,
        device=NO_PHONE,
        key=key_of(PHONE),
        model="phone",
        os_version="15",
        app=App(version="6.2.0", store="google_play"),
    )

    assert branch.refused(again) is Refusal.DEVICE_TAKEN


# --- When the key comes


@pytest.mark.parametrize("attestation", [None, SOFTWARE], ids=["none", "in software only"])
def test_a_key_that_is_not_kept_well_enough_is_not_taken(branch: Branch, attestation: Attestation | None) -> None:
    branch.told(apply())
    branch.pass_steps()

    assert branch.refused(complete(attestation=attestation)) is Refusal.ATTESTATION
    branch.told(complete())


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [
        (RESTRICT, Refusal.CUSTOMER_STATE),
        (ReportLoss(at=FEBRUARY, lost=PHONE), Refusal.DEVICE_STATE),
        (OnDevice(device=PHONE, command=device.Retire(at=FEBRUARY)), Refusal.DEVICE_STATE),
        (OnDevice(device=PHONE, command=device.ObserveIntegrity(at=FEBRUARY, rooted=True)), Refusal.INTEGRITY),
        (issue(NEXT, person=BOB), Refusal.DEVICE_TAKEN),
        (issue(NEXT, device=OTHER_PHONE, kind=Kind.MOBILE_OTP), Refusal.DEVICE_SLOT),
    ],
    ids=["restricted", "lost", "retired", "rooted", "bound to another person", "no slot"],
)
def test_what_came_between_the_steps_and_the_key_keeps_it_from_the_issue(
    branch: Branch, meanwhile: OnCustomer | ReportLoss | OnDevice, refusal: Refusal
) -> None:
    branch.told(apply())
    branch.pass_steps()
    branch.told(meanwhile)

    assert branch.refused(complete()) is refusal


def test_a_kind_may_demand_a_strong_lock_screen(branch: Branch) -> None:
    branch.kinds = kinds_with(MOBILE, on_device={"lock_screen": "require"})

    assert branch.refused(apply()) is Refusal.LOCK_SCREEN
    branch.told(OnDevice(device=PHONE, command=device.ObserveLockScreen(at=FEBRUARY, lock_screen=LockScreen.STRONG)))
    branch.told(apply())


def test_after_its_time_an_application_is_not_completed(branch: Branch) -> None:
    branch.told(apply())
    branch.pass_steps()

    assert branch.refused(complete(at=MARCH)) is Refusal.APPLICATION_ENDED


def test_what_is_issued_has_no_step_left(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    assert branch.refused(complete()) is Refusal.ALREADY_ISSUED
    assert branch.refused(OnApplication(credential=HELD, command=Abandon(at=FEBRUARY))) is Refusal.ALREADY_ISSUED


def test_the_credential_of_an_application_is_used_from_its_issue_on(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    assert branch.told(branch.script.use(HELD, device=PHONE, at=FEBRUARY).request) == ["credential.used"]


def test_on_one_slot_several_kinds_share_a_device(branch: Branch) -> None:
    branch.issue_by_steps(apply())
    events = branch.issue_by_steps(apply(NEXT, kind=Kind.MOBILE_OTP))

    assert "customer.device_slot_taken" not in events
    assert branch.customer().devices == (PHONE,)


def test_what_time_has_ended_gives_way_to_an_application(branch: Branch) -> None:
    branch.issue_by_steps(apply())

    branch.issue_by_steps(apply(NEXT, at=lapsed_by()))

    assert branch.credential(NEXT).device == PHONE


def test_a_missing_step_is_not_completed_over(branch: Branch) -> None:
    branch.told(apply())

    assert branch.refused(CompleteApplication(at=FEBRUARY, credential=HELD, attestation=None)) is Refusal.STEP_ORDER
