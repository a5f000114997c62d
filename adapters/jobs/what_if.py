"""A what-if in a process of its own, seen from both ends: it reads and computes for minutes, and slows nobody."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sealbook.adapters.child_process import ChildProcess, heard, say
from sealbook.adapters.eventstore.reach import reached
from sealbook.adapters.jobs.rows import Progress
from sealbook.adapters.observing import logs
from sealbook.adapters.plain import plain
from sealbook.adapters.scenarios import labelled, scenarios_of, told, what_if
from sealbook.application import questions
from sealbook.application.histories import histories_of_ledger
from sealbook.application.ports import EventStore, LedgerDamaged, Unavailable
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import SwitchMode

MODULE = "sealbook.adapters.jobs.what_if"
NICENESS = 10
"""The service's own processes go first."""
EVENTS_A_WORD, CREDENTIALS_A_WORD = 20_000, 1_000
"""How often it says how far it is."""


def request_of(
    documents: Mapping[str, RenewalPolicy], *, as_of: datetime, switch_at: datetime | None, mode: SwitchMode | None
) -> dict[str, Any]:
    """Return what is asked for, as JSON knows it."""
    return {
        "policies": [json.loads(document.document) for document in documents.values()],
        "as_of": as_of.isoformat(),
        "switch_at": None if switch_at is None else switch_at.isoformat(),
        "mode": mode,
    }


class WhatIfProcess(ChildProcess):
    """A running what-if. `progress` is how far it has come; `result` what it came to, once it is done."""

    def __init__(self, reach: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        self.progress: Mapping[str, Any] | None = None
        self.result: object = None
        super().__init__(MODULE, {"reach": reach, "request": request})

    def take(self) -> None:
        """Take what the process says next. Raises Unavailable or LedgerDamaged if it has given up or ended."""
        for message in self.hear():
            self.progress = message.get("progress", self.progress)
            self.result = message.get("result", self.result)


# --- Within the process


def main() -> None:
    task = heard()
    if task is None:
        return
    logs.configure(sys.stderr, level="warning", clock=logs.utc_now)
    logs.catch_uncaught()
    # A service that is held to few system calls may be refused this one: it is a kindness, and no condition.
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        with closing(reached(task["reach"])) as store:
            result = answered(store, task["request"], advanced=lambda far: say({"progress": asdict(far)}))
    except Unavailable as error:
        say({"unavailable": str(error)})
    except LedgerDamaged as error:
        say({"damaged": str(error)})
    else:
        say({"result": result})


def answered(store: EventStore, request: Mapping[str, Any], *, advanced: Callable[[Progress], None]) -> object:
    """Return what a what-if comes to, as JSON knows it."""
    documents = labelled(RenewalPolicy.model_validate_json(json.dumps(each)) for each in request["policies"])
    mode, switch_at = request["mode"], request["switch_at"]
    scenarios = scenarios_of(
        documents,
        switch_at=None if switch_at is None else datetime.fromisoformat(switch_at),
        mode=None if mode is None else SwitchMode(mode),
    )
    run = what_if(scenarios, book=questions.policies(store), as_of=datetime.fromisoformat(request["as_of"]))
    reading = _now_and_then(advanced, "reading", of=store.last_position(), every=EVENTS_A_WORD)
    histories = histories_of_ledger(store, advanced=reading)
    replaying = _now_and_then(advanced, "replaying", of=len(histories), every=CREDENTIALS_A_WORD)
    for number, _row in enumerate(run.run(histories), start=1):
        replaying(number // len(scenarios))
    return plain(told(run))


def _now_and_then(advanced: Callable[[Progress], None], phase: str, *, of: int, every: int) -> Callable[[int], None]:
    """Return what is told each step and passes some of them on, the first one at once."""
    next_word = 0

    def stepped(done: int) -> None:
        nonlocal next_word
        if done >= next_word:
            next_word = done + every
            advanced(Progress(phase=phase, done=done, of=of))

    return stepped


if __name__ == "__main__":
    main()
