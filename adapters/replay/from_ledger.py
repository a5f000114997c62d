"""A replay snapshot of a ledger: its log up to a position, read once by short ranges.

In memory are 56 bytes a credential, one range of the log, and one share of the customers, about two million events;
the rest is in files without a name beside the snapshot, 14 bytes an event and 52 a credential.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from sealbook.adapters.eventstore.codec import DecodedEvent, decode_event, to_microseconds
from sealbook.adapters.eventstore.postgres import PostgresEventStore, translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.plain import iso
from sealbook.adapters.replay.contract import SWITCH_MODES, FactKind
from sealbook.adapters.replay.moments import EPOCH, moment_of, seconds_of
from sealbook.adapters.replay.snapshot import Snapshot
from sealbook.adapters.replay.snapshot_arrow import flat
from sealbook.adapters.replay.snapshot_build import HOLDERS, KINDS, Gathered, Numbers, written
from sealbook.adapters.replay.snapshot_events import (
    ACCEPTED,
    EVENT,
    FIRST_ISSUE,
    ISSUE,
    NO_CREDENTIAL,
    REFUSED,
    Rows,
    Shares,
    customer_number,
    mixed,
)
from sealbook.adapters.replay.snapshot_form import OWN_SWITCH, BadSnapshot
from sealbook.adapters.replay.snapshot_scan import EMPTY, FOR_THE_CODEC, NEW_CLASS, NOTHING, Ids, Scanned, scanned
from sealbook.adapters.replay.snapshot_streams import Streams
from sealbook.adapters.seal.rows import LedgerRows
from sealbook.application.ports import LedgerDamaged
from sealbook.domain import credential, policy
from sealbook.domain.values import PolicyRef

POSITIONS_A_READ = 20_000
_SECOND_IN_MICROSECONDS = 1_000_000
_EPOCH_MICROSECONDS = to_microseconds(EPOCH)
_RANGE = """
    SELECT string_agg(uuid_send(stream) || int4send(octet_length(body)) || body, ''::bytea ORDER BY position)
    FROM sealbook.events WHERE book = %s AND position > %s AND position <= %s
