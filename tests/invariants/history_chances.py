"""Requests by chance that bring histories from elsewhere."""

from datetime import timedelta
from random import Random
from uuid import UUID

from sealbook.application.adopting import AdoptAttempt, AdoptFact, AdoptIssued
from sealbook.application.commands import Request
from sealbook.application.names import NameKind
from sealbook.domain import credential
from sealbook.domain.values import Kind, PolicyRef, SwitchMode
from tests.invariants.chances import DAY, moment
from tests.invariants.credential_chances import new_credential
from tests.invariants.world import World

HISTORY = timedelta(days=900)


def adopt(world: World, chance: Random) -> Request:
    """A customer of another system, with a history of its own before the present."""
    at = moment(world, chance) - HISTORY
    former = world.hidden(NameKind.CUSTOMER, UUID(int=chance.randint(1, 2)))
    ref = PolicyRef(policy_id=chance.choice(world.policy_ids), version=1)
    if chance.random() < 0.5:
        return AdoptAttempt(
            at=at + chance.choice((0, 100, 300, 600)) * DAY,
            customer=former,
            customer_stream=world.new_id(),
            stream=new_credential(world),
            kind=Kind.KB_MOBILE_CERTIFICATE,
            policy=ref,
            provenance="file-1",
            reissue=chance.random() < 0.5,
        )
    stream = new_credential(world)
    return AdoptIssued(
        at=at,
        credential=stream,
        name=world.hidden(NameKind.CREDENTIAL, stream),
        customer=former,
        customer_stream=world.new_id(),
        kind=chance.choice(list(Kind)),
        policy=ref,
        provenance="file-1",
    )


def adopt_fact(world: World, chance: Random) -> Request:
    adopted = [each for each in world.held if (state := world.credential(each)) and state.device is None]
    stream = world.pick(chance, adopted, world.held or world.persons)
    at = moment(world, chance) - chance.choice((timedelta(), 100 * DAY, HISTORY))
    ref = PolicyRef(policy_id=chance.choice(world.policy_ids), version=1)
    facts = (
        credential.Use(at=at),
        credential.Use(at=at),
        credential.RecordRefusal(at=at),
        credential.Suspend(at=at),
        credential.Resume(at=at),
        credential.Revoke(at=at),
        credential.RequestRenewal(at=at),
        credential.ObjectToRenewal(at=at),
        credential.SwitchPolicy(at=at, policy=ref, mode=chance.choice(list(SwitchMode))),
        credential.Settle(at=at),
        credential.ObserveRenewal(at=at),
        credential.ObserveExpiry(at=at),
    )
    return AdoptFact(credential=stream, fact=chance.choice(facts))
