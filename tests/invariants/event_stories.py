"""For every event that may be stored, a short story whose last request records it."""

from collections.abc import Callable
from datetime import timedelta

from sealbook.application.adopting import AdoptAttempt, AdoptFact, AdoptIssued
from sealbook.application.commands import Request
from sealbook.application.erasing import EraseCredential, EraseCustomer
from sealbook.application.names import Name, NameKind
from sealbook.application.record_keeping import OnLedger
from sealbook.application.requests import (
    AddCompanyUser,
    CloseCustomer,
    LinkService,
    OnTransaction,
    RecoverDevice,
    ReleaseDevice,
    RemoveCompanyUser,
    ReplaceDevice,
    ReportLoss,
    UnlinkId,
)
from sealbook.domain import credential, customer, device, ledger, policy
from sealbook.domain.credential import Attestation, Fact, UseEvidence
from sealbook.domain.values import (
    CaptureFault,
    LockScreen,
    PolicyRef,
    Role,
    Service,
    StorageLevel,
    SwitchMode,
    UnlockMethod,
)
from tests.invariants.teller import ALICE, BOB, CLOUD, FIRM, HELD, JOINT, NEXT, OTHER, OTP, PHONE, Teller
from tests.invariants.teller import NOBODY as NEWCOMER

Story = Callable[[Teller], Request]
SIX_YEARS = 2_200


def adopted(t: Teller) -> Teller:
    number = Name(NameKind.CREDENTIAL, "former")
    return t.tell(
        AdoptIssued(
            at=t.at,
            credential=HELD,
            name=number,
            customer=Name(NameKind.CUSTOMER, "former"),
            customer_stream=NEXT,
            kind=OTP,
            policy=PolicyRef(policy_id="D", version=1),
            provenance="file-1",
        )
    )


def adopt(fact: Fact) -> Request:
    return AdoptFact(credential=HELD, fact=fact)


def attempted(t: Teller) -> Request:
    return AdoptAttempt(
        at=t.at,
        customer=Name(NameKind.CUSTOMER, "former"),
        customer_stream=NEXT,
        stream=HELD,
        kind=OTP,
        policy=PolicyRef(policy_id="D", version=1),
        provenance="file-1",
        reissue=False,
    )


def guessed(t: Teller, times: int) -> Teller:
    for _ in range(times):
        t.attempt(t.use(proven=False))
    return t


def exhausted(t: Teller) -> Teller:
    t.applied()
    for _ in range(5):
        t.attempt(t.verify_phone(owner=BOB))
    return t


def banking(t: Teller) -> Teller:
    return t.tell(t.of_customer(customer.JoinService(at=t.at, service=Service.INTERNET_BANKING)))


def in_cloud(t: Teller) -> Teller:
    return banking(t).issued(CLOUD, policy_id="F3")


def lost(t: Teller) -> Teller:
    t.issued()
    return t.tell(ReportLoss(at=t.at, lost=PHONE))


def closed(t: Teller) -> Teller:
    return t.tell(CloseCustomer(at=t.at, customer=ALICE))


def revoked(t: Teller) -> Teller:
    t.issued()
    return t.tell(t.of(credential.Revoke(at=t.at)))


def with_pin(t: Teller) -> Teller:
    t.issued()
    return t.tell(t.of(credential.SetUnlockMethod(at=t.at, method=UnlockMethod.PIN)))


def to_reset(t: Teller) -> Teller:
    t.issued()
    return t.tell(t.of(credential.RequireReset(at=t.at)))


def replaced(t: Teller) -> Request:
    return ReplaceDevice(at=t.at, old=PHONE, new=OTHER, evidence="proofing-2")


def reset(t: Teller) -> Request:
    key = Attestation(level=StorageLevel.SECURE_ELEMENT, digest="a2")
    done = credential.CompleteReset(at=t.at, evidence="phone-2", key_rolled=True, attestation=key)
    return t.of(done)


def proposed(t: Teller) -> Teller:
    t.staffed(Role.MAKER)
    return t.tell(OnTransaction(at=t.at, customer=FIRM, transaction="t-1", by=ALICE, approved=False))


