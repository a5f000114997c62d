"""For every refusal code, a short story whose last request is refused by it."""

from datetime import date, timedelta
from uuid import UUID

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.commands import Request
from sealbook.application.erasing import EraseCredential
from sealbook.application.requests import (
    CloseCustomer,
    LinkService,
    OnTransaction,
    ReportLoss,
)
from sealbook.domain import credential, device, policy
from sealbook.domain.credential import UseEvidence
from sealbook.domain.device import App
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import IdDocument, Kind, LockScreen, Network, Role, Service, UnlockMethod
from tests.invariants.event_stories import (
    Story,
    adopt,
    adopted,
    banking,
    closed,
    exhausted,
    guessed,
    held_by_law,
    mapped,
    proposed,
    revoked,
    to_reset,
    with_pin,
)
from tests.invariants.teller import (
    ALICE,
    BOB,
    CLOUD,
    FIRM,
    HELD,
    JOINT,
    NEXT,
    NOBODY,
    OTHER,
    OTP,
    PHONE,
    Teller,
)

LONG_AFTER = 900
SENT_BEFORE = UUID(int=77)
FORGOTTEN = UUID("018cc251-f400-7000-8000-000000000000")
"""An id that says the first of January 2024."""
COMMAND_IDS = {Refusal.COMMAND_ID_REUSED: SENT_BEFORE, Refusal.COMMAND_ID_FORGOTTEN: FORGOTTEN}
"""The id of a command that was carried out before."""
IF_VERSIONS = {Refusal.PRECONDITION_FAILED: 1}
"""The version at which its sender saw what the command speaks of."""


def strict_kinds() -> KindBook:
    """The kinds of the package, but one-time codes ask for more of the phone, the network and the document."""
    book = preset_kinds()
    document = book.kind(OTP)
    on_device = document.on_device.model_copy(update={"lock_screen": "require", "public_wifi": "refuse"})
    steps = document.steps.model_copy(update={"documents": frozenset({IdDocument.PASSPORT})})
    strict = document.model_copy(update={"on_device": on_device, "steps": steps})
    return KindBook(kinds={**book.kinds, Kind.MOBILE_OTP: strict}, bank=book.bank)


def locking(t: Teller) -> Teller:
    """The phone has a strong lock screen, as the strict kind asks."""
    return t.tell(t.of_device(device.ObserveLockScreen(at=t.at, lock_screen=LockScreen.STRONG)))


def with_codes(t: Teller) -> Teller:
    return locking(t).issued(OTP)


def suspended(t: Teller) -> Teller:
    t.issued()
    return t.tell(t.of(credential.Suspend(at=t.at)))


def abandoned(t: Teller) -> Teller:
    t.applied()
    return t.tell(t.of_application(credential.Abandon(at=t.at)))


def outdated(t: Teller) -> Request:
    t.tell(t.register(NOBODY, app=App(version="5.0", store="google_play")))
    return t.apply(device=NOBODY)


def rooted(t: Teller) -> Request:
    t.tell(t.of_device(device.ObserveIntegrity(at=t.at, rooted=True)))
    return t.apply()


def four_eyes(t: Teller) -> Request:
    proposed(t).tell(t.grant(ALICE, Role.APPROVER))
    return OnTransaction(at=t.at, customer=FIRM, transaction="t-1", by=ALICE, approved=True)


def fees_open(t: Teller) -> Request:
    t.proven(JOINT).tell(t.pay(receipt=None))
    return CloseCustomer(at=t.at, customer=ALICE)


def objected_late(t: Teller) -> Request:
    t.issued(policy_id="HEARD")
    t.tell(t.of(credential.SendRenewalNotice(at=t.at, planned_at=t.at + timedelta(days=30)))).wait(10)
    return t.of(credential.ObjectToRenewal(at=t.at))


def linked_elsewhere(t: Teller) -> Request:
    locking(t).issued().tell(t.link())
    t.tell(t.issue(OTP, new=NEXT))
    return t.link(held=NEXT)


