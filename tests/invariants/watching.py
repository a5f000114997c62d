"""Reads the log as it grows, and says which invariant of the ledger (domain 5.4) a new event breaks."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from sealbook.adapters.eventstore.codec import encode_event
from sealbook.application.ports import EVENTS_A_READ, EventStore, NewEvent
from sealbook.domain import catalogue, customer, device
from sealbook.domain.calendar import Calendar
from sealbook.domain.catalogue import Aggregate, Event, RecordedEvent
from sealbook.domain.credential import (
    Application,
    AutoRenewed,
    Credential,
    FeeRefunded,
    Issued,
    LossReported,
    PersonalDataErased,
    PolicySwitched,
    Renewed,
    Resumed,
    Resynchronized,
    Used,
)
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import Policy, PolicyBook
from sealbook.domain.values import Kind, SwitchMode
from tests.invariants.renewals import check_renewal

HIDDEN = "known-to-nobody"
"""Stands in every name, identity and device key that the tests give, so that a leak is seen."""
NEVER = datetime.max.replace(tzinfo=UTC)

OF_AN_ENDED_CUSTOMER = (
    customer.CredentialOpened,  # by the adoption of a history only
    customer.CredentialClosed,
    customer.DeviceSlotReleased,
    customer.IdReleased,
    customer.LegalHoldPlaced,
    customer.LegalHoldLifted,
    customer.RecordViewed,
    customer.PersonalDataErased,
)


@dataclass(slots=True, kw_only=True)
class Watch:
    """The states of a ledger by stream, folded from the log after a position, each event checked on its way."""

    store: EventStore
    kinds: KindBook
    position: int
    log: list[RecordedEvent] = field(default_factory=list[RecordedEvent])
    states: dict[UUID, Aggregate] = field(default_factory=dict[UUID, Aggregate])
    policies: dict[str, Policy] = field(default_factory=dict[str, Policy])
    streams: dict[UUID, list[RecordedEvent]] = field(default_factory=dict[UUID, list[RecordedEvent]])
    _heads_then: list[tuple[datetime, dict[UUID, Aggregate]]] = field(
        default_factory=list[tuple[datetime, dict[UUID, Aggregate]]]
    )

    @property
    def book(self) -> PolicyBook:
        return PolicyBook(self.policies)

    def see(self) -> list[RecordedEvent]:
        """Read what is new; raise AssertionError for what may not be."""
        new = list[RecordedEvent]()
        while events := self.store.read(after=self.position, limit=EVENTS_A_READ):
            self.position = events[-1].position
            new += events
        for _, appended in groupby(new, key=lambda recorded: recorded.recorded_at):
            for recorded in appended:
                self._fold(recorded)
            self._check_slots()
            self._check_live_are_open()
        self._check_heads({recorded.stream for recorded in new})
        return new

    def of(self, stream: UUID) -> Aggregate:
        return self.states.get(stream)

    def credentials(self) -> list[tuple[UUID, Credential]]:
        return [(stream, state) for stream, state in self.states.items() if isinstance(state, Credential)]

    def _fold(self, recorded: RecordedEvent) -> None:
        before, event = self.states.get(recorded.stream), recorded.event
        after = catalogue.evolve(before, event)
        earlier = self.streams.setdefault(recorded.stream, [])
        assert recorded.version == len(earlier) + 1
        assert not self.log or recorded.position == self.log[-1].position + 1
        _check_hidden(recorded)
        _check_final(before, event, after)
        if isinstance(before, Credential) and isinstance(after, Credential):
            _check_use(before, event, earlier)
            _check_timecode(event, earlier)
            _check_end(before, event, after, self.book)
            check_renewal(before, event, after, [each.event for each in earlier], self.book)
        if isinstance(event, Issued) and event.provenance is None:
            assert self.book.in_force(event.policy.policy_id, event.at).ref == event.policy
        earlier.append(recorded)
        self.log.append(recorded)
        self.states[recorded.stream] = after
        if isinstance(after, Policy):
            self.policies[after.versions[0].policy_id] = after

    def moments_seen(self) -> list[datetime]:
        return [at for at, _ in self._heads_then]

    def as_it_was(self, moment: datetime) -> dict[UUID, Aggregate]:
        """Return the heads that were stored at one of `moments_seen`."""
        held = dict[UUID, Aggregate]()
        for at, heads in self._heads_then:
            if at <= moment:
                held.update(heads)
        return held

    def _check_heads(self, touched: set[UUID]) -> None:
        """7: what is stored as the present state is what the log folds to."""
        heads = self.store.load(streams=touched, names=(), commands=()).heads
        if touched:
            self._heads_then.append((self.log[-1].recorded_at, {stream: heads[stream].state for stream in touched}))
        for stream in touched:
            assert heads[stream].state == self.states[stream]
            assert heads[stream].version == len(self.streams[stream])

    def _check_slots(self) -> None:
        """1: a person's devices, a device's person, one live credential of a kind."""
        holders = {stream: state for stream, state in self.states.items() if isinstance(state, Customer)}
        bound = {
            stream: state.customer
            for stream, state in self.states.items()
            if isinstance(state, Device) and state.customer is not None
        }
        taken = [(each, stream) for stream, state in holders.items() for each in state.devices]
        assert len(taken) == len(dict(taken)), "a device is in the slots of two"
        assert dict(taken) == bound, "a slot and a device disagree"
        for holder in holders.values():
            self._check_holdings(holder)

    def _check_holdings(self, holder: Customer) -> None:
        most = max(document.devices_per_person_max for document in self.kinds.kinds.values())
        assert len(holder.devices) <= most
        live = [
            (stream, state)
            for stream, _ in holder.open_credentials
            if isinstance(state := self.states.get(stream), Credential) and state.device is not None
        ]
        for kind in Kind:
            devices = {state.device for _, state in live if state.kind is kind}
            assert len(devices) <= self.kinds.kind(kind).devices_per_person_max
            assert sum(state.kind is kind for _, state in live) <= 1, "two live credentials of a kind"
        assert {state.device for _, state in live} <= set(holder.devices), "a live credential without its slot"

    def _check_live_are_open(self) -> None:
        """What its customer has closed is not live, or another could stand beside it; a history is as it is."""
        for stream, state in self.credentials():
            holder = self.states[state.customer]
            assert isinstance(holder, Customer)
            is_open = any(stream == held for held, _ in holder.open_credentials)
            adopted = state.device is None
            assert adopted or is_open or state.revoked or state.lapsed_at is not None, "closed, and live"


def _check_hidden(recorded: RecordedEvent) -> None:
    """9: nothing that was told in confidence stands in the bytes that are stored."""
    body = encode_event(
        NewEvent(
            stream=recorded.stream,
            version=recorded.version,
            actor=recorded.actor,
            channel=recorded.channel,
            command_id=recorded.command_id,
            caused_by=recorded.caused_by,
            event=recorded.event,
        )
    )
    assert HIDDEN.encode() not in body


def _check_final(before: Aggregate, event: Event, after: Aggregate) -> None:
    """6: what has ended for good admits its erasure; a refused use is evidence and moves nothing."""
    match before:
        case Credential() if before.ended_at(event.at) and not isinstance(event, PersonalDataErased):
            assert after == before, "a credential that had ended was changed"
            assert before.lapsed_at is None or not isinstance(event, Used)
        case Application(ended_at=datetime()):
            assert isinstance(event, FeeRefunded)
        case Customer(closed_at=closed_at, deceased_at=deceased_at) if closed_at or deceased_at:
            assert isinstance(event, OF_AN_ENDED_CUSTOMER)
        case Device(retired=True):
            assert isinstance(event, device.DeviceReleased | device.DeviceRetired)
        case _:
            pass


def _check_use(before: Credential, event: Event, earlier: list[RecordedEvent]) -> None:
    """2: a use lies in the validity of its moment, before a report of loss, suspension or revocation known then."""
    if not isinstance(event, Used):
        return
    assert before.issued_at <= event.at
    assert not before.revoked
    reported = _reported(earlier)
    assert reported is None or event.at < reported, "a use after a report of loss"
    if before.lapsed_at is not None and event.at >= before.lapsed_at:
        assert before.in_grace_at(event.at)
    else:
        assert before.expires_at is None or event.at < before.expires_at
        assert not before.suspended


def _reported(earlier: list[RecordedEvent]) -> datetime | None:
    """Return the first report of loss that no resumption has followed."""
    reported: datetime | None = None
    for event in (recorded.event for recorded in earlier):
        if isinstance(event, LossReported):
            reported = min(reported or event.at, event.at)
        elif isinstance(event, Resumed):
            reported = None
    return reported


def _check_timecode(event: Event, earlier: list[RecordedEvent]) -> None:
    """3: the time steps of accepted codes increase strictly."""
    timecode = _timecode(event)
    if timecode is not None:
        known = (_timecode(recorded.event) for recorded in earlier)
        assert all(each < timecode for each in known if each is not None)


def _timecode(event: Event) -> int | None:
    match event:
        case Used(evidence=evidence):
            return None if evidence is None else evidence.timecode
        case Resynchronized(timecode=timecode):
            return timecode
        case _:
            return None


def _check_end(before: Credential, event: Event, after: Credential, book: PolicyBook) -> None:
    """5: an end moves back by a switch only, and then to no earlier than it; or by a shorter validity (4.5)."""
    was, now = before.expires_at or NEVER, after.expires_at or NEVER
    match event:
        case AutoRenewed() | Renewed():
            policy = book.policy(event.policy)
            changed = policy.validity_of_renewal != policy.validity or before.policy_since != before.issued_at
            # To the instant, a day clamped to the month's end may be hours before.
            assert changed or policy.calendar is Calendar.INSTANT or now >= was or before.lapsed_at is not None
            assert before.term.bounds.base <= after.term.bounds.base
        case PolicySwitched(mode=SwitchMode.KEEP):
            assert now == was
        case PolicySwitched(at=at):
            assert now >= at
        case _:
            assert now == was
