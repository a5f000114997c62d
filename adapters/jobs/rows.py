"""Jobs as rows: what was asked for, how far it is, and what came of it.

A job's id is its Idempotency-Key. Whoever leads takes one job at a time; one that was begun and did not end is
taken first, for whoever began it leads no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb

from sealbook.adapters.eventstore.postgres import translated

WHAT_IF = "what_if"
OPEN_MAX = 100
"""How many jobs wait at most."""
KEPT = timedelta(days=30)
"""How long a job that ended can be looked at."""

_SUBMIT: LiteralString = """
    INSERT INTO sealbook.jobs (id, kind, request, state, created_at, created_by)
    SELECT %s, %s, %s, 'queued', %s, %s
    WHERE (SELECT count(*) FROM sealbook.jobs WHERE state IN ('queued', 'running')) < %s
    ON CONFLICT (id) DO NOTHING
"""
_KNOWN: LiteralString = "SELECT kind, request ->> 'sent', created_by FROM sealbook.jobs WHERE id = %s"
_JOBS: LiteralString = """
    SELECT id, state, progress, error, created_at, created_by, started_at, finished_at, cancel_requested
    FROM sealbook.jobs WHERE kind = %s
"""
_GET: LiteralString = _JOBS + "AND id = %s"
_LIST: LiteralString = _JOBS + "ORDER BY created_at DESC, id DESC LIMIT %s"
_RESULT: LiteralString = "SELECT state, result FROM sealbook.jobs WHERE id = %s AND kind = %s"
_CANCEL: LiteralString = """
    UPDATE sealbook.jobs SET cancel_requested = true,
        finished_at = CASE WHEN state = 'queued' THEN %s ELSE finished_at END,
        state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
    WHERE id = %s AND kind = %s AND state IN ('queued', 'running')
"""
_TAKE: LiteralString = """
    UPDATE sealbook.jobs SET state = 'running', started_at = %s, progress = NULL WHERE state IN ('queued', 'running')
        AND id = (SELECT id FROM sealbook.jobs WHERE kind = %s AND state IN ('queued', 'running')
                  ORDER BY state = 'running' DESC, created_at, id LIMIT 1)
    RETURNING id, request
"""
_ADVANCE: LiteralString = """
    UPDATE sealbook.jobs SET progress = %s WHERE id = %s AND state = 'running' RETURNING cancel_requested
"""
_END: LiteralString = """
    UPDATE sealbook.jobs SET state = %s, finished_at = %s, result = %s, error = %s WHERE id = %s AND state = 'running'
"""
_FORGET: LiteralString = "DELETE FROM sealbook.jobs WHERE finished_at < %s"


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UnknownJob(LookupError):
    """There is no job of this id."""


class JobThere(ValueError):
    """There is a job of this id that something else was asked by."""


class TooManyJobs(Exception):
    """As many jobs wait as may."""


class NotDone(Exception):
    """The job has no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: first the log is read, by positions, then credentials are replayed."""

    phase: str
    done: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands. `progress` is of one that runs, or how far it came; `error` says why it failed."""

    id: UUID
    state: State
    progress: Progress | None
    error: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool


class Taken(NamedTuple):
    """A job to be carried out now."""

    id: UUID
    request: Mapping[str, Any]


class Jobs:
    """The what-if jobs of a ledger, over a connection of the application's role. Every method may raise Unavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- For who asks

    def known(self, job: UUID, *, sent: str, by: str) -> Job | None:
        """Return the job that the same request asked for before, None if none did. Raises JobThere for another one."""
        found = self._rows(_KNOWN, [job])
        if not found:
            return None
        if found[0] != (WHAT_IF, sent, by):
            raise JobThere("this id is another job's")
        return self.get(job)

    def submit(self, job: UUID, *, request: Mapping[str, Any], sent: str, at: datetime, by: str) -> Job:
        """Put a job into the queue. Raises JobThere, TooManyJobs."""
        asked = Jsonb({**request, "sent": sent})
        self._rows(_SUBMIT, [job, WHAT_IF, asked, at, by, OPEN_MAX])
        found = self.known(job, sent=sent, by=by)
        if found is None:
            raise TooManyJobs(f"{OPEN_MAX} jobs wait already")
        return found

    def get(self, job: UUID) -> Job:
        """Return a job. Raises UnknownJob."""
        return _job(self._one(_GET, [WHAT_IF, job]))

    def latest(self, limit: int) -> list[Job]:
        """Return the jobs that were asked for last, the latest first."""
        return [_job(row) for row in self._rows(_LIST, [WHAT_IF, limit])]

    def result(self, job: UUID) -> object:
        """Return what a job came to. Raises UnknownJob, NotDone."""
        state, result = self._one(_RESULT, [job, WHAT_IF])
        if state != State.DONE:
            raise NotDone
        return result

    def cancel(self, job: UUID, *, at: datetime) -> Job:
        """Cancel a job: at once if it waits, soon if it runs, and not at all if it has ended. Raises UnknownJob."""
        self._rows(_CANCEL, [at, job, WHAT_IF])
        return self.get(job)

    # --- For who carries them out

    def take(self, *, at: datetime) -> Taken | None:
        """Return the job that is to be carried out now, None if none is."""
        rows = self._rows(_TAKE, [at, WHAT_IF])
        return Taken(*rows[0]) if rows else None

    def advance(self, job: UUID, progress: Mapping[str, Any] | None) -> bool:
        """Note how far a job is; tell whether it is to go on."""
        return self._rows(_ADVANCE, [None if progress is None else Jsonb(progress), job]) == [(False,)]

    def end(self, job: UUID, state: State, *, at: datetime, result: object = None, error: str | None = None) -> None:
        """Note what came of a job, and forget those that ended long ago."""
        self._rows(_END, [state, at, None if result is None else Jsonb(result), error, job])
        self._rows(_FORGET, [at - KEPT])

    def _one(self, query: LiteralString, arguments: Sequence[object]) -> tuple[Any, ...]:
        rows = self._rows(query, arguments)
        if not rows:
            raise UnknownJob("there is no job of this id")
        return rows[0]

    def _rows(self, query: LiteralString, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        with translated():
            cursor = self._connection.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []


def _job(row: tuple[Any, ...]) -> Job:
    job, state, progress, error, created_at, created_by, started_at, finished_at, cancel_requested = row
    return Job(
        id=job,
        state=State(state),
        progress=None if progress is None else Progress(**progress),
        error=error,
        created_at=created_at,
        created_by=created_by,
        started_at=started_at,
        finished_at=finished_at,
        cancel_requested=cancel_requested,
    )
