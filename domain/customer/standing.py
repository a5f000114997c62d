"""The customer's state: what every stage of the relationship reads and moves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind, HolderSubkind, Kind, Role, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyUser:
    """A natural person who acts for a company, in one role or several."""

    person: UUID
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A transaction that its maker proposed and nobody approved yet."""

    transaction: str
    maker: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A person or company. `restricted`, `deceased_at` and `closed_at` are independent."""

    subkind: HolderSubkind
    open_credentials: tuple[tuple[UUID, Kind], ...] = ()
    latest_credentials: tuple[tuple[UUID, Kind], ...] = ()
    credentials_opened: int = 0
    devices: tuple[UUID, ...] = ()
    linked_ids: tuple[tuple[str, UUID], ...] = ()
    services: tuple[Service, ...] = ()
    users: tuple[CompanyUser, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    restricted: bool = False
    deceased_at: datetime | None = None
    closed_at: datetime | None = None
    legal_holds: tuple[str, ...] = ()
    erased: bool = False

    @property
    def kind(self) -> HolderKind:
        return self.subkind.kind

    @property
    def legal_hold(self) -> bool:
        """Tell whether a case asks that nothing be erased."""
        return bool(self.legal_holds)

    @property
    def ended(self) -> bool:
        return self.closed_at is not None or self.deceased_at is not None

    def holding(self, kind: Kind) -> tuple[UUID, ...]:
        """Return the open credentials of a kind, the latest last."""
        return tuple(credential for credential, held in self.open_credentials if held is kind)

    def latest(self, kind: Kind) -> UUID | None:
        """Return the credential of a kind that was opened last, be it closed since."""
        return next((credential for credential, held in self.latest_credentials if held is kind), None)

    def linked_to(self, bank_id: str) -> UUID | None:
        """Return the credential that stands for an ID of the customer's."""
        return dict(self.linked_ids).get(bank_id)

    def acts_for(self, person: UUID) -> bool:
        """Tell whether a person does more for the company than look on (domain rule R11)."""
        user = self.user(person)
        return user is not None and bool(set(user.roles) - {Role.VIEWER})

    def user(self, person: UUID) -> CompanyUser | None:
        return next((user for user in self.users if user.person == person), None)


State = Customer | None
"""None until the customer is enrolled."""


def enrolled(state: State) -> Customer:
    """Return the customer. Raises Refused(customer_state) if there is none."""
    if state is None:
        raise Refused(Refusal.CUSTOMER_STATE, "the customer is not enrolled: enroll it first")
    return state


def present(state: State) -> Customer:
    """Return the customer, restricted or not. Raises Refused(customer_state) once deceased or closed."""
    known = enrolled(state)
    if known.ended:
        end = "closed" if known.deceased_at is None else "deceased"
        raise Refused(Refusal.CUSTOMER_STATE, f"the customer is {end}: nothing more can be opened or changed")
    return known


def active(state: State) -> Customer:
    """Return the customer. Raises Refused(customer_state) unless it may act without restriction."""
    known = present(state)
    if known.restricted:
        raise Refused(Refusal.CUSTOMER_STATE, "the customer is restricted: lift the restriction first")
    return known
