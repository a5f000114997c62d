"""A snapshot made of issues and events that were put down, and of an older snapshot."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import UseClasses
from sealbook.adapters.replay.snapshot import Snapshot, opened
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, flat
from sealbook.adapters.replay.snapshot_events import EVENT, ISSUE, Rows, Shares, Spill
from sealbook.adapters.replay.snapshot_form import (
    CODES_MAX,
    POLICIES_MAX,
    BadSnapshot,
    Known,
    check_room,
    nothing_known,
)
from sealbook.adapters.replay.snapshot_merging import NamesOf, OldChains, merged
from sealbook.adapters.replay.snapshot_writer import SnapshotWriter
from sealbook.adapters.whole_files import written_to
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef

KINDS, HOLDERS = tuple(each.value for each in Kind), tuple(each.value for each in HolderKind)


@dataclass(slots=True)
class Numbers:
    """What the codes of a snapshot stand for: new ones follow, so that those of an older snapshot stay."""

    channels: list[str]
    use_classes: list[tuple[str, str | None]]
    policies: list[RenewalPolicy]
    _by_digest: dict[str, int] = field(init=False)
    _by_ref: dict[PolicyRef, int] = field(init=False)

    def __post_init__(self) -> None:
        self._by_digest = {policy.digest: number for number, policy in enumerate(self.policies)}
        self._by_ref = {policy.ref: number for number, policy in enumerate(self.policies)}

    @classmethod
    def of(cls, older: Snapshot | None) -> Self:
        if older is None:
            return cls([], list(UseClasses().of), [])
        return cls(list(older.channels), list(older.use_classes.of), list(older.policies))

    def channel(self, name: str) -> int:
        """Return a channel's number. Raises BadSnapshot when there is none left; so do the others."""
        if name not in self.channels:
            check_room(self.channels, CODES_MAX, "channels")
            self.channels.append(name)
        return self.channels.index(name)

    def use_class(self, channel: str, purpose: str | None) -> int:
        if (channel, purpose) not in self.use_classes:
            check_room(self.use_classes, CODES_MAX, "pairs of channel and purpose of uses")
            self.use_classes.append((channel, purpose))
        return self.use_classes.index((channel, purpose))

    def learn(self, policy: RenewalPolicy) -> int:
        """Return the number of a policy, whether it is known by then or not."""
        if policy.digest not in self._by_digest:
            check_room(self.policies, POLICIES_MAX, "policies")
            self._by_digest[policy.digest] = self._by_ref[policy.ref] = len(self.policies)
            self.policies.append(policy)
        return self._by_digest[policy.digest]

    def policy(self, ref: PolicyRef) -> int | None:
        """Return a policy's number, None for one that was not learned."""
        return self._by_ref.get(ref)


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What is put down while a log or file is read; a context, whose end takes it away. Raises BadSnapshot."""

    target: Path
    as_of: int
    shares: Shares
    numbers: Numbers
    first_attempt: int = 0
    last_attempt: int = 0
    later: int = 0
    _events: Spill = field(init=False)
    _issues: Spill = field(init=False)

    def __post_init__(self) -> None:
        folder = written_to(self.target).parent
        try:
            self._events, self._issues = Spill(EVENT, folder), Spill(ISSUE, folder)
        except OSError as error:
            raise self.failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._events.__exit__(kind, error, None)
        self._issues.__exit__(kind, error, None)

    def in_time(self, seconds: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell what lies not after the moment, and count the rest."""
        within = seconds <= self.as_of
        self.later += int(np.count_nonzero(~within))
        return within

    def attempted(self, seconds: NDArray[np.int32]) -> None:
        """Take note of when attempts were: a day that holds one, or could, has its bit."""
        if len(seconds):
            # A second more: an attempt may move by one behind the reissue that came of it.
            first, last = int(seconds.min()), int(seconds.max()) + 1
            known = self.last_attempt > self.first_attempt
            self.first_attempt = min(self.first_attempt, first) if known else first
            self.last_attempt = max(self.last_attempt, last) if known else last

    def put(self, issues: Rows, events: Rows, customers: NDArray[np.int64]) -> None:
        """Put issues down, and events of these customers."""
        try:
            self._issues.add(self.shares.of_customers(issues["customer"].astype(np.int64)), issues)
            self._events.add(self.shares.of_customers(customers), events)
        except OSError as error:
            raise self.failed(error) from error

    def of_share(self, share: int) -> tuple[Rows, Rows]:
        try:
            return self._issues.share(share), self._events.share(share)
        except OSError as error:
            raise self.failed(error) from error

    def failed(self, error: OSError) -> BadSnapshot:
        return BadSnapshot(f"{self.target.parent}: {(error.strerror or 'cannot be written').lower()}")

    def known(self, *, source: str, position: int | None, as_of: datetime) -> Known:
        return Known(
            source=source,
            position=position,
            as_of=as_of.astimezone(UTC),
            later=self.later,
            first_attempt=self.first_attempt,
            last_attempt=self.last_attempt,
            kinds=KINDS,
            holders=HOLDERS,
            channels=tuple(self.numbers.channels),
            use_classes=UseClasses(of=tuple(self.numbers.use_classes)),
            policies=tuple(self.numbers.policies),
        )


class _OldRows:
    """The chains of an older snapshot, in order, a share at a time."""

    def __init__(self, older: Snapshot | None) -> None:
        self._older = older
        self._partitions_read = 0
        self._held: Table = nothing_known()
        self._credentials_read = 0

    def until(self, customer: int) -> OldChains:
        """Return the chains that come before a customer number and were not returned yet."""
        while (
            self._older is not None and self._partitions_read < self._older.partitions and not self._reaches(customer)
        ):
            self._held = arrow.concat_tables([self._held, self._older.known(self._partitions_read)])
            self._partitions_read += 1
        rows = int(np.searchsorted(flat(self._held["customer"]), customer))
        chains = OldChains(self._held.slice(0, rows).combine_chunks(), self._credentials_read)
        self._held = self._held.slice(rows)
        self._credentials_read += int(chains.credentials().sum())
        return chains

    def _reaches(self, customer: int) -> bool:
        customers = flat(self._held["customer"])
        return len(customers) > 0 and int(customers[-1]) >= customer


def written(gathered: Gathered, known: Known, *, older: Snapshot | None, names_of: NamesOf) -> Snapshot:
    """Write the snapshot and return it. Raises BadSnapshot."""
    old = _OldRows(older)
    with SnapshotWriter(gathered.target, known=known) as writer:
        for share in range(gathered.shares.count):
            issues, events = gathered.of_share(share)
            chains = old.until(gathered.shares.end(share))
            if chains.table.num_rows or len(issues):
                writer.add_table(merged(chains, issues, events, names_of))
    return opened(gathered.target)
