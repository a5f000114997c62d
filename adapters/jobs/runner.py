"""The runner of jobs: whoever leads carries them out, one at a time, each in a process of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sealbook.adapters.child_process import ended, ready
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.jobs.rows import Jobs, State, Taken
from sealbook.adapters.jobs.what_if import WhatIfProcess
from sealbook.adapters.serving.leader import came_within
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable

IDLE_SECONDS = 1.0
"""How soon a job that was asked for is begun."""
WATCH_SECONDS = 0.2
"""How soon a job that was cancelled ends, or one whose leader leads no more."""
ATTEMPTS_MAX = 3
DAMAGED = "the ledger is damaged: run sealbook fsck"
GAVE_UP = f"its process ended early, {ATTEMPTS_MAX} times: see the log of the service"


class JobRunner:
    """Carries out the jobs of a ledger.

    `connect` opens a store of the runner's own, `reach` tells a job's process how to open one. `complain` is told, in
    a line without secrets, what keeps a job from being done.
    """

    def __init__(
        self,
        connect: Callable[[], PostgresEventStore],
        *,
        reach: Mapping[str, Any],
        clock: Callable[[], datetime],
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._connect = connect
        self._reach = reach
        self._clock = clock
        self._complain = complain
        self._complaint = ""
        self._lost = Counter[UUID]()
        self._store: PostgresEventStore | None = None

    async def run(self, ending: asyncio.Event) -> None:
        """Carry out jobs until `ending`; the one under way is left, to be begun again by whoever leads next."""
        try:
            while not ending.is_set():
                running = asyncio.ensure_future(asyncio.to_thread(self._once, ending))
                try:
                    await asyncio.shield(running)
                except asyncio.CancelledError:
                    # The thread cannot be cancelled, and what it uses must not be taken away.
                    ending.set()
                    await asyncio.wait({running})
                    raise
                await came_within(ending, IDLE_SECONDS)
        finally:
            self._disconnect()

    def _once(self, ending: asyncio.Event) -> None:
        """Carry out what waits. An outage is waited for, and what ran is begun again."""
        try:
            self._store = self._store or self._connect()
            jobs = Jobs(self._store.connection)
            while not ending.is_set() and (taken := jobs.take(at=self._clock())) is not None:
                self._carry_out(jobs, taken, ending)
            self._complaint = ""
        except (Unavailable, OutcomeUnknown, LedgerDamaged) as error:
            self._say(str(error))
            self._disconnect()

    def _carry_out(self, jobs: Jobs, taken: Taken, ending: asyncio.Event) -> None:
        """Carry a job out; at `ending` its process is killed, and its row stays as it is."""
        with ended([partial(WhatIfProcess, self._reach, taken.request)]) as (process,):
            while not ending.is_set():
                try:
                    for each in ready([process], wait_seconds=WATCH_SECONDS):
                        each.take()
                except LedgerDamaged as error:
                    self._say(str(error))
                    jobs.end(taken.id, State.FAILED, at=self._clock(), error=DAMAGED)
                    return
                except Unavailable as error:
                    self._given_up(jobs, taken, error)
                    return
                if not jobs.advance(taken.id, process.progress):
                    jobs.end(taken.id, State.CANCELLED, at=self._clock())
                    return
                if process.result is not None:
                    jobs.end(taken.id, State.DONE, at=self._clock(), result=process.result)
                    return

    def _given_up(self, jobs: Jobs, taken: Taken, why: Unavailable) -> None:
        """Raise Unavailable, for the job to be begun again; after too many attempts it has failed."""
        self._lost[taken.id] += 1
        if self._lost[taken.id] < ATTEMPTS_MAX:
            raise why
        self._say(str(why))
        del self._lost[taken.id]
        jobs.end(taken.id, State.FAILED, at=self._clock(), error=GAVE_UP)

    def _disconnect(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _say(self, complaint: str) -> None:
        """Complain, but once of each trouble while it lasts."""
        if complaint != self._complaint:
            self._complaint = complaint
            self._complain(complaint)
