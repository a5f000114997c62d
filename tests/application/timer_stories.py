"""Whole histories with runs of the timers in between, and what a run that asks everything makes of them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from random import Random
from uuid import UUID

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import bank
from sealbook.application.agenda import Agenda
from sealbook.application.cascades import carry_out
from sealbook.application.commands import Command
from sealbook.application.ports import EventStore, read_all
from sealbook.application.requests import OnPolicy
from sealbook.application.timers import Timers
from sealbook.domain import policy
from sealbook.domain.calendar import Period
from sealbook.domain.catalogue import Event
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies
from tests.application.full_scan import FullScan

BEGIN, END = datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CUSTOMERS = 25


@dataclass(frozen=True)
class Run:
    """A run of the timers, and what was asked of the ledger before it."""

    asked: Sequence[Command]
    until: datetime
    now: datetime
    kinds: KindBook


def commands(seed: int) -> list[Command]:
    numbers = count(1)
    asked = bank.commands(
        [f"P{number:03}" for number in range(CUSTOMERS)],
        begins_at=BEGIN,
        ends_at=END,
        random=Random(seed),
        new_id=lambda: UUID(int=next(numbers)),
        known=frozenset(),
    )
    return [*announcements(), *asked]


def announcements() -> Iterator[Command]:
    """Versions that take over credentials by themselves, beside the one that the bank announces."""
    for number, (policy_id, mode) in enumerate(
        {"X": "recompute", "G30": "restart", "J1": "recompute", "F3": "keep"}.items()
    ):
        written = json.loads(preset_policies()[policy_id].document) | {
            "version": 2,
            "validity": "P18M",
            "applies_to": mode,
            "announced_at": "2022-02-01T00:00:00Z",
            "effective_from": "2022-09-14T15:00:00Z",
        }
        announce = policy.Announce(
            at=datetime(2022, 2, 1, tzinfo=UTC), document=RenewalPolicy.model_validate_json(json.dumps(written))
        )
        request = OnPolicy(policy_id=policy_id, stream=UUID(int=0xA00 + number), command=announce)
        yield Command(request=request, command_id=UUID(int=0xB00 + number), actor="test", channel="branch")


def kinds_told(*leads: str) -> KindBook:
    """The package's kinds, with notices of an end at other times, and suspensions that end earlier."""
    preset = preset_kinds()
    changed = {
        kind: document.model_copy(
            update={"notice_leads": tuple(map(Period.parse, leads)), "suspension_max": Period.parse("P50D")}
        )
        for kind, document in preset.kinds.items()
    }
    return KindBook(kinds=changed, bank=preset.bank)


@cache
def story(seed: int) -> list[Run]:
    """Runs at any distance: some so late that notices are passed over, some for a moment that has passed."""
    asked, chance, runs = sorted(commands(seed), key=lambda each: each.request.at), Random(seed), list[Run]()
    now, done, kinds = BEGIN, 0, preset_kinds()
    while now < END:
        now += chance.choice([DAY / 7, 3 * DAY, 20 * DAY, 45 * DAY])
        upto = sum(command.request.at <= now for command in asked)
        until = now if chance.random() < 0.8 else now - chance.choice([DAY / 3, 10 * DAY, 30 * DAY])
        kinds = kinds_told(*chance.choice([(), ("P60D", "P2D"), ("P45D",)])) if chance.random() < 0.1 else kinds
        runs.append(Run(asked[done:upto], until, now, kinds))
        done = upto
    return runs


def told(store: EventStore, run: Run) -> None:
    for start in range(0, len(run.asked), 100):
        carry_out(store, run.asked[start : start + 100], kinds=run.kinds)


def new_store() -> MemoryEventStore:
    return MemoryEventStore(clock=lambda: END)


def lived(store: EventStore, story: Sequence[Run], alive: Callable[[Run], None]) -> Counter[tuple[UUID, Event]]:
    """Return every event of the ledger with its stream, however often it is there."""
    for run in story:
        told(store, run)
        alive(run)
    return Counter((recorded.stream, recorded.event) for recorded in read_all(store))


@cache
def expected(seed: int) -> Counter[tuple[UUID, Event]]:
    store = new_store()
    oracle = FullScan(store, preset_kinds())

    def alive(run: Run) -> None:
        oracle.kinds = run.kinds
        oracle.run(until=run.until, now=run.now)

    return lived(store, story(seed), alive)


class _KilledError(Exception):
    """The process is gone."""


class Fragile:
    """What does as it is told until its time is over, and then dies: before or after it did the last thing."""

    def __init__(self, inner: object, clock: Iterator[int], dies: Callable[[int], bool]) -> None:
        self._inner, self._clock, self._dies = inner, clock, dies

    def __getattr__(self, name: str) -> object:
        work = getattr(self._inner, name)

        def fragile(*arguments: object, **named: object) -> object:
            if self._dies(next(self._clock)):
                raise _KilledError
            done = work(*arguments, **named)
            if self._dies(next(self._clock)):
                raise _KilledError
            return done

        return fragile


def killed_in_between(store: EventStore, agenda: Agenda, run: Run, chance: Random) -> int:
    """Run the timers until they get through; return how often they were killed before."""
    for killed in count():
        last, clock = chance.randrange(2, 60) << killed, count()

        def dies(tick: int, *, last: int = last) -> bool:
            return tick >= last

        mortal_store: EventStore = Fragile(store, clock, dies)  # type: ignore[assignment]
        mortal: Agenda = Fragile(agenda, clock, dies)  # type: ignore[assignment]
        try:
            Timers(mortal_store, run.kinds, mortal).run(until=run.until, now=run.now)
        except _KilledError:
            continue
        return killed
    raise AssertionError