"""
"""Many rows as one value: row by row, the driver would take ten times as long as the server."""
_KINDS: dict[type[credential.Fact], FactKind] = {
    credential.Suspend: FactKind.SUSPENDED,
    credential.Resume: FactKind.RESUMED,
    credential.Revoke: FactKind.REVOKED,
    credential.RequestRenewal: FactKind.REQUESTED,
    credential.ObjectToRenewal: FactKind.OBJECTED,
}


def write_from_ledger(
    target: Path,
    store: PostgresEventStore,
    *,
    as_of: datetime,
    position: int | None = None,
    older: Snapshot | None = None,
    advanced: Callable[[int], None] = lambda _position: None,
) -> Snapshot:
    """Write the snapshot of what the ledger holds up to a position, or its end, and return it.

    What lies after `as_of` is left out. From an older snapshot of the ledger only the positions after its own are
    read, and the outcome is the same. `advanced` is told each position read. Raises BadSnapshot, also where the
    older snapshot cannot be gone on with, LedgerDamaged and Unavailable.
    """
    ledger, last = str(LedgerRows(store.connection).ledger_id()), store.last_position()
    end = last if position is None else position
    if end > last:
        raise BadSnapshot(f"the ledger ends at position {last:,}, before {end:,}")
    after = 0 if older is None else _position_of(older, f"ledger:{ledger}", as_of=as_of, end=end)
    shares = Shares.of(end - after + (0 if older is None else older.attempts))
    numbers = Numbers.of(older)
    with Gathered(target=target, as_of=_seconds(as_of), shares=shares, numbers=numbers) as gathered:
        reading = _Reading(gathered)
        if older is not None:
            reading.go_on_from(older)
        for start in range(after, end, POSITIONS_A_READ):
            until = min(start + POSITIONS_A_READ, end)
            reading.take(_range(store.connection, start, until), until - start)
            advanced(until)
        known = gathered.known(source=f"ledger:{ledger}", position=end, as_of=as_of)
        return written(gathered, known, older=older, names_of=_names)


def _position_of(older: Snapshot, source: str, *, as_of: datetime, end: int) -> int:
    known = older.said.known
    if known.source != source or known.position is None:
        raise BadSnapshot(f"{older.path}: a snapshot of {known.source}, not of {source}")
    if known.position > end:
        raise BadSnapshot(f"{older.path}: goes to position {known.position:,}, beyond {end:,}")
    if known.later:
        left_out = f"it left out {known.later:,} events after {iso(known.as_of)}"
        raise BadSnapshot(f"{older.path}: cannot be gone on with, for {left_out}: make it anew")
    if known.as_of > as_of:
        than = f"it is as of {iso(known.as_of)}, later than {iso(as_of)}"
        raise BadSnapshot(f"{older.path}: cannot be gone on with, for {than}: make it anew")
    return known.position


def _range(connection: Connection, after: int, until: int) -> bytes:
    with translated():
        row = connection.execute(_RANGE, [BOOK, after, until], prepare=True, binary=True).fetchone()
    return b"" if row is None or row[0] is None else row[0]


def _seconds(moment: datetime) -> int:
    try:
        return seconds_of(moment)
    except ValueError as error:
        raise BadSnapshot(str(error)) from error


@dataclass(slots=True)
class _Issues:
    """The issues in a range of the log, in its order, with the rows that they stand in."""

    rows: list[int] = field(default_factory=list[int])
    events: list[credential.Issued] = field(default_factory=list[credential.Issued])
    channels: list[int] = field(default_factory=list[int])

    def ids(self, of: Callable[[credential.Issued], UUID | None]) -> tuple[Ids, Ids]:
        return _halves(b"".join((of(event) or _NO_ID).bytes for event in self.events))


@dataclass(slots=True)
class _Reading:
    gathered: Gathered
    _streams: Streams = field(default_factory=Streams)
    _class_hashes: list[int] = field(default_factory=list[int])
    _class_of_hash: list[int] = field(default_factory=list[int])

    def go_on_from(self, older: Snapshot) -> None:
        """Give numbers to the credentials that an older snapshot holds, chain by chain."""
        known = older.said.known
        self.gathered.first_attempt, self.gathered.last_attempt = known.first_attempt, known.last_attempt
        for number in range(older.partitions):
            table = older.known(number)
            names, members = table["name"].to_pylist(), table["members"].to_pylist()
            ids = [each for name, others in zip(names, members, strict=True) for each in (name, *others)]
            counts = [1 + len(others) for others in members]
            high, low = _halves(bytes.fromhex("".join(ids).replace("-", "")))
            self._streams.add(high, low, np.repeat(flat(table["customer"]), counts))

    def take(self, block: bytes, rows_max: int) -> None:
        """Take a range of the log. Raises LedgerDamaged for events that are none, BadSnapshot."""
        found = scanned(block, rows_max, np.array(self._class_hashes, np.uint64))
        self._learn_classes(found, block)
        details = np.zeros(len(found.code), np.uint32)
        issues = self._numbered(self._decoded(found, block, details), found)
        rows = np.flatnonzero(found.code != NOTHING)
        seconds = _seconds_of(found.at[rows])
        within = self.gathered.in_time(seconds)
        rows, seconds = rows[within], seconds[within]
        numbers = self._streams.find(found.high[rows], found.low[rows])
        known = (numbers != EMPTY) & (found.code[rows] != FIRST_ISSUE)
        rows, seconds, numbers = rows[known], seconds[known], numbers[known]
        events = np.zeros(len(rows), EVENT)
        events["credential"], events["at"], events["code"] = numbers, seconds, found.code[rows]
        events["use_class"], events["detail"] = found.use_class[rows], details[rows]
        self.gathered.attempted(events["at"][np.isin(events["code"], (ACCEPTED, REFUSED))])
        self.gathered.put(issues, events, self._streams.customer_of(numbers))

    def _learn_classes(self, found: Scanned, block: bytes) -> None:
        """Give each attempt its class, and numbers to those that were not seen before."""
        of_scan = np.array([*self._class_of_hash, 0], np.uint8)
        seen = np.isin(found.code, (ACCEPTED, REFUSED))
        found.use_class[seen] = of_scan[found.use_class[seen]]
        while len(unseen := np.flatnonzero(found.code == NEW_CLASS)):
            use = _event(found, block, int(unseen[0])).event
            assert isinstance(use, credential.Used | credential.UseRefused)  # noqa: S101 (only those have classes)
            same = unseen[found.class_hash[unseen] == found.class_hash[unseen[0]]]
            # Until its class is known, what it is stands in the place of the class.
            found.code[same] = found.use_class[same]
            found.use_class[same] = self.gathered.numbers.use_class(use.channel, use.purpose)
            self._class_hashes.append(int(found.class_hash[same[0]]))
            self._class_of_hash.append(int(found.use_class[same[0]]))

    def _decoded(self, found: Scanned, block: bytes, details: NDArray[np.uint32]) -> _Issues:
        """Fill in what the scan left to the codec, and return the issues."""
        issues = _Issues()
        for row in map(int, np.flatnonzero(found.code == FOR_THE_CODEC)):
            decoded = _event(found, block, row)
            event = decoded.event
            found.at[row], found.code[row] = to_microseconds(event.at), NOTHING
            if isinstance(event, policy.Announced | policy.Adopted):
                self.gathered.numbers.learn(event.document)
            elif isinstance(event, credential.Issued):
                found.code[row] = FIRST_ISSUE
                issues.rows.append(row)
                issues.events.append(event)
                issues.channels.append(self.gathered.numbers.channel(decoded.channel))
            elif isinstance(event, credential.Event):
                found.code[row], details[row] = self._fact(event)
        return issues

    def _fact(self, event: credential.Event) -> tuple[int, int]:
        """Return what an event is that is neither an issue nor one that the scan reads, and its detail."""
        if isinstance(event, credential.PolicySwitched):
            detail = self._switch(event.policy, SWITCH_MODES.index(event.mode))
            return FactKind.SWITCHED, detail + int(OWN_SWITCH) * event.automatic
        fact = credential.fact_of(event)
        if isinstance(fact, credential.SwitchPolicy):
            return FactKind.SWITCHED, self._switch(fact.policy, SWITCH_MODES.index(fact.mode))
        return (_KINDS.get(type(fact), NOTHING), 0) if fact is not None else (NOTHING, 0)

    def _switch(self, ref: PolicyRef, mode: int) -> int:
        return 4 * self._policy(ref) + mode

    def _policy(self, ref: PolicyRef) -> int:
        number = self.gathered.numbers.policy(ref)
        if number is None:
            raise LedgerDamaged(f"the log speaks of policy {ref} before it holds it: run sealbook fsck")
        return number

    def _numbered(self, issues: _Issues, found: Scanned) -> Rows:
        """Give numbers to what was issued, and mark what follows another credential of the customer."""
        events = issues.events
        rows, made = np.array(issues.rows, np.int64), np.zeros(len(events), ISSUE)
        high, low = found.high[rows], found.low[rows]
        seconds = _seconds_of(found.at[rows])
        customers = customer_number(mixed(*issues.ids(lambda event: event.customer)))
        made["at"], made["customer"], made["key"] = seconds, customers, mixed(low, high)
        made["name_high"], made["name_low"], made["channel"] = high, low, issues.channels
        made["kind"] = [KINDS.index(event.kind) for event in events]
        made["holder"] = [HOLDERS.index(event.holder) for event in events]
        made["policy"] = [self._policy(event.policy) for event in events]
        made["imported"] = [event.provenance is not None for event in events]
        within = seconds <= self.gathered.as_of
        made["credential"] = self._streams.count + np.cumsum(within) - 1
        self._streams.add(high[within], low[within], customers[within])
        followed = self._streams.find(*issues.ids(lambda event: event.replaces))
        follows = (followed != EMPTY) & (self._streams.customer_of(followed) == customers)
        made["replaces"] = np.where(follows, followed, NO_CREDENTIAL)
        found.code[rows[follows]] = FactKind.REISSUED
        return made[within]


_NO_ID = UUID(int=0)


def _event(found: Scanned, block: bytes, row: int) -> DecodedEvent:
    begin = int(found.body[row])
    return decode_event(block[begin : begin + int(found.length[row])])


def _halves(ids: bytes) -> tuple[Ids, Ids]:
    pairs = np.frombuffer(ids, ">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _seconds_of(microseconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return moments as seconds. Raises BadSnapshot for one that a replay does not cover."""
    seconds = (microseconds - _EPOCH_MICROSECONDS) // _SECOND_IN_MICROSECONDS
    try:
        for each in (seconds.min(), seconds.max()) if len(seconds) else ():
            moment_of(int(each))
    except (ValueError, OverflowError) as error:
        raise BadSnapshot(f"the ledger holds what a replay does not cover: {error}") from error
    return seconds


def _names(issues: Rows) -> list[str]:
    ids = np.stack([issues["name_high"], issues["name_low"]], axis=1).astype(">u8").tobytes().hex()
    return [_uuid(ids[begin : begin + 32]) for begin in range(0, len(ids), 32)]


def _uuid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