def too_many_links(t: Teller) -> Request:
    t.issued()
    for number in range(5):
        t.tell(t.link(f"id-{number}"))
    return t.link("id-5")


def renewed_once(t: Teller) -> Teller:
    t.issued(policy_id="ONCE").wait(2)
    return t.tell(t.of(credential.RequestRenewal(at=t.at)))


def withdrawn_late(t: Teller) -> Request:
    return t.on_policy(policy.Withdraw(at=t.at, version=1))


def stolen(t: Teller) -> Request:
    t.issued()
    t.tell(ReportLoss(at=t.at, lost=PHONE, theft=True))
    return t.of(credential.Resume(at=t.at, evidence="proofing-2"))


def unproved(t: Teller) -> Request:
    t.applied().tell(t.verify_phone(), t.capture(), t.confirm())
    return t.account(age=timedelta(hours=1))


def mismatched(t: Teller, *, own: bool) -> Request:
    t.applied().tell(t.verify_phone(), t.capture(), t.confirm())
    return t.account(matches=False, own=own)


def license_for_codes(t: Teller) -> Request:
    locking(t).applied(OTP).tell(t.verify_phone())
    return t.capture(shown=IdDocument.DRIVING_LICENSE)


def poor_key(t: Teller) -> Request:
    to_reset(t)
    return t.of(credential.CompleteReset(at=t.at, evidence="phone-2", key_rolled=True, attestation=None))


def before(t: Teller) -> Request:
    t.issued().wait(-1)
    return t.use()


def sent_before(t: Teller) -> Request:
    assert t.ask(t.enroll(NOBODY), command_id=SENT_BEFORE).accepted
    return t.register(NOBODY)


def of_a_day_gone(t: Teller) -> Request:
    assert isinstance(t.store, MemoryEventStore)
    t.store.forget_commands(before=date(2024, 1, 2))
    return t.enroll(NOBODY)


