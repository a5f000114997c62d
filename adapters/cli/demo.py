"""demo: a bank in a box, from nothing to answers in under a minute."""

import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from sealbook.adapters.cli.output import iso, print_json, print_line, progress
from sealbook.adapters.cli.reading import print_report, print_timeline, why
from sealbook.adapters.cli.session import (
    DEFAULT_LEDGER,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    OpenLedger,
    Place,
)
from sealbook.adapters.cli.what_if import check_lines, print_summaries
from sealbook.application import bank, questions
from sealbook.application.commands import Command, NameKind, OnPolicy
from sealbook.application.histories import histories_of_ledger
from sealbook.application.ledger import execute
from sealbook.application.simulation import WhatIf
from sealbook.domain import policy
from sealbook.domain.catalogue import event_name
from sealbook.domain.policy import PolicyBook
from sealbook.domain.presets import DEFAULT_POLICY, preset_policies
from sealbook.projections.timeline import Entry
from sealbook.projections.what_if import Scenario

COMMANDS_A_BATCH = 500
COMPARED = ("X", "L6", "N")
SHOWN_EVENTS_MAX = 12
YEAR = timedelta(days=365)


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def demo(
        customers: Annotated[int, typer.Option(min=1, max=100_000, help="How many customers.")] = 200,
        years: Annotated[float, typer.Option(min=0.1, max=50, help="How long they live.")] = 4,
        seed: Annotated[int, typer.Option(help="Another seed, other lives.")] = 1,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Let customers live for some years in a ledger of its own, and show what can be asked of it."""
        place = Place(ledger=ledger, dsn=dsn, keys=keys)
        with composition.open(place, create=True) as opened:
            names = _live(opened, customers=customers, years=years, seed=seed)
            opened.read_models.catch_up()
            if as_json:
                print_json(questions.count(opened.store, as_of=opened.now, known_at=None))
            else:
                _tell(opened, names)
                _what_next(place, names[0])


def _live(opened: OpenLedger, *, customers: int, years: float, seed: int) -> list[str]:
    """Live the lives that this ledger does not hold yet; return the customers' names."""
    random = Random(seed)  # noqa: S311 (invented lives, not secrets)
    begin = opened.now - years * YEAR
    names = [f"DEMO-{seed}-{number:05}" for number in range(1, customers + 1)]
    held = {name.value for name in opened.store.named(NameKind.CUSTOMER)}
    lives = [
        bank.Life(
            name=name,
            begins_at=begin + random.random() * years / 3 * YEAR,
            ends_at=opened.now,
            policy_id=DEFAULT_POLICY,
        )
        for name in names
        if name not in held
    ]
    if not lives:
        return names
    adopt = OnPolicy(
        policy_id=DEFAULT_POLICY,
        stream=opened.new_id(),
        command=policy.Adopt(at=begin, document=preset_policies()[DEFAULT_POLICY]),
    )
    asked = [Command(request=adopt, command_id=opened.new_id(), actor="bank", channel="demo")]
    asked += bank.commands(lives, random=random, new_id=opened.new_id)
    with progress(f"{len(lives)} customers live for {years:g} years", "commands") as advanced:
        for start in range(0, len(asked), COMMANDS_A_BATCH):
            execute(opened.store, asked[start : start + COMMANDS_A_BATCH])
            advanced(start + COMMANDS_A_BATCH)
    return names


def _tell(opened: OpenLedger, names: list[str]) -> None:
    print_line("1. TODAY'S COUNTS (sealbook report)")
    print_report(questions.count(opened.store, as_of=opened.now, known_at=None))
    name, entries = _telling(opened, names)
    print_line(f"\n2. ONE CREDENTIAL'S STORY (sealbook history {name})")
    print_timeline(entries, most=SHOWN_EVENTS_MAX)
    print_line(f"\n3. THE SAME CREDENTIAL ON TWO DATES (sealbook show {name} --as-of ...)")
    for moment in _two_dates(entries, opened.now):
        standing = questions.show(opened.store, name, as_of=moment, known_at=None)
        print_line(f"  {iso(moment)}: {standing.validity.state}. {why(standing)}")
    print_line(f"\n4. WHAT IF: three other policies over the same history (sealbook whatif --policy {COMPARED[0]} ...)")
    _compare(opened)


def _telling(opened: OpenLedger, names: list[str]) -> tuple[str, list[Entry]]:
    """Return the credential in whose life the most kinds of things happened."""
    held = {name.value for name in opened.store.named(NameKind.CREDENTIAL)}
    stories = {
        name: questions.history(opened.store, name, kinds=[NameKind.CREDENTIAL], as_of=None, known_at=None)
        for name in names[:50]
        if name in held
    }
    name = max(stories, key=lambda each: (_variety(stories[each]), -len(stories[each])))
    return name, stories[name]


def _variety(entries: list[Entry]) -> int:
    return len({event_name(entry.recorded.event) for entry in entries})


def _two_dates(entries: list[Entry], now: datetime) -> tuple[datetime, datetime]:
    """Return a day in the middle of its life, just after something other than a use, and today."""
    turns = [
        entry.recorded.event.at
        for entry in entries[1:]
        if event_name(entry.recorded.event) not in ("credential.used", "credential.auto_renewed")
    ]
    return (turns or [entries[0].recorded.event.at])[0], now


def _compare(opened: OpenLedger) -> None:
    book = questions.policies(opened.store)
    documents = [preset_policies()[policy_id] for policy_id in COMPARED]
    run = WhatIf(
        scenarios={document.policy_id: Scenario(policy=document) for document in documents},
        policies=PolicyBook({**PolicyBook.of(*documents).policies, **book.policies}),
        as_of=opened.now,
    )
    for _ in run.run(histories_of_ledger(opened.store)):
        pass
    for line in check_lines(run.check):
        print_line(line)
    print_summaries(run)


def _what_next(place: Place, name: str) -> None:
    where = "" if place.ledger in (None, DEFAULT_LEDGER) else f" --ledger {place.ledger}"
    where += "" if place.dsn is None else " --dsn DSN"
    where += "" if place.keys is None else f" --keys {place.keys}"
    print_line("\nTRY NEXT")
    for command in (
        f"show {name}",
        f"history {name}",
        "report --as-of 2025-01-01T00:00:00+09:00",
        "whatif --policy U3 --policy G30",
        "fsck",
    ):
        print_line(f"  {_program()} {command}{where}")


def _program() -> str:
    """Return how this program was called, shortened to its name where the shell finds it."""
    called = Path(sys.argv[0])
    if called.name != "sealbook":
        return "python -m sealbook"
    return "sealbook" if shutil.which("sealbook") else os.path.relpath(called)
