"""seal and export: the log that others can check, and the files that they check."""

import signal
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, progress, warn
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    SealOption,
    short_text,
)
from sealbook.adapters.seal.desk import SealDesk, Sealed
from sealbook.adapters.seal.sealer import Sealer

FOLLOW_SECONDS = 1.0
DISPROVED = 1


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def seal(
        follow: Annotated[bool, typer.Option("--follow", help="Seal every second until Ctrl-C or SIGTERM.")] = False,
        with_map: Annotated[
            bool, typer.Option("--map", help="Then make a map of all streams and seal its root.")
        ] = False,
        origin: Annotated[
            str | None,
            typer.Option("--origin", metavar="NAME", help="Name of a new log, like bank.example/sealbook/2026."),
        ] = None,
        replaced: Annotated[
            bool,
            typer.Option(
                "--new-log", help="The ledger came back older: end its log, begin another, which --origin names."
            ),
        ] = False,
        reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for --new-log.")] = None,
        approved_by: Annotated[
            str | None, typer.Option("--approved-by", metavar="REF", help="Who approved --new-log.")
        ] = None,
        folder: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Make the log of all events that outsiders can check: tiles, checkpoint, map of heads."""
        _check_origin(origin)
        if follow and with_map:
            raise BadInput("--follow and --map exclude each other: while one run follows, another waits")
        place = Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)
        with composition.open(place) as opened, ExitStack() as stack:
            desk = opened.desk
            if replaced:
                _replace(desk, origin, reason, approved_by, at=composition.now())
            sealer = stack.enter_context(desk.sealer(origin))
            if follow:
                sealed = _followed(desk, sealer, as_json=as_json)
            else:
                with progress("sealing", "events") as advanced:
                    sealed = desk.seal(sealer, advanced=advanced)
            streams = _mapped(desk, sealer, sealed, at=composition.now()) if with_map else None
            _tell(desk, sealer, sealed, streams=streams, as_json=as_json)
        if sealed.unsealable is not None:
            raise typer.Exit(DISPROVED)


def _replace(desk: SealDesk, origin: str | None, reason: str | None, approved_by: str | None, *, at: datetime) -> None:
    if origin is None or not reason or not approved_by:
        raise BadInput("--new-log needs --origin, --reason and --approved-by: the ledger notes them for good")
    why, approver = short_text(reason, option="--reason"), short_text(approved_by, option="--approved-by")
    aside = desk.replace_log(origin, at=at, reason=why, approved_by=approver)
    warn(f"sealbook: the log that ended is kept in {aside}")


def _mapped(desk: SealDesk, sealer: Sealer, sealed: Sealed, *, at: datetime) -> int | None:
    return None if sealed.unsealable is not None else desk.map_heads(sealer, at=at)


def _followed(desk: SealDesk, sealer: Sealer, *, as_json: bool) -> Sealed:
    """Seal what comes until somebody ends it, or until something cannot be sealed."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    sealed = desk.seal(sealer)
    while not stopped and sealed.unsealable is None:
        if sealed.events and as_json:
            print_json({"size": sealed.checkpoint.size, "events": sealed.events})
            sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        sealed = desk.seal(sealer)
    return sealed


def _tell(desk: SealDesk, sealer: Sealer, sealed: Sealed, *, streams: int | None, as_json: bool) -> None:
    at = sealer.checkpoint
    if as_json:
        print_json(
            {
                "origin": at.origin,
                "size": at.size,
                "root": at.root.hex(),
                "events": sealed.events,
                "streams_mapped": streams,
                "unsealable": None if sealed.unsealable is None else str(sealed.unsealable),
                "folder": desk.folder.path,
            }
        )
        return
    print_line(f"Sealed {counted(sealed.events, 'event')}; the log {at.origin} has {at.size:,}, in {desk.folder.path}.")
    if streams is not None:
        print_line(f"A map of {counted(streams, 'stream')} is sealed as well: histories can be proven whole.")
    if sealed.unsealable is not None:
        warn(f"sealbook: {sealed.unsealable}")


def _check_origin(origin: str | None) -> None:
    if origin is not None and (not origin or "+" in origin or not origin.isprintable() or " " in origin):
        raise BadInput("--origin is a name without spaces and plus signs, like bank.example/sealbook/2026")