def approved(t: Teller) -> Request:
    t = proposed(t)
    t.tell(AddCompanyUser(at=t.at, customer=FIRM, person=BOB)).tell(t.grant(BOB, Role.APPROVER))
    return OnTransaction(at=t.at, customer=FIRM, transaction="t-1", by=BOB, approved=True)


def held_by_law(t: Teller) -> Teller:
    return t.tell(t.of_customer(customer.PlaceLegalHold(at=t.at, case="case-1")))


def restricted(t: Teller) -> Teller:
    return t.tell(t.of_customer(customer.Restrict(at=t.at, reason="fraud")))


def linked(t: Teller) -> Teller:
    t.issued()
    return t.tell(t.link())


def serving(t: Teller) -> Teller:
    t.issued()
    return t.tell(LinkService(at=t.at, credential=HELD, service=Service.PERSONAL_BANKING))


OF_APPLICATIONS: dict[str, Story] = {
    "applied": lambda t: t.apply(),
    "phone_verified": lambda t: t.applied().verify_phone(),
    "step_failed": lambda t: t.applied().verify_phone(owner=BOB),
    "step_retried": lambda t: (
        exhausted(t).tell(t.of_application(credential.Escalate(at=t.at))).of_application(credential.RetryStep(at=t.at))
    ),
    "escalated_to_support": lambda t: t.applied().of_application(credential.Escalate(at=t.at)),
    "id_document_captured": lambda t: t.applied().tell(t.verify_phone()).capture(),
    "id_capture_rejected": lambda t: t.applied().tell(t.verify_phone()).capture(fault=CaptureFault.BLURRED),
    "id_authenticity_confirmed": lambda t: t.applied().tell(t.verify_phone()).tell(t.capture()).confirm(),
    "id_refused": lambda t: t.applied().tell(t.verify_phone()).tell(t.capture()).confirm(authentic=False),
    "account_verified": lambda t: t.applied().tell(t.verify_phone(), t.capture(), t.confirm()).account(),
    "account_linked": lambda t: t.applied().tell(t.verify_phone(), t.capture(), t.confirm()).account(),
    "fee_waived": lambda t: t.apply(),
    "fee_charged": lambda t: t.proven(JOINT).pay(),
    "fee_failed": lambda t: t.proven(JOINT).pay(receipt=None),
    "fee_refunded": lambda t: t.proven(JOINT).tell(t.pay()).of_application(credential.Abandon(at=t.at)),
    "application_abandoned": lambda t: t.applied().of_application(credential.Abandon(at=t.at)),
    "application_rejected": lambda t: t.applied().of_application(credential.Reject(at=t.at, reason="officer")),
    "issued": lambda t: t.proven().complete(),
    "key_attested": lambda t: t.proven().complete(),
}
OF_CREDENTIALS: dict[str, Story] = {
    "used": lambda t: t.issued().use(),
    "use_refused": lambda t: t.issued().use(device=OTHER),
    "auto_renewed": lambda t: t.issued().wait(400).use(),
    "renewed": lambda t: t.issued(policy_id="ONCE").wait(2).of(credential.RequestRenewal(at=t.at)),
    "expired": lambda t: t.issued().wait(SIX_YEARS).of(credential.Settle(at=t.at)),
    "renewal_objection_lodged": lambda t: t.issued().of(credential.ObjectToRenewal(at=t.at)),
    "policy_switched": lambda t: t.issued().of(
        credential.SwitchPolicy(at=t.at, policy=PolicyRef(policy_id="F3", version=1), mode=SwitchMode.KEEP)
    ),
    "locked": lambda t: guessed(t.issued(), 4).use(proven=False),
    "unlocked": lambda t: guessed(t.issued(), 5).of(credential.Unlock(at=t.at, evidence="proofing-2")),
    "resynchronized": lambda t: t.issued(OTP).of(credential.Resynchronize(at=t.at, timecode=9, drift_steps=2)),
    "secret_set": lambda t: t.issued(OTP).of(credential.SetSecret(at=t.at, generation=1)),
    "unlock_method_set": lambda t: t.issued().of(credential.SetUnlockMethod(at=t.at, method=UnlockMethod.PIN)),
    "unlock_method_removed": lambda t: (
        with_pin(t)
        .tell(t.of(credential.SetUnlockMethod(at=t.at, method=UnlockMethod.FACE)))
        .of(credential.RemoveUnlockMethod(at=t.at, method=UnlockMethod.FACE))
    ),
    "unlock_failed": lambda t: with_pin(t).of(credential.ReportUnlockFailure(at=t.at, method=UnlockMethod.PIN)),
    "id_linked": lambda t: t.issued().link(),
    "id_unlinked": lambda t: UnlinkId(at=linked(t).at, credential=HELD, bank_id="id-1"),
    "service_linked": lambda t: LinkService(at=t.issued().at, credential=HELD, service=Service.PERSONAL_BANKING),
    "service_unlinked": lambda t: serving(t).of(credential.UnlinkService(at=t.at, service=Service.PERSONAL_BANKING)),
    "suspended": lambda t: t.issued().of(credential.Suspend(at=t.at)),
    "resumed": lambda t: t.issued().tell(t.of(credential.Suspend(at=t.at))).of(credential.Resume(at=t.at)),
    "revoked": lambda t: t.issued().of(credential.Revoke(at=t.at)),
    "loss_reported": lambda t: ReportLoss(at=t.issued().at, lost=PHONE),
    "clone_suspected": lambda t: t.issued().tell(t.use(UseEvidence(counter=7))).use(UseEvidence(counter=7)),
    "reset_required": lambda t: t.issued().of(credential.RequireReset(at=t.at)),
    "reset_completed": lambda t: reset(to_reset(t)),
    "moved": lambda t: replaced(in_cloud(t)),
    "expiry_notice_sent": lambda t: t.issued().of(credential.SendExpiryNotice(at=t.at, lead="P30D")),
    "renewal_notice_sent": lambda t: t.issued().of(
        credential.SendRenewalNotice(at=t.at, planned_at=t.at + timedelta(days=30))
    ),
    "renewal_consent_given": lambda t: t.issued().of(credential.ConsentToRenewal(at=t.at, evidence="letter-1")),
    "renewal_observed": lambda t: adopt(credential.ObserveRenewal(at=adopted(t).at)),
    "expiry_observed": lambda t: adopt(credential.ObserveExpiry(at=adopted(t).at)),
    "fact_not_applied": lambda t: adopt(credential.RequestRenewal(at=adopted(t).at)),
    "personal_data_erased": lambda t: EraseCredential(at=revoked(t).wait(SIX_YEARS).at, credential=HELD, basis="act 5"),
}
OF_CUSTOMERS: dict[str, Story] = {
    "enrolled": lambda t: t.enroll(NEWCOMER),
    "service_joined": lambda t: t.of_customer(customer.JoinService(at=t.at, service=Service.INTERNET_BANKING)),
    "service_left": lambda t: banking(t).of_customer(customer.LeaveService(at=t.at, service=Service.INTERNET_BANKING)),
    "contact_changed": lambda t: t.of_customer(customer.ChangeContact(at=t.at, contact="contact-2")),
    "name_changed": lambda t: t.of_customer(customer.ChangeName(at=t.at, evidence="register-1")),
    "credential_opened": attempted,
    "credential_closed": lambda t: t.issued().of(credential.Revoke(at=t.at)),
    "device_slot_taken": lambda t: t.issue(),
    "device_slot_released": lambda t: t.issued().of(credential.Revoke(at=t.at)),
    "id_taken": lambda t: t.issued().link(),
    "id_released": lambda t: UnlinkId(at=linked(t).at, credential=HELD, bank_id="id-1"),
    "user_added": lambda t: AddCompanyUser(at=t.at, customer=FIRM, person=ALICE),
    "user_removed": lambda t: RemoveCompanyUser(at=t.staffed().at, customer=FIRM, person=ALICE),
    "role_granted": lambda t: t.staffed().grant(ALICE, Role.MAKER),
    "role_removed": lambda t: t.staffed(Role.MAKER).grant(ALICE, Role.MAKER, granted=False),
    "transaction_proposed": lambda t: OnTransaction(
        at=t.staffed(Role.MAKER).at, customer=FIRM, transaction="t-1", by=ALICE, approved=False
    ),
    "transaction_approved": approved,
    "restricted": lambda t: t.of_customer(customer.Restrict(at=t.at, reason="fraud")),
    "restriction_lifted": lambda t: restricted(t).of_customer(customer.LiftRestriction(at=t.at)),
    "deceased": lambda t: t.of_customer(customer.RecordDeath(at=t.at, evidence="certificate-1")),
    "closed": lambda t: CloseCustomer(at=t.at, customer=ALICE),
    "legal_hold_placed": lambda t: t.of_customer(customer.PlaceLegalHold(at=t.at, case="case-1")),
    "legal_hold_lifted": lambda t: held_by_law(t).of_customer(customer.LiftLegalHold(at=t.at, case="case-1")),
    "record_viewed": lambda t: t.of_customer(customer.ViewRecord(at=t.at, what="credential history", reason="call 7")),
    "personal_data_erased": lambda t: EraseCustomer(
        at=closed(t).wait(SIX_YEARS).at,
        customer=ALICE,
        basis="act 5",
        approved_by="officer-1",
        credentials=(),
        devices=(),
    ),
}
OF_DEVICES: dict[str, Story] = {
    "registered": lambda t: t.register(NEWCOMER),
    "bound": lambda t: t.issue(),
    "released": lambda t: ReleaseDevice(at=t.issued().wait(SIX_YEARS).tell(_settled(t)).at, device=PHONE),
    "retired": lambda t: t.of_device(device.Retire(at=t.at)),
    "app_updated": lambda t: t.of_device(device.UpdateApp(at=t.at, version="7.0", keys_kept=False)),
    "os_updated": lambda t: t.of_device(device.UpdateOs(at=t.at, version="16")),
    "lock_screen_observed": lambda t: t.of_device(device.ObserveLockScreen(at=t.at, lock_screen=LockScreen.WEAK)),
    "integrity_observed": lambda t: t.of_device(device.ObserveIntegrity(at=t.at, rooted=True)),
    "suspended": lambda t: ReportLoss(at=t.issued().at, lost=PHONE),
    "restored": lambda t: RecoverDevice(at=lost(t).at, device=PHONE, evidence="proofing-2"),
    "handover_offered": lambda t: t.of_device(device.OfferHandover(at=t.at)),
}
OF_POLICIES: dict[str, Story] = {
    "adopted": lambda t: t.on_policy(policy.Adopt(at=t.at, document=t.successor())),
    "announced": lambda t: t.on_policy(policy.Announce(at=t.at, document=t.successor())),
    "withdrawn": lambda t: t.tell(t.on_policy(policy.Announce(at=t.at, document=t.successor()))).on_policy(
        policy.Withdraw(at=t.at, version=2)
    ),
}


