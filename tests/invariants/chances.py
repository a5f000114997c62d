"""Requests by chance about customers, devices and policies: most make sense where the bank stands, some do not."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sealbook.application.commands import Request
from sealbook.application.names import NameKind
from sealbook.application.requests import (
    AddCompanyUser,
    ChangeRole,
    CloseCustomer,
    EnrollCustomer,
    OnCustomer,
    OnDevice,
    OnPolicy,
    OnTransaction,
    RecoverDevice,
    RegisterDevice,
    ReleaseDevice,
    RemoveCompanyUser,
    ReplaceDevice,
    ReportLoss,
)
from sealbook.domain import customer, device
from sealbook.domain import policy as policies
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import App, Device
from sealbook.domain.values import HolderSubkind, LockScreen, Role, Service
from tests.invariants.world import World, policy

Chance = Callable[[World, Random], Request]

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
JUMPS = (4 * MINUTE, 11 * MINUTE, DAY / 12, DAY / 12, DAY, DAY, 3 * DAY, 8 * DAY, 31 * DAY, 95 * DAY, 800 * DAY)
BODIES: Sequence[dict[str, object]] = (
    {"validity": "P60D", "renew_on": "use", "eligible_after": "P10D", "grace": "P15D"},
    {"validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y", "min_uses": 2, "objection": "P20D"},
    {"validity": "P90D", "renew_on": "expiry", "eligible_after": "P0D", "usage_since": "period"},
    {"validity": "P90D", "renew_on": "expiry", "eligible_after": "P9D", "renewal_validity": "P20D", "grace": "P9D"},
    {"validity": "P1Y", "renew_on": "expiry", "eligible_after": "P30D", "usage_since": "P2M", "calendar": "civil_kr"},
    {"validity": "P90D", "renew_on": "request", "request_window": "P90D", "extend_from": "expiry"},
    {"validity": "P40D", "renew_on": "use", "eligible_after": "P0D", "max_renewals": 1, "calendar": "instant"},
    {"validity": "P50D", "renew_on": "never", "reissue_validity": "keep"},
    {"validity": None, "renew_on": "never"},
    {"validity": "P3Y", "renew_on": "use", "eligible_after": "P1D", "extend_from": "expiry", "notice_lead": "P30D"},
)


def moment(world: World, chance: Random) -> datetime:
    """Mostly now, at times before."""
    if chance.random() < 0.88:
        return world.now
    return world.now - chance.choice((MICROSECOND, MINUTE, DAY, 20 * DAY, 400 * DAY))


def pass_time(world: World, chance: Random) -> None:
    """Go on: by a stretch, or to just about a moment at which something ends or begins."""
    edges = [edge for state in world.watch.states.values() for edge in _edges(state)]
    ahead = [edge + tick for edge in edges for tick in (-MICROSECOND, MICROSECOND * 0, DAY / 3)]
    ahead = [edge for edge in ahead if edge > world.now]
    near = sorted(ahead)[:4]
    world.now = chance.choice(near) if near and chance.random() < 0.5 else world.now + chance.choice(JUMPS)


def _edges(state: object) -> list[datetime]:
    match state:
        case Application(open_until=open_until, ended_at=None):
            return [open_until]
        case Credential(revoked=False):
            bounds = state.term.bounds
            return [each for each in (bounds.eligible_from, bounds.expires_at, state.grace_until) if each is not None]
        case _:
            return []


def evidence(chance: Random) -> str | None:
    return "proofing-1" if chance.random() < 0.85 else None


# --- Customers


def some_customer(world: World, chance: Random) -> UUID:
    enrolled = [each for each in world.customers if isinstance(world.watch.of(each), Customer)]
    open_ones = [each for each in enrolled if not world.has_ended(each)]
    return world.pick(chance, open_ones, [*world.customers, *world.devices, world.new_id()])


def some_device(world: World, chance: Random) -> UUID:
    known = [each for each in world.devices if isinstance(state := world.watch.of(each), Device) and not state.retired]
    return world.pick(chance, known, [*world.devices, *world.persons, world.new_id()])


def enroll(world: World, chance: Random) -> Request:
    new = [each for each in world.customers if world.watch.of(each) is None]
    who = world.pick(chance, new, world.customers)
    corporate = (HolderSubkind.CORPORATION, HolderSubkind.SOLE_PROPRIETOR, HolderSubkind.ASSOCIATION)
    return EnrollCustomer(
        at=moment(world, chance),
        customer=who,
        name=world.hidden(NameKind.CUSTOMER, who),
        identity=world.hidden(NameKind.IDENTITY, who),
        subkind=chance.choice(corporate) if who in world.companies else HolderSubkind.INDIVIDUAL,
    )


def own_of_customer(world: World, chance: Random) -> Request:
    at, service = moment(world, chance), chance.choice(list(Service))
    joined = Service.INTERNET_BANKING if chance.random() < 0.7 else service
    commands = (
        customer.JoinService(at=at, service=joined),
        customer.JoinService(at=at, service=joined),
        customer.LeaveService(at=at, service=service),
        customer.ChangeContact(at=at, contact="contact-1"),
        customer.ChangeName(at=at, evidence=evidence(chance)),
        customer.Restrict(at=at, reason="fraud"),
        customer.LiftRestriction(at=at),
        customer.LiftRestriction(at=at),
        customer.PlaceLegalHold(at=at, case="case-1"),
        customer.LiftLegalHold(at=at, case="case-1"),
    )
    return OnCustomer(customer=some_customer(world, chance), command=chance.choice(commands))


def ending(world: World, chance: Random) -> Request:
    at, who = moment(world, chance), some_customer(world, chance)
    return chance.choice(
        (
            CloseCustomer(at=at, customer=who),
            OnCustomer(customer=who, command=customer.RecordDeath(at=at, evidence=evidence(chance))),
            OnCustomer(customer=who, command=customer.Erase(at=at, basis="act 5", approved_by="officer-1")),
        )
    )


def company(world: World, chance: Random) -> Request:
    at, firm = moment(world, chance), world.pick(chance, world.companies, world.persons)
    person = world.pick(chance, world.persons, world.companies)
    role, granted = chance.choice(list(Role)), chance.random() < 0.8
    return chance.choice(
        (
            AddCompanyUser(at=at, customer=firm, person=person),
            AddCompanyUser(at=at, customer=firm, person=person),
            RemoveCompanyUser(at=at, customer=firm, person=person),
            ChangeRole(at=at, customer=firm, person=person, role=role, granted=granted),
            ChangeRole(at=at, customer=firm, person=person, role=role, granted=True),
            OnTransaction(at=at, customer=firm, transaction="t-1", by=person, approved=chance.random() < 0.5),
        )
    )


# --- Devices


def register(world: World, chance: Random) -> Request:
    new = [each for each in world.devices if world.watch.of(each) is None]
    stream = world.pick(chance, new, world.devices)
    return RegisterDevice(
        at=moment(world, chance),
        device=stream,
        key=world.hidden(NameKind.DEVICE_KEY, stream),
        model="phone",
        os_version="15",
        app=App(
            version=chance.choice(("6.2.0", "6.2.0", "6.2.0", "6.2.0", "6.2.0", "6.2.0", "5.0")), store="google_play"
        ),
    )


def upkeep(world: World, chance: Random) -> Request:
    at, newer = moment(world, chance), f"6.{chance.randint(1, 9)}.0"
    commands = (
        device.UpdateApp(at=at, version=newer, keys_kept=chance.random() < 0.5),
        device.UpdateOs(at=at, version=chance.choice(("15", "16", "14", "new"))),
        device.ObserveLockScreen(at=at, lock_screen=chance.choice(list(LockScreen))),
        device.ObserveIntegrity(at=at, rooted=chance.random() < 0.15),
        device.OfferHandover(at=at),
    )
    retire = chance.random() < 0.08
    command = device.Retire(at=at) if retire else chance.choice(commands)
    return OnDevice(device=some_device(world, chance), command=command)


def custody(world: World, chance: Random) -> Request:
    at, bound = moment(world, chance), some_device(world, chance)
    lost = world.pick(chance, [bound, *world.held], world.persons)
    return chance.choice(
        (
            ReportLoss(at=at, lost=lost, lost_at=None, theft=chance.random() < 0.2),
            RecoverDevice(at=at, device=bound, evidence=evidence(chance)),
            RecoverDevice(at=at, device=bound, evidence=evidence(chance)),
            ReleaseDevice(at=at, device=bound),
        )
    )


def replace_device(world: World, chance: Random) -> Request:
    bound = [each for each in world.devices if isinstance(s := world.watch.of(each), Device) and s.customer]
    return ReplaceDevice(
        at=moment(world, chance),
        old=world.pick(chance, bound, world.devices),
        new=some_device(world, chance),
        evidence=evidence(chance),
    )


# --- Policies


def announce(world: World, chance: Random) -> Request:
    policy_id = chance.choice(world.policy_ids)
    held = world.watch.policies.get(policy_id)
    version = (held.versions[-1].version if held else 0) + chance.choice((1, 1, 1, 0))
    effect = world.now + chance.choice((MINUTE, 40 * DAY, 300 * DAY, -DAY))
    document = policy(
        policy_id,
        version=max(version, 1),
        **chance.choice(BODIES),
        announced_at=world.now.isoformat(),
        effective_from=effect.isoformat(),
        law_forced=chance.random() < 0.8,
        applies_to=chance.choice(("new", "keep", "restart", "recompute")),
    )
    at = world.now
    command: policies.Command = policies.Announce(at=at, document=document)
    if chance.random() < 0.3:
        command = policies.Withdraw(at=at, version=max(version - 1, 1))
    return OnPolicy(policy_id=policy_id, stream=world.new_id(), command=command)
