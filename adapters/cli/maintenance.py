"""project, fsck, migrate and doctor: what keeps a ledger in order."""

from typing import Annotated

import typer

from sealbook.adapters.cli import following
from sealbook.adapters.cli.output import counted, print_json, print_line, progress
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
)
from sealbook.application.ports import ReadModels, Unavailable
from sealbook.application.timers import Timers

FINDINGS_SHOWN = 100


def register(app: typer.Typer, composition: Composition) -> None:
    _register_project(app, composition)
    _register_fsck(app, composition)
    _register_migrate(app, composition)
    _register_doctor(app, composition)


def _register_project(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def project(
        rebuild: Annotated[bool, typer.Option("--rebuild", help="Build anew beside the old ones, then swap.")] = False,
        follow: Annotated[bool, typer.Option("--follow", help="Keep them up to date until Ctrl-C or SIGTERM.")] = False,
        status: Annotated[bool, typer.Option("--status", help="Only tell how far they are behind.")] = False,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Bring the read models up to date."""
        if rebuild + follow + status > 1:
            raise BadInput("--rebuild, --follow and --status exclude each other: give one of them")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            if follow:
                lag = following.follow(opened.read_models, as_json=as_json)
            else:
                if not status:
                    _projected(opened.read_models, rebuild=rebuild)
                lag = opened.read_models.lag()
        if not as_json:
            print_line(following.said(lag))
        elif not follow:
            print_json({**following.lag_fields(lag), "rebuilt": rebuild})


def _projected(models: ReadModels, *, rebuild: bool) -> None:
    with progress("reading the log", "events") as advanced:
        run = models.rebuild if rebuild else models.catch_up
        run(advanced=advanced)


def _register_fsck(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def fsck(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Read everything and compare: positions, versions, MACs, heads, names and read models."""
        with (
            composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened,
            progress("reading the log", "events") as advanced,
        ):
            position = opened.store.last_position()
            notes = list[str]()
            findings = [*opened.findings(advanced, notes.append), *opened.read_models.differences()]
            try:
                findings += Timers(opened.store, opened.kinds, opened.agenda).overlooked()
            except Unavailable:
                notes.append("the timers are at work: whether they overlook anything was not looked at")
        if as_json:
            print_json({"clean": not findings, "events": position, "findings": findings, "notes": notes})
        else:
            for finding in findings[:FINDINGS_SHOWN]:
                print_line(finding)
            if len(findings) > FINDINGS_SHOWN:
                print_line(f"... and {len(findings) - FINDINGS_SHOWN:,} more; --json has them all")
            for note in notes:
                print_line(note)
            print_line(f"{position:,} events read: {f'{len(findings):,} contradictions' if findings else 'clean'}.")
        if findings:
            raise typer.Exit(1)


def _register_migrate(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def migrate(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Create the ledger's schema or bring it up to date; needs the database's maintenance role."""
        ran = composition.migrate(Place(ledger=ledger, dsn=dsn, keys=keys))
        if as_json:
            print_json({"migrations": ran})
        else:
            print_line(f"Ran {counted(len(ran), 'migration')}." if ran else "The ledger is up to date.")


def _register_doctor(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def doctor(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Tell what was found on this computer, and whether it will do."""
        found = composition.doctor(Place(ledger=ledger, dsn=dsn, keys=keys))
        if as_json:
            print_json({what: {"found": text, "ok": good} for what, text, good in found})
        else:
            for what, text, good in found:
                print_line(f"{'ok ' if good else 'NO '} {what:<12}{text}")
        if not all(good for _, _, good in found):
            raise typer.Exit(3)
