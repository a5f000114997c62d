"""export: what an outsider gets to check, one file for one claim."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, progress
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    SealOption,
    moment,
)
from sealbook.adapters.seal.notes import BadNote, parse_checkpoint, parse_note
from sealbook.adapters.whole_files import whole
from sealbook.application import questions
from sealbook.application.names import NameKind
from sealbook.application.ports import EventStore
from sealbook.domain.errors import Refused

_PROVABLE = (NameKind.CREDENTIAL, NameKind.CUSTOMER, NameKind.DEVICE_KEY, NameKind.POLICY)
WitnessedOption = Annotated[
    bool, typer.Option("--witnessed", help="Under the last checkpoint that a witness signed. [default: the latest]")
]
OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")]


def register(app: typer.Typer, composition: Composition) -> None:
    export = typer.Typer(name="export", help="Write what outsiders check with sealbook-verify.", no_args_is_help=True)
    _register_history(export, composition)
    _register_entry(export, composition)
    _register_growth(export, composition)
    _register_events(export, composition)
    app.add_typer(export)


def _register_history(export: typer.Typer, composition: Composition) -> None:
    @export.command()
    def history(
        name: Annotated[
            str, typer.Argument(metavar="ID", help="A credential, customer or device: its id, or its name.")
        ],
        out: OutOption,
        as_of: Annotated[
            str | None,
            typer.Option(
                "--as-of",
                metavar="T",
                help="Show what the ledger knew then; what it recorded later is proven and stays closed.",
            ),
        ] = None,
        witnessed: WitnessedOption = False,
        folder: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Prove the whole history of one credential, customer or device; or that there is none of that id."""
        known_at = moment(as_of, option="--as-of")
        place = Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)
        with composition.open(place) as opened:
            stream = _stream(opened.store, name)
            bundle = opened.desk.prover(witnessed=witnessed).history(stream.bytes, known_at=known_at)
        _write(out, bundle.content)
        if as_json:
            fields = {"stream": stream, "events": bundle.events, "shown": bundle.shown}
            print_json({**fields, "complete_to": bundle.complete_to, "file": out})
        else:
            told = counted(bundle.events, "event") if bundle.events else "no such stream"
            told += f", {bundle.shown} of them shown" if bundle.shown < bundle.events else ""
            print_line(f"{stream}: {told}, whole up to position {bundle.complete_to:,}, in {out}.")


def _stream(store: EventStore, name: str) -> UUID:
    """Return the stream that is meant. An id that nothing has is one too: that it does not exist can be proven."""
    try:
        return questions.find(store, name, kinds=_PROVABLE)
    except Refused:
        with suppress(ValueError):
            return UUID(name)
        raise


def _register_entry(export: typer.Typer, composition: Composition) -> None:
    @export.command()
    def entry(
        position: Annotated[int, typer.Argument(min=1, help="The event's position.")],
        out: OutOption,
        witnessed: WitnessedOption = False,
        folder: SealOption = None,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Prove that an event is in the log (C2SP tlog-proof)."""
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)) as opened:
            prover = opened.desk.prover(witnessed=witnessed)
            proof = prover.entry(position)
        _write(out, proof.encode())
        print_line(f"Position {position:,} under the checkpoint of {counted(prover.size, 'event')}, in {out}.")


def _register_growth(export: typer.Typer, composition: Composition) -> None:
    @export.command()
    def growth(
        old: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="An older checkpoint of this log.")],
        out: OutOption,
        witnessed: WitnessedOption = False,
        folder: SealOption = None,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Prove that the log only grew since an older checkpoint."""
        try:
            size = parse_checkpoint(parse_note(old.read_text(encoding="utf-8")).text).size
        except (OSError, UnicodeDecodeError, BadNote) as bad:
            raise BadInput(f"{old} is no checkpoint: {bad}") from None
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)) as opened:
            prover = opened.desk.prover(witnessed=witnessed)
            proof = prover.growth(size)
        _write(out, proof.encode())
        print_line(f"From {size:,} to {counted(prover.size, 'event')}, in {out}.")


def _register_events(export: typer.Typer, composition: Composition) -> None:
    @export.command()
    def events(
        out: OutOption,
        witnessed: WitnessedOption = False,
        folder: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Write all sealed events, for a full verification beside the folder of the seal."""
        place = Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)
        with composition.open(place) as opened, progress("writing", "events") as advanced, whole(out) as file:
            count = opened.desk.prover(witnessed=witnessed).dump(file, advanced)
        if as_json:
            print_json({"events": count, "file": out})
        else:
            print_line(f"{counted(count, 'event')} in {out}.")


def _write(path: Path, content: bytes) -> None:
    with whole(path) as file:
        file.write(content)