REFUSALS: dict[Refusal, Story] = {
    Refusal.ALREADY_FINAL: lambda t: revoked(t).of(credential.Suspend(at=t.at)),
    Refusal.ALREADY_HELD: lambda t: t.issued().apply(new=NEXT),
    Refusal.ALREADY_ISSUED: lambda t: t.issued().capture(),
    Refusal.APPLICATION_ENDED: lambda t: abandoned(t).capture(),
    Refusal.APPLYING: lambda t: t.applied().use(),
    Refusal.APP_OUTDATED: outdated,
    Refusal.ATTESTATION: poor_key,
    Refusal.BACK_IN_TIME: before,
    Refusal.BAD_PROOF: lambda t: t.issued().use(proven=False),
    Refusal.CODE_EXPIRED: unproved,
    Refusal.COMMAND_ID_FORGOTTEN: of_a_day_gone,
    Refusal.COMMAND_ID_REUSED: sent_before,
    Refusal.CUSTOMER_STATE: lambda t: closed(t).apply(),
    Refusal.DEVICE_SLOT: lambda t: banking(t).issued().issue(CLOUD, device=OTHER, new=NEXT, policy_id="F3"),
    Refusal.DEVICE_STATE: lambda t: t.issue(device=NOBODY),
    Refusal.DEVICE_TAKEN: lambda t: t.issued().issue(who=BOB, new=NEXT),
    Refusal.DOC_TYPE: license_for_codes,
    Refusal.DUPLICATE: lambda t: t.enroll(ALICE),
    Refusal.EVIDENCE: lambda t: guessed(t.issued(), 5).of(credential.Unlock(at=t.at, evidence=None)),
    Refusal.EXPIRED: lambda t: t.issued().wait(LONG_AFTER).use(),
    Refusal.FEE_UNPAID: lambda t: t.proven(JOINT).complete(),
    Refusal.FOUR_EYES: four_eyes,
    Refusal.INTEGRITY: rooted,
    Refusal.LAST_ADMIN: lambda t: t.staffed(Role.ADMINISTRATOR).grant(ALICE, Role.ADMINISTRATOR, granted=False),
    Refusal.LAST_METHOD: lambda t: with_pin(t).of(credential.RemoveUnlockMethod(at=t.at, method=UnlockMethod.PIN)),
    Refusal.LEGAL_HOLD: lambda t: EraseCredential(at=held_by_law(revoked(t)).at, credential=HELD, basis="act 5"),
    Refusal.LINKED_ELSEWHERE: linked_elsewhere,
    Refusal.LINK_LIMIT: too_many_links,
    Refusal.LOCKED: lambda t: guessed(t.issued(), 5).use(),
    Refusal.LOCK_SCREEN: lambda t: t.apply(OTP),
    Refusal.MISMATCH: lambda t: mismatched(t, own=True),
    Refusal.NAME_MISMATCH: lambda t: t.applied().verify_phone(owner=BOB),
    Refusal.NETWORK: lambda t: with_codes(t).use(UseEvidence(network=Network.PUBLIC_WIFI)),
    Refusal.NOT_ELIGIBLE: lambda t: t.issue(who=FIRM),
    Refusal.NOT_FOUND: lambda t: t.issue(who=PHONE),
    Refusal.NOT_ISSUED: lambda t: t.use(),
    Refusal.NOT_LINKED: lambda t: t.issued().use(UseEvidence(linked_id="id-1")),
    Refusal.NOT_OWN_NAME: lambda t: mismatched(t, own=False),
    Refusal.NO_POLICY: lambda t: t.issue(policy_id="unheard-of"),
    Refusal.OPEN_FEE: fees_open,
    Refusal.PERMANENT: stolen,
    Refusal.POLICY_NOTICE: withdrawn_late,
    Refusal.POLICY_VERSION: lambda t: t.tell(t.on_policy(policy.Adopt(at=t.at, document=t.successor()))).on_policy(
        policy.Adopt(at=t.at, document=t.successor(validity="P2Y"))
    ),
    Refusal.PRECONDITION_FAILED: lambda t: suspended(t).of(credential.Resume(at=t.at)),
    Refusal.RENEWALS_EXHAUSTED: lambda t: renewed_once(t).of(credential.RequestRenewal(at=t.at)),
    Refusal.REPLAY: lambda t: t.issued().tell(t.use(UseEvidence(counter=7))).use(UseEvidence(counter=7)),
    Refusal.REPORTED: lambda t: adopt(credential.RecordRefusal(at=adopted(t).at)),
    Refusal.RESET_REQUIRED: lambda t: to_reset(t).use(),
    Refusal.RETENTION: lambda t: EraseCredential(at=revoked(t).at, credential=HELD, basis="act 5"),
    Refusal.REVOKED: lambda t: revoked(t).use(),
    Refusal.ROLE: lambda t: t.grant(ALICE, Role.MAKER),
    Refusal.SCOPE: lambda t: LinkService(at=t.issued().at, credential=HELD, service=Service.CORPORATE_BANKING),
    Refusal.SEAL_ORDER: lambda t: mapped(t.tell(mapped(t, tree_size=9)), tree_size=8),
    Refusal.SECRET_GENERATION: lambda t: with_codes(t).of(credential.Use(at=t.at, device=PHONE, generation=1)),
    Refusal.STEP_ORDER: lambda t: t.applied().capture(),
    Refusal.SUSPENDED: lambda t: suspended(t).use(),
    Refusal.TOO_LATE: objected_late,
    Refusal.TOO_MANY_ATTEMPTS: lambda t: exhausted(t).verify_phone(),
    Refusal.UNKNOWN_REQUEST: lambda t: t.applied().tell(t.verify_phone()).tell(t.capture()).confirm(request="r2"),
    Refusal.UNLOCK_METHOD: lambda t: t.issued().of(credential.ReportUnlockFailure(at=t.at, method=UnlockMethod.FACE)),
    Refusal.VERSION: lambda t: t.of_device(device.UpdateOs(at=t.at, version="14")),
    Refusal.WINDOW: lambda t: t.issued().of(credential.RequestRenewal(at=t.at)),
    Refusal.WRONG_DEVICE: lambda t: t.issued().use(device=OTHER),
}
