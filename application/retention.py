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

from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.ports import EventStore
from sealbook.application.record_keeping import OnLedger
from sealbook.domain.calendar import shift_forward
from sealbook.domain.customer import CredentialOpened, Customer
from sealbook.domain.errors import Refused
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

    def set_apart(self, streams: Collection[UUID], *, ended_at: datetime) -> None:
        """Move streams out of the log, whole. Doing it again changes nothing."""
        ...

    def destroy(self, stream: UUID, positions: Collection[int]) -> None:
        """Destroy the bodies of records that are set apart; their commitments stay."""
        ...


@dataclass(slots=True, kw_only=True)
class Due:
    """What is due: streams to set apart, and of each stream the records whose time is over.

    `unsealed` counts streams that wait because the seal does not cover all of their events yet.
    """

    apart: list[ApartStream] = field(default_factory=list[ApartStream])
    records: dict[UUID, list[Record]] = field(default_factory=dict[UUID, list[Record]])
    unsealed: int = 0

    @property
    def by_name(self) -> Mapping[str, int]:
        return Counter(record.name for records in self.records.values() for record in records)


def due(store: EventStore, archive: Archive, *, bank: BankDocument, now: datetime, sealed_to: int) -> Due:
    """Return what a run would do at a moment. Nothing is touched that the seal does not cover."""
    found = Due()
    for together in archive.erased_together():
        for stream in _with_credentials(store, together):
            if any(record.position > sealed_to for record in stream.records):
                found.unsealed += 1
            elif stream.records:
                found.apart.append(stream)
    for stream in (*archive.streams(), *found.apart):
        over = [record for record in stream.records if _is_over(record, stream.ended_at, bank=bank, now=now)]
        if over:
            found.records[stream.stream] = over
    return found


def run(store: EventStore, archive: Archive, what: Due, *, rule: str, approved_by: str, at: datetime) -> None:
    """Do what is due. Raises Refused without an approver; killed anywhere and run again, it is done once."""
    for apart in what.apart:
        archive.set_apart([apart.stream], ended_at=apart.ended_at)
    for stream, records in what.records.items():
        dropped = DropRecords(
            at=at,
            stream=stream,
            versions=max(record.version for record in records),
            rule=f"{rule}: {', '.join(sorted({record.name for record in records}))}",
            approved_by=approved_by,
        )
        command = Command(request=OnLedger(command=dropped), command_id=None, actor=approved_by, channel=CHANNEL)
        (outcome,) = execute(store, [command])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, outcome.message)
        archive.destroy(stream, [record.position for record in records])


def _with_credentials(store: EventStore, together: Collection[UUID]) -> Iterator[ApartStream]:
    heads = store.load(streams=together, names=(), commands=()).heads
    customers = [(stream, head.state) for stream, head in heads.items() if isinstance(head.state, Customer)]
    for customer, state in customers:
        ended_at = state.closed_at or state.deceased_at
        if ended_at is None:
            continue
        opened = [each.event for each in store.stream(customer)]
        credentials = [event.credential for event in opened if isinstance(event, CredentialOpened)]
        for stream in dict.fromkeys((*credentials, *(each for each in together if each != customer), customer)):
            yield ApartStream(stream=stream, ended_at=ended_at, records=_records(store, stream))


def _records(store: EventStore, stream: UUID) -> tuple[Record, ...]:
    return tuple(Record(each.position, each.version, each.event.stored.name) for each in store.stream(stream))


def _is_over(record: Record, ended_at: datetime, *, bank: BankDocument, now: datetime) -> bool:
    return shift_forward(ended_at, bank.kept(record.name), zone_name=bank.zone) <= now


def unknown_classes(bank: BankDocument, names: Sequence[str]) -> list[str]:
    """Return the beginnings in the bank's document that fit no event: a slip of the pen would keep nothing."""
    return [each for each in bank.records if not any(name.startswith(each) for name in names)]
