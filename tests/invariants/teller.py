"""A teller who tells the bank short stories: what comes before is accepted, what is asked last is returned."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Self
from uuid import UUID

from sealbook.application.commands import Command, Request
from sealbook.application.ledger import Outcome, execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import EventStore
from sealbook.application.requests import (
    AddCompanyUser,
    ApplyForCredential,
    ChangeRole,
    CompleteApplication,
    EnrollCustomer,
    IssueCredential,
    LinkId,
    OnApplication,
    OnCredential,
    OnCustomer,
    OnDevice,
    OnPolicy,
    OwnOfApplication,
    OwnOfCredential,
    OwnOfCustomer,
    OwnOfDevice,
    RegisterDevice,
    VerifyPhone,
)
from sealbook.domain import credential, policy
from sealbook.domain.credential import UseEvidence
from sealbook.domain.device import App
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies
from sealbook.domain.values import CaptureFault, HolderSubkind, IdDocument, Kind, Role
from tests.commands import APP, ATTESTED, JANUARY
from tests.invariants.world import policy as document

ALICE, BOB, FIRM, PHONE, OTHER, HELD, NEXT, NOBODY = (UUID(int=number) for number in range(1, 9))
KB, OTP, JOINT, CLOUD = (
    Kind.KB_MOBILE_CERTIFICATE,
    Kind.MOBILE_OTP,
    Kind.JOINT_UNIVERSAL,
    Kind.FINANCIAL_CERTIFICATE,
)
RULES = {
    "GRACE": document("GRACE", validity="P60D", renew_on="use", eligible_after="P10D", grace="P30D"),
    "CLOCK": document("CLOCK", validity="P60D", renew_on="expiry", eligible_after="P0D"),
    "ONCE": document("ONCE", validity="P60D", renew_on="request", request_window="P59D", max_renewals=1),
    "HEARD": document("HEARD", validity="P60D", renew_on="use", eligible_after="P40D", objection="P5D"),
    "FIRMS": document("FIRMS", validity="P60D", renew_on="never", holders=["corporate"]),
}
DAY = timedelta(days=1)


@dataclass(slots=True)
class Teller:
    """Alice and Bob, a firm and two phones. Time passes by a minute with every request, and by `wait`."""

    store: EventStore
    kinds: KindBook = field(default_factory=preset_kinds)
    now: timedelta = timedelta()
    asked: set[type[Request]] = field(default_factory=set[type[Request]])
    _next: Iterator[int] = field(default_factory=lambda: count(1_000))

    def __post_init__(self) -> None:
        for each in (*(preset_policies()[name] for name in ("D", "J1", "F3")), *RULES.values()):
            self.tell(self.on_policy(policy.Adopt(at=JANUARY, document=each), each.policy_id))
        subkinds = {ALICE: HolderSubkind.INDIVIDUAL, BOB: HolderSubkind.INDIVIDUAL, FIRM: HolderSubkind.CORPORATION}
        for who, subkind in subkinds.items():
            self.tell(self.enroll(who, subkind=subkind))
        self.tell(self.register(PHONE), self.register(OTHER))

    @property
    def at(self) -> datetime:
        return JANUARY + self.now

    def new_id(self) -> UUID:
        return UUID(int=next(self._next))

    def ask(self, request: Request, *, command_id: UUID | None = None, if_version: int | None = None) -> Outcome:
        self.asked.add(type(request))
        command = Command(
            request=request,
            command_id=command_id or self.new_id(),
            actor="teller",
            channel="branch",
            if_version=if_version,
        )
        (outcome,) = execute(self.store, [command], kinds=self.kinds)
        return outcome

    def tell(self, *requests: Request) -> Self:
        for request in requests:
            outcome = self.ask(request)
            assert outcome.accepted, (request, outcome.message)
            self.now += timedelta(minutes=1)
        return self

    def attempt(self, *requests: Request) -> Self:
        """Ask for what is refused, and leaves its trace."""
        for request in requests:
            outcome = self.ask(request)
            assert not outcome.accepted, request
            self.now += timedelta(minutes=1)
        return self

    def wait(self, days: float) -> Self:
        self.now += days * DAY
        return self

    # --- Requests

    def identity(self, who: UUID) -> Name:
        return Name(NameKind.IDENTITY, f"identity of {who}")

    def enroll(self, who: UUID, *, subkind: HolderSubkind = HolderSubkind.INDIVIDUAL) -> Request:
        number = Name(NameKind.CUSTOMER, f"number of {who}")
        return EnrollCustomer(at=self.at, customer=who, name=number, identity=self.identity(who), subkind=subkind)

    def register(self, device: UUID, *, app: App = APP, key: str = "") -> Request:
        name = Name(NameKind.DEVICE_KEY, key or f"key of {device}")
        return RegisterDevice(at=self.at, device=device, key=name, model="phone", os_version="15", app=app)

    def apply(
        self, kind: Kind = KB, *, who: UUID = ALICE, device: UUID = PHONE, new: UUID = HELD, **more: str
    ) -> ApplyForCredential:
        policy_id = more.get("policy_id", "D" if kind is OTP else None)
        return ApplyForCredential(
            at=self.at,
            credential=new,
            name=None,
            customer=who,
            kind=kind,
            device=device,
            policy_id=policy_id,
            purpose=more.get("purpose"),
        )

    def verify_phone(self, *, owner: UUID = ALICE) -> Request:
        owned_by = self.identity(owner)
        return VerifyPhone(at=self.at, credential=HELD, identity=owned_by, provider="carrier", evidence="phone-1")

    def of_application(self, command: OwnOfApplication) -> Request:
        return OnApplication(credential=HELD, command=command)

    def capture(self, *, fault: CaptureFault | None = None, shown: IdDocument = IdDocument.PASSPORT) -> Request:
        return self.of_application(
            credential.CaptureId(at=self.at, document=shown, evidence="photo-1", digest="d1", request="r1", fault=fault)
        )

    def confirm(self, *, request: str = "r1", authentic: bool = True) -> Request:
        return self.of_application(credential.ConfirmId(at=self.at, request=request, authentic=authentic))

    def account(self, *, age: timedelta = timedelta(0), matches: bool = True, own: bool = True) -> Request:
        return self.of_application(
            credential.VerifyAccount(
                at=self.at,
                account="account-1",
                evidence="code-1",
                code_sent_at=self.at - age,
                code_matches=matches,
                own_name=own,
            )
        )

    def pay(self, *, receipt: str | None = "receipt-1") -> Request:
        return self.of_application(credential.ChargeFee(at=self.at, receipt=receipt))

    def complete(self) -> Request:
        return CompleteApplication(at=self.at, credential=HELD, attestation=ATTESTED)

    def issue(
        self, kind: Kind = KB, *, who: UUID = ALICE, device: UUID = PHONE, new: UUID = HELD, policy_id: str = "D"
    ) -> IssueCredential:
        return IssueCredential(
            at=self.at,
            credential=new,
            name=None,
            customer=who,
            kind=kind,
            device=device,
            policy_id=policy_id,
            evidence="proofing-1",
            attestation=ATTESTED,
        )

    def of(self, command: OwnOfCredential, held: UUID = HELD) -> Request:
        return OnCredential(credential=held, command=command)

    def use(
        self,
        evidence: UseEvidence | None = None,
        *,
        proven: bool = True,
        device: UUID | None = PHONE,
        purpose: str | None = None,
    ) -> Request:
        return self.of(credential.Use(at=self.at, device=device, proven=proven, purpose=purpose, evidence=evidence))

    def link(
        self, linked: str = "id-1", *, owner: UUID = ALICE, held: UUID = HELD, age: timedelta = DAY * 0
    ) -> Request:
        return LinkId(
            at=self.at, credential=held, bank_id=linked, owner=owner, purpose="login", unlocked_at=self.at - age
        )

    def of_customer(self, command: OwnOfCustomer, who: UUID = ALICE) -> Request:
        return OnCustomer(customer=who, command=command)

    def of_device(self, command: OwnOfDevice, device: UUID = PHONE) -> Request:
        return OnDevice(device=device, command=command)

    def grant(self, person: UUID, role: Role, *, granted: bool = True) -> Request:
        return ChangeRole(at=self.at, customer=FIRM, person=person, role=role, granted=granted)

    def on_policy(self, command: policy.Command, policy_id: str = "D") -> Request:
        return OnPolicy(policy_id=policy_id, stream=self.new_id(), command=command)

    def successor(self, *, days: int = 40, **body: object) -> RenewalPolicy:
        """The next version of policy D, in force so many days from now."""
        body = {"validity": "P1Y", "renew_on": "never"} | body
        effect, announced = (self.at + days * DAY).isoformat(), self.at.isoformat()
        return document("D", version=2, announced_at=announced, effective_from=effect, **body)

    # --- What has come to be

    def issued(self, kind: Kind = KB, *, policy_id: str = "D") -> Self:
        return self.tell(self.issue(kind, policy_id=policy_id))

    def applied(self, kind: Kind = KB) -> Self:
        return self.tell(self.apply(kind))

    def proven(self, kind: Kind = KB) -> Self:
        """All the proofs of an application are there; what is left is the fee, if there is one, and the key."""
        self.applied(kind).tell(self.verify_phone()).tell(self.capture()).tell(self.confirm())
        return self.tell(self.account())

    def staffed(self, *roles: Role) -> Self:
        """Alice works for the firm."""
        self.tell(AddCompanyUser(at=self.at, customer=FIRM, person=ALICE))
        for role in roles:
            self.tell(self.grant(ALICE, role))
        return self
