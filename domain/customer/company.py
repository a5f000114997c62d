"""Company: its users, their roles, and transactions that take four eyes (domain 5.3)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.customer.standing import CompanyUser, Customer, Proposal, State, active, present
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, HolderKind, Role

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAdded:
    """`person` is an enrolled natural person, who holds credentials of its own."""

    stored: ClassVar = EventType("customer.user_added", 1)

    at: datetime
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRemoved:
    stored: ClassVar = EventType("customer.user_removed", 1)

    at: datetime
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted:
    stored: ClassVar = EventType("customer.role_granted", 1)

    at: datetime
    person: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRemoved:
    stored: ClassVar = EventType("customer.role_removed", 1)

    at: datetime
    person: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionProposed:
    """`transaction` is a reference of the bank's."""

    stored: ClassVar = EventType("customer.transaction_proposed", 1)

    at: datetime
    transaction: str
    maker: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionApproved:
    stored: ClassVar = EventType("customer.transaction_approved", 1)

    at: datetime
    transaction: str
    approver: UUID


Event = UserAdded | UserRemoved | RoleGranted | RoleRemoved | TransactionProposed | TransactionApproved


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUser:
    at: datetime
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser:
    at: datetime
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    at: datetime
    person: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRole:
    at: datetime
    person: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeTransaction:
    at: datetime
    transaction: str
    maker: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveTransaction:
    at: datetime
    transaction: str
    approver: UUID


Command = AddUser | RemoveUser | GrantRole | RemoveRole | ProposeTransaction | ApproveTransaction


# --- Evolve


def evolve(state: Customer, event: Event) -> Customer:
    match event:
        case UserAdded(person=person):
            return replace(state, users=(*state.users, CompanyUser(person=person)))
        case UserRemoved(person=person):
            return replace(state, users=_without(state, person))
        case RoleGranted(person=person, role=role):
            return _with_roles(state, person, (*_roles(state, person), role))
        case RoleRemoved(person=person, role=removed):
            return _with_roles(state, person, tuple(role for role in _roles(state, person) if role is not removed))
        case TransactionProposed(transaction=transaction, maker=maker):
            return replace(state, proposals=(*state.proposals, Proposal(transaction=transaction, maker=maker)))
        case TransactionApproved(transaction=approved):
            return replace(state, proposals=tuple(each for each in state.proposals if each.transaction != approved))
        case _:
            assert_never(event)


def _without(state: Customer, person: UUID) -> tuple[CompanyUser, ...]:
    return tuple(user for user in state.users if user.person != person)


def _roles(state: Customer, person: UUID) -> tuple[Role, ...]:
    user = state.user(person)
    return () if user is None else user.roles


def _with_roles(state: Customer, person: UUID, roles: tuple[Role, ...]) -> Customer:
    return replace(state, users=(*_without(state, person), CompanyUser(person=person, roles=roles)))


# --- Decide


def decide(state: State, command: Command) -> tuple[Event, ...]:
    match command:
        case AddUser(at=at, person=person):
            known = _company(active(state))
            return () if known.user(person) is not None else (UserAdded(at=at, person=person),)
        case RemoveUser(at=at, person=person):
            return _removed(_company(present(state)), person, at=at)
        case GrantRole(at=at, person=person, role=role):
            known = _company(active(state))
            return () if role in _user(known, person).roles else (RoleGranted(at=at, person=person, role=role),)
        case RemoveRole(at=at, person=person, role=role):
            return _role_removed(_company(present(state)), person, role, at=at)
        case ProposeTransaction(at=at, transaction=transaction, maker=maker):
            return _proposed(_company(active(state)), transaction, maker, at=at)
        case ApproveTransaction(at=at, transaction=transaction, approver=approver):
            return _approved(_company(active(state)), transaction, approver, at=at)
        case _:
            assert_never(command)


def _company(state: Customer) -> Customer:
    if state.kind is not HolderKind.CORPORATE:
        raise Refused(Refusal.ROLE, "only a company has users: the customer is a natural person")
    return state


def _user(state: Customer, person: UUID) -> CompanyUser:
    user = state.user(person)
    if user is None:
        raise Refused(Refusal.ROLE, "the person is no user of the company: add it first")
    return user


def _check_administrator_stays(state: Customer, person: UUID) -> None:
    others = (user for user in state.users if user.person != person)
    if not any(Role.ADMINISTRATOR in user.roles for user in others):
        raise Refused(Refusal.LAST_ADMIN, "a company keeps an administrator: make another user one first")


def _removed(state: Customer, person: UUID, *, at: datetime) -> tuple[Event, ...]:
    user = state.user(person)
    if user is None:
        return ()
    if Role.ADMINISTRATOR in user.roles:
        _check_administrator_stays(state, person)
    return (UserRemoved(at=at, person=person),)


def _role_removed(state: Customer, person: UUID, role: Role, *, at: datetime) -> tuple[Event, ...]:
    if role not in _user(state, person).roles:
        return ()
    if role is Role.ADMINISTRATOR:
        _check_administrator_stays(state, person)
    return (RoleRemoved(at=at, person=person, role=role),)


def _check_role(state: Customer, person: UUID, role: Role) -> None:
    if role not in _user(state, person).roles:
        raise Refused(Refusal.ROLE, f"the person is no {role} of the company: grant the role first")


def _proposed(state: Customer, transaction: str, maker: UUID, *, at: datetime) -> tuple[Event, ...]:
    _check_role(state, maker, Role.MAKER)
    if any(each.transaction == transaction for each in state.proposals):
        raise Refused(Refusal.DUPLICATE, "the transaction is proposed already")
    return (TransactionProposed(at=at, transaction=transaction, maker=maker),)


def _approved(state: Customer, transaction: str, approver: UUID, *, at: datetime) -> tuple[Event, ...]:
    proposal = next((each for each in state.proposals if each.transaction == transaction), None)
    if proposal is None:
        raise Refused(Refusal.NOT_FOUND, "no such transaction awaits an approval")
    _check_role(state, approver, Role.APPROVER)
    if proposal.maker == approver:
        raise Refused(Refusal.FOUR_EYES, "who made a transaction may not approve it: ask another approver")
    return (TransactionApproved(at=at, transaction=transaction, approver=approver),)
