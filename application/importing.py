"""Adopting a history: facts or attempts from a file become events, resumably and exactly once.

The file is read twice. First every line is checked, so that a bad one is known before anything is
written; then it is imported. How many lines are in is written together with what they became:
after a crash the next run goes on from there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from sealbook.application.commands import Command, Request
from sealbook.application.facts import BadLine
from sealbook.application.ledger import Outcome, RefusedInWhole, execute
from sealbook.application.names import Name
from sealbook.application.ports import EventStore, ImportProgress, Unavailable
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.credential import FactNotApplied
from sealbook.domain.errors import Refused
from sealbook.domain.policy_document import RenewalPolicy

LINES_A_BATCH = 1_000
ACTOR = "importer"
CHANNEL = "import"

Line = TypeVar("Line")
Item = TypeVar("Item")


class LineError(Exception):
    """A bad line stopped the import. Nothing of its batch was written."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number, self.reason = number, reason


class OtherOptions(Exception):
    """The file was imported, or begun, with other options."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file: its number, its text, and its fields or why it has none."""

    number: int
    text: bytes
    fields: Mapping[str, object] | BadLine


class File(Protocol):
    """A file of lines that can be read again and again."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content, whatever it is compressed with."""
        ...

    def rows(self) -> Iterator[Row]: ...


class Form(Protocol[Line]):
    """One form of file: how its lines are read, checked in order, and asked of the ledger."""

    @property
    def identity(self) -> str:
        """What a second run must have in common with the first."""
        ...

    def parse(self, fields: Mapping[str, object]) -> Line:
        """Return a line that is good by itself. Raises BadLine."""
        ...

    def name(self, line: Line) -> Name:
        """Return the name by which the ledger may know what the line speaks of."""
        ...

    def check(self, line: Line, held: UUID | None) -> None:
        """Check a line after those before it; `held` is what the ledger has by its name. Raises BadLine."""
        ...

    def recall(self, line: Line) -> None:
        """Take note of a line that an earlier run brought in. Raises BadLine if that run set it aside."""
        ...

    def policies(self) -> Iterable[RenewalPolicy]:
        """Return the policies that the lines checked so far need."""
        ...

    def request(self, line: Line) -> Request: ...


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """What this run did: `resumed_at` lines were in before, `skipped` were bad."""

    lines: int = 0
    resumed_at: int = 0
    skipped: int = 0
    events: int = 0
    uses_refused: Counter[str] = field(default_factory=Counter[str])
    facts_not_applied: Counter[str] = field(default_factory=Counter[str])

    def count(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.events += len(outcome.events)
            if outcome.refusal is not None:
                self.uses_refused[outcome.refusal] += 1
            for event in outcome.events:
                if isinstance(event, FactNotApplied):
                    self.facts_not_applied[event.fact] += 1


@dataclass(slots=True, kw_only=True)
class Import(Generic[Line]):
    """One import of one file.

    `skip` takes a bad line and the reason; None stops at the first one with LineError.
    `advanced` is told the number of the last line that is in.
    """

    store: EventStore
    file: File
    form: Form[Line]
    now: datetime
    new_id: Callable[[], UUID]
    skip: Callable[[Row, str], None] | None = None
    advanced: Callable[[int], None] = lambda _number: None
    _done: int = 0
    _bad: set[int] = field(default_factory=set[int])

    def run(self) -> ImportResult:
        """Import what is not in yet.

        Raises LineError, OtherOptions, Refused for a policy that the ledger will not take, and what
        the file and the store raise. Whatever was written stays, and a next run goes on from there.
        """
        digest = self.file.digest
        self._done, finished = self._progress(digest)
        result = ImportResult(resumed_at=self._done)
        if finished:
            return result
        for rows in _batches(self.file.rows()):
            self._check(rows)
        self._adopt_policies()
        for rows in _batches(row for row in self.file.rows() if row.number > result.resumed_at):
            good = [row for row in rows if row.number not in self._bad]
            last = rows[-1].number
            outcomes = self._write(good, self._step(digest, last))
            result.count(outcomes)
            result.lines += len(outcomes)
            self._done = last
            self.advanced(last)
        execute(self.store, [], progress=self._step(digest, self._done, finished=True))
        result.skipped = len(self._bad)
        return result

    def _progress(self, digest: bytes) -> tuple[int, bool]:
        held = self.store.import_progress(digest)
        if held is None:
            return 0, False
        identity, done, finished = held
        if identity != self.form.identity:
            raise OtherOptions("this file was imported, or begun, with other options: use the same ones")
        return done, finished

    def _step(self, digest: bytes, after: int, *, finished: bool = False) -> ImportProgress:
        return ImportProgress(
            digest=digest,
            options=self.form.identity,
            lines_done_before=self._done,
            lines_done=after,
            finished=finished,
        )

    def _check(self, rows: Sequence[Row]) -> None:
        done = self._done
        parsed: list[tuple[Row, Line]] = []
        for row in rows:
            try:
                parsed.append((row, self._parsed(row)))
            except BadLine as bad:
                self._refuse(row, str(bad), told=row.number <= done)
        names = {self.form.name(line) for row, line in parsed if row.number > done}
        held = self.store.load(streams=(), names=names, commands=()).names
        for row, line in parsed:
            try:
                if row.number > done:
                    self.form.check(line, held.get(self.form.name(line)))
                else:
                    self.form.recall(line)
            except BadLine as bad:
                self._refuse(row, str(bad), told=row.number <= done)

    def _parsed(self, row: Row) -> Line:
        if isinstance(row.fields, BadLine):
            raise row.fields
        return self.form.parse(row.fields)

    def _refuse(self, row: Row, reason: str, *, told: bool = False) -> None:
        """Put a bad line aside; `told` if an earlier run has done so."""
        if told:
            return
        if self._progress(self.file.digest)[0] != self._done:
            # The line is good: somebody else has brought it in meanwhile.
            raise Unavailable("another import of this file is under way: wait until it ends")
        if self.skip is None:
            raise LineError(row.number, reason)
        self._bad.add(row.number)
        self.skip(row, reason)

    def _adopt_policies(self) -> None:
        requests = (
            OnPolicy(
                policy_id=document.policy_id,
                stream=self.new_id(),
                command=policy.Adopt(at=self.now, document=document),
            )
            for document in self.form.policies()
        )
        for outcome in execute(self.store, [_command(request) for request in requests]):
            if outcome.refusal is not None:
                raise Refused(outcome.refusal, outcome.message)

    def _write(self, rows: Sequence[Row], step: ImportProgress) -> list[Outcome]:
        kept = list(rows)
        while True:
            commands = [_command(self.form.request(self._parsed(row))) for row in kept]
            try:
                return execute(self.store, commands, progress=step)
            except RefusedInWhole as refused:
                bad = kept.pop(refused.index)
                self._refuse(bad, refused.message)


def _command(request: Request) -> Command:
    # An import needs no command ids: its progress says which lines are in.
    return Command(request=request, command_id=None, actor=ACTOR, channel=CHANNEL)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    pending = iter(items)
    while batch := list(islice(pending, LINES_A_BATCH)):
        yield batch
