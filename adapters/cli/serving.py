"""serve and token: the service, and what a trial of it needs."""

import sys
from ipaddress import ip_address
from typing import Annotated

import typer

from sealbook.adapters.cli.output import print_json, print_line, warn
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    SealOption,
)

WORKERS_MAX = 64
LIFETIME_SECONDS_MAX = 86_400 * 30


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def serve(
        host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
        port: Annotated[
            int, typer.Option("--port", min=0, max=65_535, metavar="N", help="Port; 0 for one that is free.")
        ] = 8_080,
        workers: Annotated[
            int, typer.Option("--workers", min=1, max=WORKERS_MAX, metavar="N", help="Processes that answer HTTP.")
        ] = 1,
        development: Annotated[
            bool, typer.Option("--development", help="Take tokens of the ledger folder's own key. For trials only.")
        ] = False,
        seal: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Answer a bank's app, its call center and its auditors over HTTP, until Ctrl-C or SIGTERM."""
        _check_address(host)
        if development and not ip_address(host).is_loopback:
            raise BadInput("--development listens on a loopback address only, like 127.0.0.1: its key is for trials")
        place = Place(ledger=ledger, dsn=dsn, keys=keys, seal=seal)

        def listening(number: int) -> None:
            shown = f"[{host}]" if ":" in host else host
            if as_json:
                print_json({"listening": f"http://{shown}:{number}", "workers": workers})
            else:
                print_line(f"Sealbook answers on http://{shown}:{number}")
            # Whoever waits for this line at the end of a pipe waits for no other.
            sys.stdout.flush()

        composition.serve(place, host=host, port=port, workers=workers, development=development, listening=listening)

    @app.command()
    def token(
        role: Annotated[str, typer.Argument(metavar="ROLE", help="app, teller, call_center, auditor ...")],
        subject: Annotated[str, typer.Option("--subject", metavar="REF", help="Whom the token speaks for.")] = "trial",
        customer: Annotated[
            str | None, typer.Option("--customer", metavar="NAME", help="Whom an app acts for, by name or id.")
        ] = None,
        lifetime: Annotated[
            int, typer.Option("--seconds", min=1, max=LIFETIME_SECONDS_MAX, help="How long it is good.")
        ] = 3_600,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Make a bearer token for a service that was started with --development."""
        place = Place(ledger=ledger, dsn=dsn, keys=keys)
        made, notice = composition.development_token(
            place, role=role, subject=subject, customer=customer, lifetime_seconds=lifetime
        )
        for line in notice:
            warn(line)
        print_line(made)


def _check_address(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        raise BadInput("--host is the address to listen on, like 127.0.0.1 or ::1") from None
