"""project, fsck, migrate and doctor: what keeps a ledger in order."""

from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, progress
from sealbook.adapters.cli.session import (
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
)

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
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Bring the read models up to date."""
        with (
            composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened,
            progress("reading the log", "events") as advanced,
        ):
            run = opened.read_models.rebuild if rebuild else opened.read_models.catch_up
            position = run(advanced=advanced)
        if as_json:
            print_json({"position": position, "rebuilt": rebuild})
        else:
            print_line(f"The read models stand at position {position:,}.")


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
            findings = [*opened.findings(advanced), *opened.read_models.differences()]
        if as_json:
            print_json({"clean": not findings, "events": position, "findings": findings})
        else:
            for finding in findings[:FINDINGS_SHOWN]:
                print_line(finding)
            if len(findings) > FINDINGS_SHOWN:
                print_line(f"... and {len(findings) - FINDINGS_SHOWN:,} more; --json has them all")
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
