"""demo: a bank in a box, from nothing to answers in under a minute."""

import os
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from sealbook.adapters.cli.output import print_json, print_line, progress
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
from sealbook.adapters.plain import iso
from sealbook.adapters.seal.folder import POLICY
from sealbook.application import bank, erasure, questions
from sealbook.application.histories import histories_of_ledger
from sealbook.application.names import Name, NameKind
from sealbook.application.simulation import WhatIf
from sealbook.domain.catalogue import event_name
from sealbook.domain.policy import PolicyBook
from sealbook.domain.presets import preset_kinds, preset_policies
from sealbook.projections.counts import Report
from sealbook.projections.timeline import Entry
from sealbook.projections.what_if import Scenario

COMPARED = ("X", "L6", "N")
SHOWN_EVENTS_MAX = 24
SHOWN_COUNTS_MAX = 16
HELD_BY = ("credential.suspended", "credential.locked", "credential.reset_required", "credential.expired")
"""After these a use is refused."""
YEAR = timedelta(days=365)
CUSTOMERS_HELP = f"How many customers. From {bank.CUSTOMERS_FOR_ALL} on, and 4 years, every kind of event occurs."


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def demo(
        customers: Annotated[int, typer.Option(min=1, max=100_000, help=CUSTOMERS_HELP)] = 200,
        years: Annotated[float, typer.Option(min=0.1, max=50, help="How long they live.")] = 4,
        seed: Annotated[int, typer.Option(help="Another seed, other lives.")] = 1,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Let customers live for some years in a ledger of its own, and show what can be asked of it."""
        place = Place(ledger=ledger, dsn=dsn, keys=keys)
        # Somebody is erased in it: if that was cut short, it is completed first.
        with composition.open(place, create=True, reconciling=True) as opened:
            erasure.reconcile(opened.store, opened.keys)
            try:
                names = _live(opened, customers=customers, years=years, seed=seed)
            finally:
                erasure.reconcile(opened.store, opened.keys)
            opened.read_models.catch_up()
            if as_json:
                print_json(questions.count(opened.store, as_of=opened.now, known_at=None))
            else:
                told = _tell(opened, names)
                _prove(opened, told)
                _what_next(place, names[0])


def _live(opened: OpenLedger, *, customers: int, years: float, seed: int) -> list[str]:
    """Live the lives that this ledger does not hold yet; return the customers' names."""
    names = [f"DEMO-{seed}-{number:05}" for number in range(1, customers + 1)]
    known = _known(opened, names)
    if len(known) == len(names):
        return names
    asked = bank.commands(
        names,
        begins_at=opened.now - years * YEAR,
        ends_at=opened.now,
        random=Random(seed),  # noqa: S311 (invented lives, not secrets)
        new_id=opened.new_id,
        known=known,
    )
    lives, done = len(names) - len(known), 0
    with progress(f"{lives} customers live for {years:g} years", "commands") as advanced:
        for outcomes in bank.live(opened.store, asked, kinds=preset_kinds(), until=opened.now):
            done += len(outcomes)
            advanced(done)
    return names


def _known(opened: OpenLedger, names: list[str]) -> frozenset[str]:
    """Return the names of those who live here already, or did until they were erased."""
    asked = [Name(NameKind.CUSTOMER, name) for name in names]
    taken = frozenset(name.value for name in opened.store.load(streams=(), names=asked, commands=()).names)
    return taken | bank.erased_among(names) if opened.store.erasures(after=0) else taken


def _tell(opened: OpenLedger, names: list[str]) -> str:
    """Print the answers; return the name of the credential whose story was told."""
    print_line("1. TODAY'S COUNTS (sealbook report)")
    _print_counts(questions.count(opened.store, as_of=opened.now, known_at=None))
    name, entries = _telling(opened, names)
    print_line(f"\n2. ONE CREDENTIAL'S STORY, without its uses (sealbook history {name})")
    print_timeline([entry for entry in entries if not _is_use(entry)], most=SHOWN_EVENTS_MAX)
    print_line(f"\n3. THE SAME CREDENTIAL ON TWO DATES (sealbook show {name} --as-of ...)")
    for moment in (_turn(entries), opened.now):
        standing = questions.show(opened.store, name, as_of=moment, known_at=None)
        print_line(f"  {iso(moment)}: {standing.validity.state}. {why(standing)}")
    print_line(f"\n4. WHAT IF: three other policies over the same history (sealbook whatif --policy {COMPARED[0]} ...)")
    _compare(opened)
    return name


def _prove(opened: OpenLedger, name: str) -> None:
    """Seal what there is, and hand out the proof of one history."""
    print_line(f"\n5. THE PROOF OF THAT STORY (sealbook seal --map, sealbook export history {name})")
    desk = opened.desk
    with desk.sealer() as sealer:
        desk.seal(sealer)
        streams = desk.map_heads(sealer, at=opened.now)
    stream = questions.find(opened.store, name, kinds=[NameKind.CREDENTIAL])
    bundle = desk.prover().history(stream.bytes)
    proof = desk.folder.path.with_name(f"{name}.proof")
    proof.write_bytes(bundle.content)
    print_line(f"  {sealer.checkpoint.size:,} events are sealed, and a map of {streams:,} streams.")
    print_line(f"  All {bundle.events} events of {name} are in {proof}. Anybody can check that, without this ledger:")
    print_line(f"  sealbook-verify history {proof} --policy {desk.folder.path / POLICY}")


def _print_counts(counts: Report) -> None:
    """Print the counts, of the events only the most frequent."""
    most = sorted(counts.events, key=lambda name: -counts.events[name])[:SHOWN_COUNTS_MAX]
    print_report(replace(counts, events={name: counts.events[name] for name in most}))
    print_line(f"events shown: the {len(most)} most frequent of {len(counts.events)} types")


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


def _is_use(entry: Entry) -> bool:
    return event_name(entry.recorded.event) == "credential.used"


def _turn(entries: list[Entry]) -> datetime:
    """Return when it was first held, locked or lapsed, or else when it began."""
    turns = [entry.recorded.event.at for entry in entries if event_name(entry.recorded.event) in HELD_BY]
    return turns[0] if turns else entries[0].recorded.event.at


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
        f"show {name}{where}",
        f"history {name}{where}",
        "ask --help",
        "kinds",
        f"timers{where}",
        f"report --as-of 2025-01-01T00:00:00+09:00{where}",
        f"whatif --policy U3 --policy G30{where}",
        f"fsck{where}",
    ):
        print_line(f"  {_program()} {command}")


def _program() -> str:
    """Return how this program was called, shortened to its name where the shell finds it."""
    called = Path(sys.argv[0])
    if called.name != "sealbook":
        return "python -m sealbook"
    return "sealbook" if shutil.which("sealbook") else os.path.relpath(called)
