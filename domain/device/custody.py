"""Custody: a device is lost, found again, or vouches for the one that follows it (domain rules R52, R55)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, assert_never

from sealbook.domain.device.standing import Device, State, in_service, registered
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

HANDOVER = timedelta(minutes=10)
"""A code that binds a new authenticator lives no longer (NIST SP 800-63B-4 4.1.2.2)."""

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSuspended:
    """Reported lost or stolen, together with the credentials on it."""

    stored: ClassVar = EventType("device.suspended", 1)

    at: datetime
    theft: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRestored:
    """Found again; the holder was identified."""

    stored: ClassVar = EventType("device.restored", 1)

    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverOffered:
    """The device shows a code, with which another may take its place until then."""

    stored: ClassVar = EventType("device.handover_offered", 1)

    at: datetime
    until: datetime


Event = DeviceSuspended | DeviceRestored | HandoverOffered


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLost:
    at: datetime
    theft: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    at: datetime
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferHandover:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReplacement:
    """Ask whether another device may take its place. Without evidence, the device itself must vouch for it."""

    at: datetime
    evidence: str | None


Command = ReportLost | Recover | OfferHandover | ConfirmReplacement


# --- Evolve


def evolve(state: Device, event: Event) -> Device:
    match event:
        case DeviceSuspended(theft=theft):
            return replace(state, suspended=True, stolen=state.stolen or theft, handover_until=None)
        case DeviceRestored():
            return replace(state, suspended=False)
        case HandoverOffered(until=until):
            return replace(state, handover_until=until)
        case _:
            assert_never(event)


# --- Decide


def decide(state: State, command: Command) -> tuple[Event, ...]:
    match command:
        case ReportLost(at=at, theft=theft):
            known = registered(state)
            again = known.suspended and (known.stolen or not theft)
            return () if again or known.retired else (DeviceSuspended(at=at, theft=theft),)
        case Recover(at=at, evidence=evidence):
            return _restored(registered(state), evidence, at=at)
        case OfferHandover(at=at):
            in_service(state)
            return (HandoverOffered(at=at, until=at + HANDOVER),)
        case ConfirmReplacement():
            _check_replaceable(registered(state), command)
            return ()
        case _:
            assert_never(command)


def _restored(state: Device, evidence: str | None, *, at: datetime) -> tuple[Event, ...]:
    if not state.suspended:
        return ()
    if state.retired:
        raise Refused(Refusal.DEVICE_STATE, "the device is retired: register another")
    if state.stolen:
        raise Refused(Refusal.PERMANENT, "the device was stolen: replace it")
    return (DeviceRestored(at=at, evidence=check_evidence(evidence)),)


def _check_replaceable(state: Device, command: ConfirmReplacement) -> None:
    if command.evidence:
        return
    if state.handover_until is None:
        check_evidence(command.evidence)
    elif not state.handover_until - HANDOVER <= command.at < state.handover_until:
        raise Refused(Refusal.CODE_EXPIRED, "the old device's code came too late: let it show another")
