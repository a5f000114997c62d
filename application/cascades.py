"""Cascades: what one fact brings about in other aggregates, as a process manager.

A reaction is a pure decision over the fact and what it finds. Its command id is made of the source
event and the target, so that one which is sent twice is carried out once (domain 5.4, invariant 12).
`carry_out` reacts at once; what a crash left undone, `catch_up` does from its tracking position.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.application.commands import Command, Request
from sealbook.application.ledger import Outcome, execute
from sealbook.application.ports import EVENTS_A_READ, EventStore
from sealbook.application.requests import (
    ChangeRole,
    CloseCustomer,
    OnApplication,
    OnCredential,
    OnCustomer,
    OnDevice,
    ReleaseDevice,
    RemoveCompanyUser,
    UnlinkId,
)
from sealbook.domain import credential, customer, device
from sealbook.domain.catalogue import Aggregate, RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.kind_document import KindBook, KindDocument
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import RevocationReason, SuspensionReason

TRACKED_AS = "process manager: cascades"
ACTOR, CHANNEL = "sealbook", "cascade"

Source = (
    customer.CustomerRestricted
    | customer.RestrictionLifted
    | customer.CustomerDeceased
    | customer.CustomerClosed
    | customer.NameChanged
    | customer.ServiceLeft
    | customer.UserRemoved
    | customer.RoleRemoved
    | device.AppUpdated
    | device.DeviceRetired
)
"""The facts that something else follows upon."""
Followed = (
    customer.Restrict
    | customer.LiftRestriction
    | customer.RecordDeath
    | customer.ChangeName
    | customer.LeaveService
    | device.UpdateApp
    | device.Retire
)
"""The commands that lead to them, beside the closing of a customer and the removal of a company's user."""


@dataclass(slots=True)
class Surroundings:
    """The heads that a reaction looks at, as they are now, each read once."""

    store: EventStore
    kinds: KindBook
    _heads: dict[UUID, Aggregate] = field(default_factory=dict[UUID, Aggregate])

    def look(self, stream: UUID) -> Aggregate:
        if stream not in self._heads:
            head = self.store.load(streams=[stream], names=(), commands=()).heads.get(stream)
            self._heads[stream] = None if head is None else head.state
        return self._heads[stream]

    def held_by(self, holder: UUID) -> Iterator[tuple[UUID, Application | Credential]]:
        """Yield the open credentials and applications of a customer."""
        state = self.look(holder)
        for stream, _ in state.open_credentials if isinstance(state, Customer) else ():
            held = self.look(stream)
            if isinstance(held, Application | Credential):
                yield stream, held

    def on_device(self, stream: UUID) -> Iterator[tuple[UUID, Application | Credential]]:
        """Yield the open credentials and applications on a device."""
        state = self.look(stream)
        holder = state.customer if isinstance(state, Device) else None
        for held, each in () if holder is None else self.held_by(holder):
            if each.device == stream:
                yield held, each


def reactions(recorded: RecordedEvent, around: Surroundings) -> list[Command]:
    """Return what follows upon a recorded event, in order; nothing for most."""
    event = recorded.event
    requests = _requests(recorded.stream, event, around) if isinstance(event, Source) else ()
    return [_command(recorded, target, request) for target, request in requests]


def carry_out(store: EventStore, commands: Sequence[Command], *, kinds: KindBook | None = None) -> list[Outcome]:
    """Carry out commands, in order, each seeing what followed upon those before; return their own outcomes."""
    outcomes: list[Outcome] = []
    for run in _runs(commands):
        done = execute(store, run, kinds=kinds)
        outcomes += done
        # Only the last command of a run is one that something follows upon.
        if any(isinstance(event, Source) for event in done[-1].events):
            _react_to(store, done[-1], kinds or preset_kinds())
    return outcomes


def _runs(commands: Sequence[Command]) -> Iterator[list[Command]]:
    """Yield the commands in runs that end where something may follow upon the last one."""
    run: list[Command] = []
    for command in commands:
        run.append(command)
        if _is_followed(command.request):
            yield run
            run = []
    if run:
        yield run


def _is_followed(request: Request) -> bool:
    match request:
        case CloseCustomer() | RemoveCompanyUser() | ChangeRole(granted=False):
            return True
        case OnCustomer(command=command) | OnDevice(command=command):
            return isinstance(command, Followed)
        case _:
            return False


def _react_to(store: EventStore, outcome: Outcome, kinds: KindBook) -> None:
    count, last = len(outcome.events), outcome.position or 0
    for recorded in store.read(after=last - count, limit=count):
        _react(store, recorded, kinds)


def catch_up(store: EventStore, *, kinds: KindBook, advanced: Callable[[int], None] = lambda _position: None) -> int:
    """React to all that has been recorded since the last time; return how many reactions were new."""
    position, done = store.tracked(TRACKED_AS), 0
    while events := store.read(after=position, limit=EVENTS_A_READ):
        done += sum(_react(store, recorded, kinds) for recorded in events)
        position = events[-1].position
        store.track(TRACKED_AS, position)
        advanced(position)
    return done


def _react(store: EventStore, recorded: RecordedEvent, kinds: KindBook) -> int:
    commands = reactions(recorded, Surroundings(store, kinds))
    outcomes = execute(store, commands, kinds=kinds) if commands else []
    return sum(bool(outcome.events) for outcome in outcomes)


