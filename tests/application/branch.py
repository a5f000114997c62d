"""A branch for tests: people, a company and phones, what is asked for them, and what the ledger answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.commands import Request
from sealbook.application.ledger import Outcome, execute
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.requests import (
    AddCompanyUser,
    ApplyForCredential,
    ChangeRole,
    CompleteApplication,
    EnrollCustomer,
    IssueCredential,
    OnApplication,
    OnCredential,
    OnCustomer,
    RegisterDevice,
    VerifyPhone,
)
from sealbook.domain import customer
from sealbook.domain.catalogue import Aggregate, event_name
from sealbook.domain.credential import (
    Application,
    Attestation,
    CaptureId,
    ChargeFee,
    ConfirmId,
    Credential,
    OwnCommand,
    VerifyAccount,
)
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import HolderSubkind, IdDocument, Kind, Role, Service, Step
from tests.commands import APP, ATTESTED, FEBRUARY, JANUARY, KIND, MARCH, Script, name

ALICE, BOB, COMPANY, NOBODY = (UUID(int=each) for each in range(1, 5))
PHONE, NEW_PHONE, OTHER_PHONE, NO_PHONE = (UUID(int=each) for each in range(11, 15))
HELD, NEXT, THIRD, NOTHING = (UUID(int=each) for each in range(21, 25))
PEOPLE = {
    ALICE: HolderSubkind.INDIVIDUAL,
    BOB: HolderSubkind.INDIVIDUAL,
    COMPANY: HolderSubkind.CORPORATION,
}
POLICIES = {Kind.MOBILE_OTP: "D"}
"""The policies that are asked for: these kinds have none of their own."""


def identity_of(person: UUID) -> Name:
    return name(f"identity of {person}", NameKind.IDENTITY)


def key_of(device: UUID) -> Name:
    return name(f"key of {device}", NameKind.DEVICE_KEY)


@dataclass
class Branch:
    store: MemoryEventStore
    kinds: KindBook = field(default_factory=preset_kinds)
    script: Script = field(default_factory=Script)

    def ask(self, request: Request, *, command_id: UUID | None = None) -> Outcome:
        (outcome,) = execute(self.store, [self.script.command(request, command_id=command_id)], kinds=self.kinds)
        return outcome

    def told(self, *requests: Request) -> list[str]:
        """The names of the events; nothing is refused."""
        outcomes = [self.ask(request) for request in requests]
        assert [outcome.message for outcome in outcomes if not outcome.accepted] == []
        return [event_name(event) for outcome in outcomes for event in outcome.events]

    def refused(self, request: Request) -> Refusal | None:
        """Why the request is refused, leaving nothing behind."""
        before = self.store.last_position()
        outcome = self.ask(request)
        assert (self.store.last_position(), outcome.events) == (before, ())
        return outcome.refusal

    def noted(self, request: Request) -> tuple[Refusal | None, list[str]]:
        """Why the request is refused, and the names of the events that tell of it."""
        outcome = self.ask(request)
        assert outcome.position == self.store.last_position()
        return outcome.refusal, [event_name(event) for event in outcome.events]

    def customer(self, stream: UUID = ALICE) -> Customer:
        state = self.state(stream)
        assert isinstance(state, Customer)
        return state

    def device(self, stream: UUID = PHONE) -> Device:
        state = self.state(stream)
        assert isinstance(state, Device)
        return state

    def credential(self, stream: UUID = HELD) -> Credential:
        state = self.state(stream)
        assert isinstance(state, Credential)
        return state

    def application(self, stream: UUID = HELD) -> Application:
        state = self.state(stream)
        assert isinstance(state, Application)
        return state

    def state(self, stream: UUID) -> Aggregate:
        return self.store.load(streams=[stream], names=[], commands=[]).heads[stream].state

    def pass_steps(self, held: UUID = HELD, *, at: datetime = FEBRUARY) -> list[str]:
        """Take the steps that are due, but for the key; return the names of their events."""
        return self.told(*steps(self.application(held), held, at=at))

    def issue_by_steps(self, wish: ApplyForCredential) -> list[str]:
        self.told(wish)
        return [*self.pass_steps(wish.credential, at=wish.at), *self.told(complete(wish.credential, at=wish.at))]


def opened(store: MemoryEventStore) -> Branch:
    """A branch with customers, who are members of internet banking, and phones; nothing is issued yet."""
    branch = Branch(store)
    script = branch.script
    execute(branch.store, [script.adopt_policy(policy_id) for policy_id in ("D", "F3", "J1", "X")])
    for person, subkind in PEOPLE.items():
        join = customer.JoinService(at=JANUARY, service=Service.INTERNET_BANKING)
        branch.told(enroll(person, subkind), OnCustomer(customer=person, command=join))
    branch.told(*(register(phone) for phone in (PHONE, NEW_PHONE, OTHER_PHONE)))
    return branch


def enroll(person: UUID, subkind: HolderSubkind = HolderSubkind.INDIVIDUAL) -> EnrollCustomer:
    return EnrollCustomer(
        at=JANUARY, customer=person, name=name(f"number of {person}"), subkind=subkind, identity=identity_of(person)
    )


def register(device: UUID) -> RegisterDevice:
    return RegisterDevice(at=JANUARY, device=device, key=key_of(device), model="phone", os_version="15", app=APP)


def apply(
    held: UUID = HELD,
    *,
    person: Ref = ALICE,
    device: Ref = PHONE,
    kind: Kind = KIND,
    replaces: Ref | None = None,
    purpose: str | None = None,
    at: datetime = FEBRUARY,
) -> ApplyForCredential:
    return ApplyForCredential(
        at=at,
        credential=held,
        name=None,
        customer=person,
        kind=kind,
        device=device,
        policy_id=POLICIES.get(kind),
        purpose=purpose,
        replaces=replaces,
    )


def verify_phone(held: Ref = HELD, identity: Name | None = None, *, at: datetime = FEBRUARY) -> VerifyPhone:
    """Without an identity, the phone is Alice's."""
    return VerifyPhone(
        at=at, credential=held, identity=identity or identity_of(ALICE), provider="KT", evidence="phone-1"
    )


