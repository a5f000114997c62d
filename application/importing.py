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
from typing import Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from sealbook.application.commands import Command, Request
from sealbook.application.facts import BadLine
from sealbook.application.ledger import KnownPolicies, Outcome, RefusedInWhole, execute
from sealbook.application.names import Name
from sealbook.application.ports import EventStore, ImportProgress, Loaded, OutcomeUnknown, Unavailable
from sealbook.application.remembering import RememberingStore
from sealbook.application.requests import OnPolicy
from sealbook.application.shares import WHOLE, Share
from sealbook.domain import policy
from sealbook.domain.credential import FactNotApplied
from sealbook.domain.errors import Refused
from sealbook.domain.policy_document import RenewalPolicy

LINES_A_BATCH = 4_000
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


class Row(NamedTuple):
    """One line of a file: its number, its text, and its fields or why it has none."""

    number: int
    text: bytes
    fields: Mapping[str, object] | BadLine


class Advanced(Protocol):
    """Who is told how far an import is: the number of a line, and of the last one; None while that is not known."""

    def __call__(self, done: int, total: int | None = None) -> None: ...


def _unheard(done: int, total: int | None = None) -> None:
    """Nobody wants to know."""


def unasked() -> None:
    """Nobody waits for the end of the check."""


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

    def customer(self, fields: Mapping[str, object]) -> str:
        """Return the customer whose history a line is of, as far as the lines before say; of any text if it is bad."""
        ...

    def parse(self, fields: Mapping[str, object]) -> Line:
        """Return a line that is good by itself. Raises BadLine."""
        ...

    def asked(self, line: Line) -> Name | None:
        """Return the name by which the ledger may know what the line speaks of; None if the lines before said it."""
        ...

    def learn(self, held: Loaded) -> None:
        """Take note of what the ledger holds of the names that were asked for."""
        ...

    def check(self, line: Line) -> None:
        """Check a line after those before it. Raises BadLine."""
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
    """One import of one file, or of a share of it.

    `skip` takes a bad line and the reason; None stops at the first one with LineError.
    `advanced` is told the last line that was checked, without a total; then the last one that is in.
    `checked` is told when all lines are checked, before anything is written.
    """

    store: EventStore
    file: File
    form: Form[Line]
    now: datetime
    new_id: Callable[[], UUID]
    skip: Callable[[Row, str], None] | None = None
    advanced: Advanced = _unheard
    share: Share = WHOLE
    checked: Callable[[], None] = unasked
    _memory: RememberingStore = field(init=False)
    _known: KnownPolicies = field(default_factory=KnownPolicies)
    _done: int = 0
    _last: int = 0
    _bad: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        self._memory = RememberingStore(self.store)

    def run(self) -> ImportResult:
        """Import what is not in yet.

        Raises LineError, OtherOptions, Refused for a policy that the ledger will not take, and what
        the file and the store raise. Whatever was written stays, and a next run goes on from there.
        """
        try:
            return self._run()
        except OutcomeUnknown as error:
            # Nobody need know: the progress row says it to the next run.
            raise Unavailable("the connection broke: run the import again, and it goes on where it got") from error

    def _run(self) -> ImportResult:
        self._done, finished = self._progress()
        result = ImportResult(resumed_at=self._done)
        if finished:
            return result
        for rows in _batches(self._rows()):
            self._check(rows)
            self._last = rows[-1].number
            self.advanced(self._last)
        self.checked()
        self._adopt_policies()
        for rows in _batches(row for row in self._rows() if row.number > result.resumed_at):
            last = rows[-1].number
            outcomes = self._write([row for row in rows if row.number not in self._bad], self._step(last))
            result.count(outcomes)
            result.lines += len(outcomes)
            self._done = last
            self.advanced(last, self._last)
        execute(self.store, [], progress=self._step(self._done, finished=True))
        result.skipped = len(self._bad)
        return result

    def _rows(self) -> Iterator[Row]:
        rows = self.file.rows()
        return rows if self.share.of == 1 else (row for row in rows if self._has(row))

    def _has(self, row: Row) -> bool:
        return self.share.has("" if isinstance(row.fields, BadLine) else self.form.customer(row.fields))

    @property
    def _digest(self) -> bytes:
        return self.share.digest(self.file.digest)

    def _progress(self) -> tuple[int, bool]:
        held = self.store.import_progress(self._digest)
        if held is None:
            return 0, False
        identity, done, finished = held
        if identity != self.form.identity:
            raise OtherOptions("this file was imported, or begun, with other options: use the same ones")
        return done, finished

    def _step(self, after: int, *, finished: bool = False) -> ImportProgress:
        return ImportProgress(
            digest=self._digest,
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
        asked = (self.form.asked(line) for row, line in parsed if row.number > done)
        names = {name for name in asked if name is not None}
        self.form.learn(self.store.load(streams=(), names=names, commands=()))
        for row, line in parsed:
            try:
                if row.number > done:
                    self.form.check(line)
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
        if self._progress()[0] != self._done:
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
        kept = [(row, self._parsed(row)) for row in rows]
        afresh = False
        while True:
            commands = [_command(self.form.request(line)) for _, line in kept]
            try:
                return execute(self._memory, commands, progress=step, known=self._known)
            except RefusedInWhole as refused:
                if afresh:
                    bad, _ = kept.pop(refused.index)
                    self._refuse(bad, refused.message)
                # Else what is remembered may be of yesterday: a line is bad by what the ledger has now.
                self._memory.forget()
                self._known = KnownPolicies()
                afresh = True


def _command(request: Request) -> Command:
    # An import needs no command ids: its progress says which lines are in.
    return Command(request=request, command_id=None, actor=ACTOR, channel=CHANNEL)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    pending = iter(items)
    while batch := list(islice(pending, LINES_A_BATCH)):
        yield batch