OF_LEDGER: dict[str, Story] = {
    "heads_mapped": lambda t: mapped(t, tree_size=1),
    "key_changed": lambda t: OnLedger(command=ledger.ChangeKey(at=t.at, purpose=ledger.KeyPurpose.MAC, key_id=2)),
    "records_dropped": lambda t: OnLedger(
        command=ledger.DropRecords(at=t.at, stream=HELD, versions=2, rule="act 22", approved_by="officer-1")
    ),
    "log_replaced": lambda t: OnLedger(
        command=ledger.ReplaceLog(
            at=t.at, origin="log", tree_size=9, root=ROOT, reason="restored", approved_by="officer-1"
        )
    ),
}
ROOT = "ab" * 32


def mapped(t: Teller, *, tree_size: int) -> Request:
    return OnLedger(command=ledger.MapHeads(at=t.at, tree_size=tree_size, streams=1, root=ROOT))


def _settled(t: Teller) -> Request:
    return t.of(credential.Settle(at=t.at))


EVENTS: dict[str, Story] = {
    f"{of}.{name}": story
    for of, stories in {
        "credential": OF_APPLICATIONS | OF_CREDENTIALS,
        "customer": OF_CUSTOMERS,
        "device": OF_DEVICES,
        "policy": OF_POLICIES,
        "ledger": OF_LEDGER,
    }.items()
    for name, story in stories.items()
}