def complete(
    held: Ref = HELD, *, attestation: Attestation | None = ATTESTED, at: datetime = FEBRUARY
) -> CompleteApplication:
    return CompleteApplication(at=at, credential=held, attestation=attestation)


def steps(state: Application, held: UUID, *, at: datetime) -> Iterator[Request]:
    """What passes the steps that are due, each in its turn."""
    capture = CaptureId(at=at, document=IdDocument.PASSPORT, evidence="photo-1", digest="d1", request="q1")
    account = VerifyAccount(
        at=at, account="account-1", evidence="transfer-1", code_sent_at=at, code_matches=True, own_name=True
    )
    taken: dict[Step, tuple[Request, ...]] = {
        Step.PHONE: (verify_phone(held, identity_of(state.customer), at=at),),
        Step.ID_DOCUMENT: (
            OnApplication(credential=held, command=capture),
            OnApplication(credential=held, command=ConfirmId(at=at, request="q1", authentic=True)),
        ),
        Step.ACCOUNT: (OnApplication(credential=held, command=account),),
        Step.FEE: (OnApplication(credential=held, command=ChargeFee(at=at, receipt="receipt-1")),),
        Step.KEY: (),
    }
    for step in state.due:
        yield from taken[step]


def issue(
    held: UUID = HELD,
    *,
    person: Ref = ALICE,
    device: Ref = PHONE,
    kind: Kind = KIND,
    replaces: Ref | None = None,
    evidence: str | None = "proofing-1",
    attestation: Attestation | None = ATTESTED,
    policy_id: str = "D",
    at: datetime = FEBRUARY,
) -> IssueCredential:
    return IssueCredential(
        at=at,
        credential=held,
        name=None,
        customer=person,
        kind=kind,
        device=device,
        policy_id=policy_id,
        evidence=evidence,
        attestation=attestation,
        replaces=replaces,
    )


def on(command: OwnCommand, held: Ref = HELD) -> OnCredential:
    return OnCredential(credential=held, command=command)


def employ(person: UUID = ALICE, *roles: Role, company: UUID = COMPANY, at: datetime = FEBRUARY) -> Iterator[Request]:
    """Make somebody a user of the company, in these roles."""
    yield AddCompanyUser(at=at, customer=company, person=person)
    for role in roles:
        yield ChangeRole(at=at, customer=company, person=person, role=role, granted=True)


def lapsed_by(at: datetime = MARCH) -> datetime:
    """A moment when whatever was issued before has ended, with any grace."""
    return at.replace(year=at.year + 4)
