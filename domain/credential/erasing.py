"""Erasure: the last thing that happens to a credential (domain 5.1)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.calendar import shift_forward
from sealbook.domain.credential.standing import Credential
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import BankDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDataErased:
    """It was decided that what belonged to the person is to go. `basis` is the rule that asked for it."""

    stored: ClassVar = EventType("credential.personal_data_erased", 1)

    at: datetime
    basis: str


Event = PersonalDataErased


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    at: datetime
    basis: str


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case PersonalDataErased():
            return replace(state, erased=True)
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Erase, bank: BankDocument) -> tuple[PersonalDataErased, ...]:
    """Answer once the records need not be kept any longer. Raises Refused(retention)."""
    if state.erased:
        return ()
    end = state.revoked_at if state.revoked else state.grace_until
    if end is None or command.at < shift_forward(end, bank.retention, zone_name=bank.zone):
        raise Refused(Refusal.RETENTION, f"the records are kept for {bank.retention} after the credential's end")
    return (PersonalDataErased(at=command.at, basis=command.basis),)
