"""Replay snapshots of files: of facts, and of bare attempts to use.

In memory are the names, about 500 bytes a credential, and one share of the customers, about two million lines; what
the lines say is in files without a name beside the snapshot, 14 bytes a line and 52 a credential.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from sealbook.adapters.history_files import BadFile, HistoryFile, facts_file, uses_file
from sealbook.adapters.replay.contract import SWITCH_MODES, FactKind
from sealbook.adapters.replay.moments import seconds_of
from sealbook.adapters.replay.snapshot import Snapshot
from sealbook.adapters.replay.snapshot_build import HOLDERS, KINDS, Gathered, Numbers, written
from sealbook.adapters.replay.snapshot_events import (
    ACCEPTED,
    EVENT,
    ISSUE,
    LAPSED,
    NO_CREDENTIAL,
    REFUSED,
    RENEWED,
    Rows,
    Shares,
)
from sealbook.adapters.replay.snapshot_form import BadSnapshot
from sealbook.application.facts import BadLine, FactLine, FactName, FactOrder, fact_line, use_line
from sealbook.application.importing import Row
from sealbook.domain.credential.use import OF_THE_POLICY
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind

LINES_A_BATCH = 50_000
_UNIX_SECONDS = re.compile(r"-?\d{1,10}", re.ASCII)
_REASONS = frozenset({None, *(each.value for each in OF_THE_POLICY)})
"""A refusal for any other was one of the use itself: under every policy it would have been one."""
_CODES: dict[FactName, int] = {
    FactName.USED: ACCEPTED,
    FactName.REFUSED: REFUSED,
    FactName.SUSPENDED: FactKind.SUSPENDED,
    FactName.RESUMED: FactKind.RESUMED,
    FactName.REVOKED: FactKind.REVOKED,
    FactName.RENEWAL_REQUESTED: FactKind.REQUESTED,
    FactName.RENEWAL_OBJECTED: FactKind.OBJECTED,
    FactName.POLICY_SWITCHED: FactKind.SWITCHED,
    FactName.RENEWED: RENEWED,
    FactName.EXPIRED: LAPSED,
}


def write_from_facts(
    target: Path,
    facts: Path,
    *,
    in_force: RenewalPolicy,
    named: Mapping[str, RenewalPolicy],
    kind: Kind,
    as_of: datetime,
    advanced: Callable[[int], None] = lambda _lines: None,
) -> Snapshot:
    """Write the snapshot of a facts file, each of its credentials a chain, and return it.

    All are taken to be issued under `in_force`; `named` are the policies that a fact may name, `kind` is that of
    credentials that do not say theirs. What lies after `as_of` is left out. `advanced` is told each line read.
    Raises BadFile with the line that cannot be taken, and BadSnapshot.
    """
    order = FactOrder()

    def take(reading: _Reading, row: Row) -> None:
        if isinstance(row.fields, BadLine):
            raise row.fields
        line = fact_line(row.fields)
        order.check_fact(line)
        if line.name is FactName.ISSUED:
            reading.issue(line.credential, line.customer or line.credential, line.kind or kind, line.channel, line.at)
        elif line.name is not FactName.REFUSED or line.reason in _REASONS:
            reading.event(line.credential, _CODES[line.name], line.at, *_particulars(reading, line, named))

    source = facts_file(facts)
    return _made(target, source, take, in_force=in_force, imported=True, as_of=as_of, advanced=advanced)


def write_from_uses(
    target: Path,
    uses: Path,
    *,
    in_force: RenewalPolicy,
    kind: Kind,
    as_of: datetime,
    advanced: Callable[[int], None] = lambda _lines: None,
) -> Snapshot:
    """Write the snapshot of a uses file, each customer a chain that begins with the first use, and return it.

    `used_at` is Unix seconds, or ISO 8601 with offset. The rest is as for facts.
    """
    order = FactOrder()

    def take(reading: _Reading, row: Row) -> None:
        if isinstance(row.fields, BadLine):
            raise row.fields
        customer, at = _use(row.fields)
        order.check_use(customer, at)
        if customer not in reading.numbers_by_name:
            reading.issue(customer, customer, kind, "app", at)
        reading.event(customer, ACCEPTED, at, 0, 0)

    source = uses_file(uses)
    return _made(target, source, take, in_force=in_force, imported=False, as_of=as_of, advanced=advanced)


def _use(written: Mapping[str, object]) -> tuple[str, datetime]:
    used_at = written.get("used_at")
    if not isinstance(used_at, str) or not used_at or _UNIX_SECONDS.fullmatch(used_at):
        return use_line(written)
    customer, _ = use_line({**written, "used_at": "0"})
    try:
        return customer, fact_line({"at": used_at, "credential": customer, "fact": FactName.USED}).at
    except BadLine:
        raise BadLine(
            f"used_at is {used_at!r}: write Unix seconds, like 1710464400, or ISO 8601 with offset, in the years"
            " 1900 to 2399"
        ) from None


def _particulars(reading: "_Reading", line: FactLine, named: Mapping[str, RenewalPolicy]) -> tuple[int, int]:
    """Return the class of a use, and the detail of another fact."""
    if line.name in (FactName.USED, FactName.REFUSED):
        return reading.gathered.numbers.use_class(line.channel, line.purpose), 0
    if line.name is not FactName.POLICY_SWITCHED or line.policy is None:
        return 0, 0
    if line.policy not in named:
        raise BadLine(f"policy {line.policy!r} is neither given nor a preset: give it with --policy")
    return 0, 4 * reading.gathered.numbers.learn(named[line.policy]) + SWITCH_MODES.index(line.mode)


def _made(
    target: Path,
    source: HistoryFile,
    take: Callable[["_Reading", Row], None],
    *,
    in_force: RenewalPolicy,
    imported: bool,
    as_of: datetime,
    advanced: Callable[[int], None],
) -> Snapshot:
    content, numbers = source.content, Numbers.of(None)
    numbers.learn(in_force)
    try:
        end = seconds_of(as_of)
    except ValueError as error:
        raise BadSnapshot(str(error)) from error
    with Gathered(target=target, as_of=end, shares=Shares.of(content.lines), numbers=numbers) as gathered:
        reading = _Reading(gathered=gathered, imported=imported)
        for row in source.rows():
            try:
                take(reading, row)
            except (BadLine, ValueError) as bad:
                raise BadFile(f"{source.path}, line {row.number}: {bad}") from None
            if reading.full:
                reading.put_down()
                advanced(row.number)
        reading.put_down()
        known = gathered.known(source=f"file:{content.digest.hex()}", position=None, as_of=as_of)
        return written(gathered, known, older=None, names_of=reading.names)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Lines as they come, put down in batches. A moment that a replay does not cover raises ValueError."""

    gathered: Gathered
    imported: bool
    numbers_by_name: dict[str, int] = field(default_factory=dict[str, int])
    _names: list[str] = field(default_factory=list[str])
    _customers: list[int] = field(default_factory=list[int])
    _issues: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    _events: list[tuple[int, int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int, int]])

    @property
    def full(self) -> bool:
        return len(self._events) + len(self._issues) >= LINES_A_BATCH

    def issue(self, name: str, customer: str, kind: Kind, channel: str, at: datetime) -> None:
        seconds, number = seconds_of(at), len(self._names)
        customer_number = _hash(customer, "customer") >> 1
        codes = (KINDS.index(kind), HOLDERS.index(HolderKind.PERSONAL), self.gathered.numbers.channel(channel), 0)
        self.numbers_by_name[name] = number
        self._names.append(name)
        self._customers.append(customer_number)
        chain = (customer_number, _hash(name, "chain"), NO_CREDENTIAL, 0, 0)
        self._issues.append((number, seconds, *codes, self.imported, *chain))

    def event(self, name: str, code: int, at: datetime, use_class: int, detail: int) -> None:
        self._events.append((self.numbers_by_name[name], seconds_of(at), code, use_class, detail))

    def put_down(self) -> None:
        issues, events = np.array(self._issues, ISSUE), np.array(self._events, EVENT)
        self._issues, self._events = [], []
        events = events[self.gathered.in_time(events["at"])]
        issues = issues[self.gathered.in_time(issues["at"])]
        self.gathered.attempted(events["at"][np.isin(events["code"], (ACCEPTED, REFUSED))])
        customers = np.array([self._customers[each] for each in events["credential"].tolist()], np.int64)
        self.gathered.put(issues, events, customers)

    def names(self, issues: Rows) -> list[str]:
        return [self._names[each] for each in issues["credential"].tolist()]


def _hash(text: str, of: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=of.encode()).digest(), "big")
