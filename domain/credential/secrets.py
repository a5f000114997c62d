"""Secrets: the seed of the one-time codes, known here by its number alone.

The seed itself is in a vault. Its generation says which of them counts, so that a change of seeds is one
moment for all: a code that was checked with another seed is not judged, but checked anew by the caller.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Credential, LastProof, check_changeable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSet:
    """The seed of this generation is in force from now on, and none before it."""

    stored: ClassVar = EventType("credential.secret_set", 1)

    at: datetime
    generation: int


Event = SecretSet


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSecret:
    """The seed of `generation` is in the vault. The first is 1; each later one is the next."""

    at: datetime
    generation: int


Command = SetSecret


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case SecretSet(generation=generation):
            # The device that has it may be another, whose clock is not known yet. The last step stays: what was
            # accepted is used up, whichever seed its code came of.
            last = LastProof(timecode=state.last_proof.timecode, counter=state.last_proof.counter)
            return replace(state, secret_generation=generation, last_proof=last)
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Command) -> tuple[Event, ...]:
    """Answer with the seed in force. Raises Refused(secret_generation) for one that is not the next."""
    check_changeable(state, command.at)
    if command.generation != state.secret_generation + 1:
        raise Refused(Refusal.SECRET_GENERATION, f"the next seed is of generation {state.secret_generation + 1}")
    return (SecretSet(at=command.at, generation=command.generation),)


def check_generation(state: Credential, generation: int | None) -> None:
    """Raise Refused(secret_generation) for a proof that was checked with another seed than that in force."""
    if generation is not None and generation != state.secret_generation:
        raise Refused(Refusal.SECRET_GENERATION, "the seed was changed meanwhile: check the code with the one in force")
