"""Retention: records of erased customers are set apart, and destroyed class by class when their time is over.

What is set apart is out of the log that questions are answered from, and still proven: its leaves are in the seal.
What is destroyed leaves a commitment behind, and an event of the ledger says by which rule.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sealbook.application.erasure import held_by_nobody_else
from sealbook.application.noting import note
from sealbook.application.ports import EventStore
from sealbook.domain.calendar import shift_forward
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.customer import CredentialOpened, Customer
from sealbook.domain.kind_document import BankDocument
from sealbook.domain.ledger import DropRecords

CHANNEL = "cli"


class Record(NamedTuple):
    """An event that is kept: where it stands, and what it is."""

    position: int
    version: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartStream:
    """A stream that is set apart. Its periods count from `ended_at`, the end of the customer's relationship."""

    stream: UUID
    ended_at: datetime
    records: tuple[Record, ...]


class Archive(Protocol):
    """Records that are no longer part of the log, and kept because a law asks for it."""

    def erased_together(self) -> Iterator[Collection[UUID]]:
        """Yield, for each erasure whose streams are in the log yet, the customer with the devices erased with it."""
        ...

    def streams(self) -> Iterator[ApartStream]:
        """Yield what is set apart, with the records that are not destroyed."""
        ...

    def set_apart(self, streams: Mapping[UUID, int], *, ended_at: datetime) -> bool:
        """Move streams out of the log, whole and all at once; `streams` has the version that each was looked at.

        Return False if one has gone on since, and then nothing is moved. Doing it again changes nothing. The next
        `catch_up` builds the read models anew: they are a fold of the log.
        """
        ...

    def destroy(self, stream: UUID, positions: Collection[int]) -> None:
        """Destroy the bodies of records that are set apart; their commitments stay."""
        ...


@dataclass(slots=True, kw_only=True)
class Due:
    """What is due: customers to set apart, and of each stream the records whose time is over.

    A customer's streams, its own with those of credentials and devices, go `together` or not at all: what is left
    behind would not be found again. `unsealed` counts streams that wait because the seal does not cover all of their
    events yet, `held` customers under a legal hold, `changed` streams that have gone on since they were looked at.
    """

    together: list[tuple[ApartStream, ...]] = field(default_factory=list[tuple[ApartStream, ...]])
    records: dict[UUID, list[Record]] = field(default_factory=dict[UUID, list[Record]])
    unsealed: int = 0
    held: int = 0
    changed: int = 0

    @property
    def apart(self) -> list[ApartStream]:
        return [stream for streams in self.together for stream in streams]

    @property
    def by_name(self) -> Mapping[str, int]:
        return Counter(record.name for records in self.records.values() for record in records)


def due(store: EventStore, archive: Archive, *, bank: BankDocument, now: datetime, sealed_to: int) -> Due:
    """Return what a run would do at a moment. Nothing is touched that the seal does not cover."""
    found = Due()
    for erased in archive.erased_together():
        for customer, head in store.load(streams=erased, names=(), commands=()).heads.items():
            match head.state:
                case Customer(legal_hold=True):
                    found.held += 1
                case Customer() as state:
                    ended_at = state.closed_at or state.deceased_at
                    together = _together(store, customer, version=head.version, ended_at=ended_at, erased=erased)
                    _take(found, together, sealed_to=sealed_to)
                case _:
                    pass
    for stream in (*archive.streams(), *found.apart):
        over = [record for record in stream.records if _is_over(record, stream.ended_at, bank=bank, now=now)]
        covered = [record for record in over if record.position <= sealed_to]
        found.unsealed += covered != over
        if covered:
            found.records[stream.stream] = covered
    return found


def run(store: EventStore, archive: Archive, what: Due, *, rule: str, approved_by: str, at: datetime) -> Due:
    """Do what is due, and return what was done: a customer of whom something has changed since waits for the next run.

    Raises Refused without an approver; killed anywhere and run again, it is done once.
    """
    done = Due(records=dict(what.records), unsealed=what.unsealed, held=what.held)
    for together in what.together:
        versions = {each.stream: each.records[-1].version for each in together}
        if archive.set_apart(versions, ended_at=together[0].ended_at):
            done.together.append(together)
            continue
        done.changed += len(together)
        for stream in versions:
            done.records.pop(stream, None)
    for stream, records in done.records.items():
        _drop(store, stream, records, rule=rule, approved_by=approved_by, at=at)
        archive.destroy(stream, [record.position for record in records])
    return done


def _take(found: Due, together: tuple[ApartStream, ...], *, sealed_to: int) -> None:
    if any(record.position > sealed_to for stream in together for record in stream.records):
        found.unsealed += len(together)
    elif together:
        found.together.append(together)


def _together(
    store: EventStore, customer: UUID, *, version: int, ended_at: datetime | None, erased: Collection[UUID]
) -> tuple[ApartStream, ...]:
    """Return a customer's streams that are in the log, its own as of the version that was judged."""
    if ended_at is None:
        return ()
    # What came after that version may be a legal hold: then the archive finds that the stream has gone on.
    own = [each for each in store.stream(customer) if each.version <= version]
    credentials = [each.event.credential for each in own if isinstance(each.event, CredentialOpened)]
    histories = {each: store.stream(each) for each in (*credentials, *erased) if each != customer}
    # A device may have been bound to somebody else after the erasure.
    kept = {each: history for each, history in histories.items() if held_by_nobody_else(history, customer)}
    return tuple(
        ApartStream(stream=each, ended_at=ended_at, records=tuple(map(_record, history)))
        for each, history in {**kept, customer: own}.items()
        if history
    )


def _record(recorded: RecordedEvent) -> Record:
    return Record(recorded.position, recorded.version, recorded.event.stored.name)


def _drop(
    store: EventStore, stream: UUID, records: Sequence[Record], *, rule: str, approved_by: str, at: datetime
) -> None:
    """Have the ledger note it. Raises Refused."""
    dropped = DropRecords(
        at=at,
        stream=stream,
        versions=max(record.version for record in records),
        rule=f"{rule}: {', '.join(sorted({record.name for record in records}))}",
        approved_by=approved_by,
    )
    note(store, dropped, actor=approved_by, channel=CHANNEL)


def _is_over(record: Record, ended_at: datetime, *, bank: BankDocument, now: datetime) -> bool:
    return shift_forward(ended_at, bank.kept(record.name), zone_name=bank.zone) <= now


def unknown_classes(bank: BankDocument, names: Sequence[str]) -> list[str]:
    """Return the beginnings in the bank's document that fit no event: a slip of the pen would keep nothing."""
    return [each for each in bank.records if not any(name.startswith(each) for name in names)]
