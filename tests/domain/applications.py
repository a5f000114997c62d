"""One application throughout, step by step, from a Monday morning of March 2024; and one with a fee."""

from dataclasses import replace
from datetime import datetime, timedelta

from sealbook.domain.credential import (
    AccountLinked,
    AccountVerified,
    Application,
    Applied,
    Apply,
    Attestation,
    Command,
    CompleteReset,
    ConsentToRenewal,
    Event,
    FeeCharged,
    FeeFor,
    FeeWaived,
    IdAuthenticityConfirmed,
    IdDocumentCaptured,
    Issue,
    LinkId,
    LinkService,
    Move,
    ObjectToRenewal,
    ObserveExpiry,
    ObserveRenewal,
    PhoneVerified,
    RecordLock,
    RecordRefusal,
    RemoveUnlockMethod,
    ReportLoss,
    ReportUnlockFailure,
    RequestRenewal,
    RequireReset,
    Resume,
    Resynchronize,
    Revoke,
    SendExpiryNotice,
    SendRenewalNotice,
    SetSecret,
    SetUnlockMethod,
    SignalClone,
    StepFailed,
    Suspend,
    SwitchPolicy,
    UnlinkId,
    UnlinkService,
    Unlock,
    Use,
    fold,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import (
    HolderKind,
    IdDocument,
    Kind,
    PolicyRef,
    Service,
    Step,
    StorageLevel,
    SwitchMode,
    UnlockMethod,
)
from tests.domain.examples import OTHER_PHONE, PERSON, PHONE, USE_D, kst

APPLIED_AT = kst("2024-03-11T10:00")
OPEN_UNTIL = kst("2024-03-18T10:00")
ID = "id-1"


def minute(number: int) -> datetime:
    """The moment so many minutes after the application."""
    return APPLIED_AT + timedelta(minutes=number)


APPLY = Apply(
    at=APPLIED_AT,
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    holder=HolderKind.PERSONAL,
    device=PHONE,
    policy=USE_D.ref,
)
APPLIED = Applied(
    at=APPLIED_AT,
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    kind_version=1,
    holder=HolderKind.PERSONAL,
    device=PHONE,
    policy=USE_D.ref,
    purpose=None,
    replaces=None,
    steps=(Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY),
    fee_krw=0,
    fee_version=1,
    open_until=OPEN_UNTIL,
    identified_at=None,
)
WAIVED = FeeWaived(at=APPLIED_AT, fee_version=1)
APPLYING: tuple[Event, ...] = (APPLIED, WAIVED)

PHONE_VERIFIED = PhoneVerified(at=minute(1), provider="carrier", evidence="phone-1")
PHONE_DONE = (*APPLYING, PHONE_VERIFIED)
CAPTURED = IdDocumentCaptured(
    at=minute(2), document=IdDocument.PASSPORT, evidence="photo-1", digest="d1", request="request-1"
)
CONFIRMED = IdAuthenticityConfirmed(at=minute(3), request="request-1")
ID_DONE = (*PHONE_DONE, CAPTURED, CONFIRMED)
ACCOUNT_VERIFIED = AccountVerified(at=minute(4), evidence="code-1")
ACCOUNT_LINKED = AccountLinked(at=minute(4), account="account-1")
PROVEN = (*ID_DONE, ACCOUNT_VERIFIED, ACCOUNT_LINKED)

APPLIED_WITH_FEE = replace(
    APPLIED,
    kind=Kind.JOINT_UNIVERSAL,
    steps=(Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT, Step.FEE, Step.KEY),
    fee_krw=4_400,
)
FEE_DUE: tuple[Event, ...] = (APPLIED_WITH_FEE, PHONE_VERIFIED, CAPTURED, CONFIRMED, ACCOUNT_VERIFIED, ACCOUNT_LINKED)
CHARGED = FeeCharged(at=minute(5), what=FeeFor.ISSUE, amount_krw=4_400, fee_version=1, receipt="receipt-1")
FEE_PAID = (*FEE_DUE, CHARGED)

ATTESTATION = Attestation(level=StorageLevel.TRUSTED_ENVIRONMENT, digest="a1")
COMPLETE = Issue(
    at=minute(6),
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    holder=HolderKind.PERSONAL,
    policy=USE_D.ref,
    device=PHONE,
    identified_at=CONFIRMED.at,
    attestation=ATTESTATION,
)
COMPLETE_WITH_FEE = replace(COMPLETE, kind=Kind.JOINT_UNIVERSAL)


def failures(step: Step, *, count: int, reason: Refusal = Refusal.NAME_MISMATCH) -> tuple[StepFailed, ...]:
    """So many failures of a step, one after the other."""
    return tuple(StepFailed(at=minute(1), step=step, reason=reason, attempt=each) for each in range(1, count + 1))


def application_after(*history: Event) -> Application:
    state = fold(history)
    assert isinstance(state, Application)
    return state


def on_a_credential(at: datetime) -> list[Command]:
    """Commands that only an issued credential takes."""
    return [
        Use(at=at),
        RecordRefusal(at=at),
        RequestRenewal(at=at),
        ObjectToRenewal(at=at),
        SwitchPolicy(at=at, policy=PolicyRef("D", 1), mode=SwitchMode.KEEP),
        Suspend(at=at),
        Resume(at=at),
        Revoke(at=at),
        ObserveRenewal(at=at),
        ObserveExpiry(at=at),
        Unlock(at=at, evidence="branch-1"),
        RecordLock(at=at, for_good=False),
        Resynchronize(at=at, timecode=1, drift_steps=0),
        SetSecret(at=at, generation=1),
        SetUnlockMethod(at=at, method=UnlockMethod.PIN),
        RemoveUnlockMethod(at=at, method=UnlockMethod.FACE),
        ReportUnlockFailure(at=at, method=UnlockMethod.PIN),
        LinkId(at=at, bank_id=ID, owner=PERSON, in_own_name=True, purpose="transfer", unlocked_at=at),
        UnlinkId(at=at, bank_id=ID),
        LinkService(at=at, service=Service.PERSONAL_BANKING, for_company=False),
        UnlinkService(at=at, service=Service.PERSONAL_BANKING),
        ReportLoss(at=at),
        SignalClone(at=at, evidence="clone-1"),
        RequireReset(at=at),
        CompleteReset(at=at, evidence="phone-1", key_rolled=False, attestation=ATTESTATION),
        Move(at=at, device=OTHER_PHONE),
        SendExpiryNotice(at=at, lead="P30D"),
        SendRenewalNotice(at=at, planned_at=at),
        ConsentToRenewal(at=at, evidence="consent-1"),
    ]
