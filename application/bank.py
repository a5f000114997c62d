"""A bank in a box: customers who apply, use, lose and renew, drawn from a seed, told as commands."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sealbook.application.commands import (
    Command,
    EnrollCustomer,
    IssueCredential,
    Name,
    NameKind,
    OnCredential,
    RegisterDevice,
    Request,
)
from sealbook.domain.credential import Fact, ObjectToRenewal, Resume, Revoke, Suspend, Use
from sealbook.domain.values import HolderKind, Kind

DAY = timedelta(days=1)
USES_A_YEAR = (0.5, 4, 12, 30, 60)
"""How often people use it: from those who forget it to those who log in every week."""
MODELS = ("SM-S928N", "SM-F956N", "iPhone16,2")
CHANNELS = ("app", "app", "app", "app", "web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What a customer will do, decided at birth; `name` is the bank's number for customer and credential."""

    name: str
    begins_at: datetime
    ends_at: datetime
    policy_id: str


def commands(lives: list[Life], *, random: Random, new_id: Callable[[], UUID]) -> list[Command]:
    """Return what all the lives ask of the ledger, in time order."""
    asked = [each for life in lives for each in _life(life, random=random, new_id=new_id)]
    # Stable: what one customer asks at one instant stays in its order.
    return sorted(asked, key=lambda command: command.request.at)


def _life(life: Life, *, random: Random, new_id: Callable[[], UUID]) -> Iterator[Command]:
    def told(request: Request, *, actor: str = "holder", channel: str = "app") -> Command:
        return Command(request=request, command_id=new_id(), actor=actor, channel=channel)

    at, device, customer = life.begins_at, new_id(), Name(NameKind.CUSTOMER, life.name)
    credential = Name(NameKind.CREDENTIAL, life.name)
    yield told(
        EnrollCustomer(at=at, customer=new_id(), name=customer, kind=HolderKind.PERSONAL),
        actor="teller",
        channel="branch",
    )
    key = Name(NameKind.DEVICE_KEY, f"key of {life.name}")
    yield told(RegisterDevice(at=at, device=device, key=key, model=random.choice(MODELS)))
    yield told(
        IssueCredential(
            at=at,
            credential=new_id(),
            name=credential,
            customer=customer,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            device=device,
            policy_id=life.policy_id,
        )
    )
    for fact in _facts(life, random=random, device=device):
        channel = fact.channel if isinstance(fact, Use) else "call_centre"
        yield told(OnCredential(credential=credential, command=fact), channel=channel)


def _facts(life: Life, *, random: Random, device: UUID) -> Iterator[Fact]:
    """Yield what happens to the credential, in time order."""
    facts: list[Fact] = [
        Use(at=at, channel=random.choice(CHANNELS), purpose="login", device=device)
        for at in _use_times(life, random=random)
    ]
    loses, objects, leaves = random.random() < 0.15, random.random() < 0.03, random.random() < 0.05
    if loses:
        lost_at = _moment(life, random=random)
        facts.append(Suspend(at=lost_at, reason="loss_reported"))
        facts.append(Resume(at=min(lost_at + random.uniform(0.1, 20) * DAY, life.ends_at)))
    if objects:
        facts.append(ObjectToRenewal(at=_moment(life, random=random)))
    if leaves:
        facts.append(Revoke(at=_moment(life, random=random), reason="cessation_of_operation"))
    return iter(sorted(facts, key=lambda fact: fact.at))


def _use_times(life: Life, *, random: Random) -> Iterator[datetime]:
    rate = random.choice(USES_A_YEAR) / 365
    at = life.begins_at + timedelta(minutes=random.uniform(1, 60))
    while at < life.ends_at:
        yield at
        at += random.expovariate(rate) * DAY
        if random.random() < 0.02:
            at += random.uniform(100, 500) * DAY  # Put away for a long while.


def _moment(life: Life, *, random: Random) -> datetime:
    return life.begins_at + random.random() * (life.ends_at - life.begins_at)