def _requests(stream: UUID, event: Source, around: Surroundings) -> Iterator[tuple[str, Request]]:
    match event:
        case customer.CustomerRestricted() | customer.RestrictionLifted():
            yield from _of_restriction(stream, event, around)
        case customer.CustomerDeceased() | customer.CustomerClosed():
            yield from _freed(stream, event, around)
            yield from _ended(around.held_by(stream), event, RevocationReason.CESSATION_OF_OPERATION)
        case customer.NameChanged():
            bound = (each for each in _before(around.held_by(stream), event) if _kind(each[1], around).name_bound)
            yield from _ended(bound, event, RevocationReason.AFFILIATION_CHANGED)
        case customer.ServiceLeft(service=service):
            held = _before(around.held_by(stream), event)
            members = (each for each in held if service in _kind(each[1], around).membership)
            yield from _ended(members, event, RevocationReason.PRIVILEGE_WITHDRAWN)
        case customer.UserRemoved(person=person) | customer.RoleRemoved(person=person):
            if not _acts(around.look(stream), person):
                yield from _unlinked(stream, person, event, around)
        case device.AppUpdated():
            yield from _of_update(stream, event, around)
        case device.DeviceRetired():
            yield from _ended(around.on_device(stream), event, RevocationReason.CESSATION_OF_OPERATION)
            yield str(stream), ReleaseDevice(at=event.at, device=stream)


def _of_restriction(
    stream: UUID, event: customer.CustomerRestricted | customer.RestrictionLifted, around: Surroundings
) -> Iterator[tuple[str, Request]]:
    holder = around.look(stream)
    restricted = isinstance(holder, Customer) and holder.restricted
    if restricted is not isinstance(event, customer.CustomerRestricted):
        return  # What has been lifted, or placed again, since then has its own reactions.
    for held, state in around.held_by(stream):
        if not isinstance(state, Credential):
            continue
        at = _moment(state, event)
        if restricted:
            reason = SuspensionReason.CUSTOMER_RESTRICTED
            yield str(held), OnCredential(credential=held, command=credential.Suspend(at=at, reason=reason))
        elif state.suspended_for == SuspensionReason.CUSTOMER_RESTRICTED:
            yield str(held), OnCredential(credential=held, command=credential.Resume(at=at))


def _ended(
    held: Iterator[tuple[UUID, Application | Credential]],
    event: Source,
    reason: RevocationReason,
) -> Iterator[tuple[str, Request]]:
    for stream, state in held:
        at = _moment(state, event)
        if isinstance(state, Application):
            yield str(stream), OnApplication(credential=stream, command=credential.Abandon(at=at))
        else:
            yield str(stream), OnCredential(credential=stream, command=credential.Revoke(at=at, reason=reason))


def _before(
    held: Iterator[tuple[UUID, Application | Credential]], event: Source
) -> Iterator[tuple[UUID, Application | Credential]]:
    """Yield what began before the event: what came since was opened under the new name, or as a member again."""
    return (each for each in held if each[1].begun_at <= event.at)


def _moment(state: Application | Credential, event: Source) -> datetime:
    """Return when an event reaches a credential: at its beginning, if the event was learned of late."""
    return max(state.begun_at, event.at)


def _unlinked(company: UUID, person: UUID, event: Source, around: Surroundings) -> Iterator[tuple[str, Request]]:
    for held, state in around.held_by(person):
        if not isinstance(state, Credential):
            continue
        for linked in state.links.ids:
            if linked.owner == company:
                at, bank_id = _moment(state, event), linked.bank_id
                yield f"{held} {bank_id}", UnlinkId(at=at, credential=held, bank_id=bank_id)


def _acts(company: Aggregate, person: UUID) -> bool:
    """Tell whether a person, as things stand now, does more for a company than look on."""
    return isinstance(company, Customer) and company.acts_for(person)


def _freed(stream: UUID, event: Source, around: Surroundings) -> Iterator[tuple[str, Request]]:
    """Unlink the IDs of who has gone, wherever a credential stands for them."""
    state = around.look(stream)
    for bank_id, held in state.linked_ids if isinstance(state, Customer) else ():
        linked = around.look(held)
        if isinstance(linked, Credential):
            at = _moment(linked, event)
            yield f"{held} {bank_id}", UnlinkId(at=at, credential=held, bank_id=bank_id)


def _of_update(stream: UUID, event: device.AppUpdated, around: Surroundings) -> Iterator[tuple[str, Request]]:
    for held, state in around.on_device(stream):
        if isinstance(state, Credential) and _resets(_kind(state, around), event):
            yield str(held), OnCredential(credential=held, command=credential.RequireReset(at=event.at))


def _resets(kind: KindDocument, event: device.AppUpdated) -> bool:
    rule = kind.on_device.app_update_resets
    return rule == "always" or (rule == "keys_lost" and not event.keys_kept)


def _kind(state: Application | Credential, around: Surroundings) -> KindDocument:
    return around.kinds.kind(state.kind)


def _command(recorded: RecordedEvent, target: str, request: Request) -> Command:
    key = f"{recorded.stream} {recorded.version} {target}"
    return Command(request=request, command_id=derived_id(key), actor=ACTOR, channel=CHANNEL)


def derived_id(key: str) -> UUID:
    """Return the id that a key always has (a UUID of version 8, RFC 9562 5.8)."""
    value = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
