"""timers: what the clock alone brings about, made explicit; and what a crash left undone."""

from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    moment,
)
from sealbook.adapters.plain import iso
from sealbook.application.timers import run_timers


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def timers(
        until: Annotated[
            str | None, typer.Option("--until", metavar="T", help="Up to when: ISO 8601 with offset. [default: now]")
        ] = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Record what has come due: lapses, notices, suspensions that end, applications given up; and cascades."""
        asked = moment(until, option="--until")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            last = asked or opened.now
            if last > opened.now:
                raise BadInput("--until lies in the future: what has not come due cannot be recorded")
            done = run_timers(opened.store, kinds=opened.kinds, until=last, now=opened.now, agenda=opened.agenda)
        if as_json:
            print_json({"until": last, "done": done})
        else:
            print_line(f"Up to {iso(last)}: {counted(done, 'thing')} that had come due.")
