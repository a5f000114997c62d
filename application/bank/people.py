"""People: customers and their phones, and what they or the bank do about them. All of them are invented."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.application.bank.telling import CALLER, HOLDER, OFFICER, TELLER, Asker, Story
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import (
    EnrollCustomer,
    OnCustomer,
    OnDevice,
    OwnOfCustomer,
    OwnOfDevice,
    RecoverDevice,
    RegisterDevice,
    ReleaseDevice,
    ReplaceDevice,
    ReportLoss,
)
from sealbook.domain import customer, device
from sealbook.domain.device import App
from sealbook.domain.values import HolderSubkind, Service

MODELS = ("SM-S928N", "SM-F956N", "iPhone16,2")


@dataclass(slots=True, kw_only=True)
class Phone:
    """The versions of its app and its system only grow."""

    id: UUID
    app: int = 2
    system: int = 15

    @property
    def app_version(self) -> str:
        return f"6.{self.app}.0"


@dataclass(slots=True, kw_only=True)
class Holder:
    """A customer with the phone that is in use. `credentials` and `phones` count those there have been."""

    story: Story
    number: str
    subkind: HolderSubkind
    phone: Phone
    credentials: int = 0
    phones: int = 1

    @property
    def ref(self) -> Name:
        return Name(NameKind.CUSTOMER, self.number)

    @property
    def identity(self) -> Name:
        return Name(NameKind.IDENTITY, f"identity of {self.number}")

    @property
    def at(self) -> datetime:
        return self.story.at

    def next_name(self) -> Name:
        """Return the name of one credential more: the customer's own for the first, with a number for the others."""
        self.credentials += 1
        value = self.number if self.credentials == 1 else f"{self.number}#{self.credentials}"
        return Name(NameKind.CREDENTIAL, value)

    def on(self, command: OwnOfCustomer, by: Asker = HOLDER) -> None:
        self.story.ask(OnCustomer(customer=self.ref, command=command), by)

    def join(self, *services: Service) -> None:
        for service in services:
            self.on(customer.JoinService(at=self.story.later(minutes=1), service=service), TELLER)

    def leave(self, service: Service) -> None:
        self.on(customer.LeaveService(at=self.at, service=service))

    # --- The phone

    def on_phone(self, command: OwnOfDevice) -> None:
        self.story.ask(OnDevice(device=self.phone.id, command=command))

    def observe(self, *commands: device.ObserveLockScreen | device.ObserveIntegrity) -> None:
        for command in commands:
            self.on_phone(command)

    def update_app(self, *, keys_kept: bool) -> None:
        self.phone.app += 1
        self.on_phone(device.UpdateApp(at=self.at, version=self.phone.app_version, keys_kept=keys_kept))

    def update_system(self) -> None:
        self.phone.system += 1
        self.on_phone(device.UpdateOs(at=self.at, version=str(self.phone.system)))

    def lose_phone(self, *, theft: bool = False) -> None:
        lost_at = self.at
        self.story.later(minutes=self.story.between(10, 600))
        self.story.ask(ReportLoss(at=self.at, lost=self.phone.id, lost_at=lost_at, theft=theft), CALLER)

    def find_phone(self) -> None:
        evidence = self.story.reference("branch")
        self.story.ask(RecoverDevice(at=self.at, device=self.phone.id, evidence=evidence), TELLER)

    def give_phone_back(self) -> None:
        self.story.ask(ReleaseDevice(at=self.at, device=self.phone.id))

    def buy_phone(self) -> Phone:
        """Have another phone; the old one is still the one in use as far as the bank knows."""
        self.phones += 1
        return registered(self.story, self.number, self.phones)

    def replace_phone(self, new: Phone, *, by_code: bool = False) -> None:
        """Let another phone take the old one's place, by the code that the old one shows or by evidence."""
        evidence = None if by_code else self.story.reference("branch")
        if by_code:
            self.on_phone(device.OfferHandover(at=self.at))
        self.story.later(minutes=4)
        replaced = ReplaceDevice(at=self.at, old=self.phone.id, new=new.id, evidence=evidence)
        self.story.ask(replaced, HOLDER if by_code else TELLER)
        self.phone = new

    # --- The relationship

    def restrict(self, reason: str) -> None:
        self.on(customer.Restrict(at=self.at, reason=reason), OFFICER)

    def lift_restriction(self) -> None:
        self.on(customer.LiftRestriction(at=self.at), OFFICER)

    def die(self) -> None:
        evidence = self.story.reference("certificate")
        self.on(customer.RecordDeath(at=self.at, evidence=evidence), OFFICER)

    def change_name(self) -> None:
        self.on(customer.ChangeName(at=self.at, evidence=self.story.reference("register")), TELLER)

    def move_house(self) -> None:
        self.on(customer.ChangeContact(at=self.at, contact=self.story.reference("contact")))


def enrolled(story: Story, number: str, subkind: HolderSubkind = HolderSubkind.INDIVIDUAL) -> Holder:
    """Let a customer come to the bank, with a phone on which its app is installed."""
    at, stream = story.at, story.new_id()
    identity = Name(NameKind.IDENTITY, f"identity of {number}")
    name = Name(NameKind.CUSTOMER, number)
    story.ask(EnrollCustomer(at=at, customer=stream, name=name, subkind=subkind, identity=identity), TELLER)
    return Holder(story=story, number=number, subkind=subkind, phone=registered(story, number, 1))


def registered(story: Story, number: str, which: int) -> Phone:
    """Let a customer's first, second ... phone show its key, which no other phone has."""
    phone = Phone(id=story.new_id())
    story.ask(
        RegisterDevice(
            at=story.later(minutes=story.between(1, 10)),
            device=phone.id,
            key=Name(NameKind.DEVICE_KEY, f"key {which} of {number}"),
            model=story.random.choice(MODELS),
            os_version=str(phone.system),
            app=App(version=phone.app_version, store="google_play"),
        )
    )
    return phone
