"""witness: to be a log's witness, and to ask one; over HTTP, or by a file that travels."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, warn
from sealbook.adapters.cli.session import BadInput, Composition, JsonOption, LedgerOption, Place, SealOption
from sealbook.adapters.plain import plain
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.notes import BadNote, Note, VerifierKey, parse_note
from sealbook.adapters.seal.tiles import replace_file
from sealbook.adapters.seal.witness import KEY_FILE, Outcome, Witness
from sealbook.adapters.seal.witness_asking import Taken, Witnessing
from sealbook.adapters.seal.witness_client import WitnessRefused, cosignatures
from sealbook.adapters.seal.witness_request import REQUEST_BYTES_MAX
from sealbook.adapters.seal.witness_server import WitnessServer
from sealbook.application.ports import Unavailable

PORT = 8470
PORT_MAX = 65_535
REFUSED = 1

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The witness's own folder.")]
KeyOption = Annotated[
    str | None, typer.Option("--witness", metavar="VKEY", help="The witness's key, as witness init printed it.")
]


def register(app: typer.Typer, composition: Composition) -> None:
    witness = typer.Typer(name="witness", help="Be a log's witness, or ask one.", no_args_is_help=True)
    _register_init(witness)
    _register_trust(witness)
    _register_sign(witness, composition)
    _register_serve(witness, composition)
    _register_ask(witness, composition)
    _register_take(witness, composition)
    app.add_typer(witness)


def _register_init(app: typer.Typer) -> None:
    @app.command()
    def init(
        folder: FolderArgument,
        name: Annotated[str, typer.Option("--name", metavar="NAME", help="As an address, like bank.example/audit.")],
        as_json: JsonOption = False,
    ) -> None:
        """Make a witness with a key of its own, and print the line that verifiers know it by."""
        if not name or "+" in name or not name.isprintable() or any(each.isspace() for each in name):
            raise BadInput(f"{name!r} is no name of a witness: write one without spaces and plus signs")
        try:
            witness = Witness.create(folder, name=name)
        except OSError as error:
            raise BadInput(f"{folder} cannot be a witness's folder: {(error.strerror or 'unknown').lower()}") from None
        if witness.key.name != name:
            raise BadInput(f"{folder} is the folder of another witness, {witness.key.name}")
        if as_json:
            print_json({"witness": name, "vkey": witness.key})
        else:
            print_line(str(witness.key))


def _register_trust(app: typer.Typer) -> None:
    @app.command()
    def trust(
        folder: FolderArgument,
        log: Annotated[str, typer.Argument(metavar="VKEY", help="The log's key, as a log line of its policy has it.")],
        as_json: JsonOption = False,
    ) -> None:
        """Cosign a log from now on, by its key. A log that changes its key is trusted again, by the new one."""
        witness = _opened(folder)
        with _said_of("VKEY"):
            key = VerifierKey.parse(log)
            is_new = witness.trust(key)
        if as_json:
            print_json({"log": key.name, "vkey": key, "new": is_new})
        else:
            print_line(f"{key.name} is cosigned from now on." if is_new else f"{key.name} was known by this key.")


def _register_sign(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def sign(
        folder: FolderArgument,
        request: Annotated[Path, typer.Argument(metavar="REQUEST", help="The file that witness ask -o wrote.")],
        cosigned: Annotated[
            Path, typer.Option("-o", "--output", metavar="COSIGNATURES", help="Where the cosigned checkpoint goes.")
        ],
        as_json: JsonOption = False,
    ) -> None:
        """Cosign a request that came as a file. What is refused is not written, and the exit code is 1."""
        witness = _opened(folder)
        body = _read(request)
        _check_writable(cosigned)
        verdict = witness.add_checkpoint(body, time_seconds=int(composition.now().timestamp()))
        if verdict.outcome is Outcome.UNREADABLE:
            raise BadInput(f"{request}: {verdict.reason}")
        answer = {"outcome": verdict.outcome, "log": verdict.origin, "size": verdict.size}
        if verdict.cosigned is None:
            is_elsewhere = verdict.outcome is Outcome.OTHER_SIZE
            advice = f"; ask again with sealbook witness ask --old {verdict.size}" if is_elsewhere else ""
            kept = f"; kept in {verdict.evidence}" if verdict.evidence else ""
            _refused(f"{verdict.reason}{advice}{kept}", {**answer, "evidence": verdict.evidence}, as_json=as_json)
        else:
            replace_file(cosigned, str(verdict.cosigned).encode())
            if as_json:
                print_json({**answer, "file": cosigned})
            else:
                print_line(f"Cosigned {verdict.size:,} entries of {verdict.origin} in {cosigned}.")


def _register_serve(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def serve(
        folder: FolderArgument,
        host: Annotated[str, typer.Option("--host", metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option("--port", min=0, max=PORT_MAX, metavar="PORT", help="0 for any.")] = PORT,
        as_json: JsonOption = False,
    ) -> None:
        """Cosign what comes over HTTP (C2SP tlog-witness) until Ctrl-C or SIGTERM; a line for each request."""
        witness = _opened(folder)
        told = print_json if as_json else _print_request

        def flushed(request: Mapping[str, object]) -> None:
            told({"at": composition.now(), **request})
            sys.stdout.flush()

        def clock() -> int:
            return int(composition.now().timestamp())

        try:
            listening = WitnessServer(witness, host=host, port=port, clock=clock, told=flushed)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"nobody can listen at {host} port {port}: {error}") from error
        with listening as server:
            signal.signal(signal.SIGTERM, _stopping(server))
            if as_json:
                print_json({"witness": witness.key.name, "vkey": witness.key, "url": server.url})
            else:
                print_line(f"{witness.key.name} cosigns at {server.url}.")
            sys.stdout.flush()
            server.serve_forever()


def _register_ask(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def ask(
        url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Ask the witness there, at once.")] = None,
        request: Annotated[
            Path | None, typer.Option("-o", "--output", metavar="REQUEST", help="Write a request that travels instead.")
        ] = None,
        witness: KeyOption = None,
        old: Annotated[
            int | None, typer.Option("--old", min=0, metavar="SIZE", help="Where the witness stands, if it said so.")
        ] = None,
        seal: SealOption = None,
        ledger: LedgerOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Ask a witness to cosign the log's latest checkpoint. What it refuses ends with exit code 1."""
        if (url is None) == (request is None):
            raise BadInput("say where the witness is, with --url URL, or write a file for it, with -o REQUEST")
        log = Witnessing(SealFolder(_seal(composition, Place(ledger=ledger, seal=seal))))
        with _said_of("witness ask"):
            note = log.checkpoint()
            asked = log.request(note, old=log.stands_at() if old is None else old)
            if url is not None:
                _ask_at(url, log, note, asked.old, _key_of(log, url, witness), as_json=as_json)
                return
        if request is not None:
            _check_writable(request)
            replace_file(request, str(asked).encode())
            if as_json:
                print_json({"file": request, "old": asked.old})
            else:
                print_line(f"Wrote {request}: a witness that stands at {asked.old:,} entries can cosign it.")


def _register_take(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def take(
        cosigned: Annotated[Path, typer.Argument(metavar="COSIGNATURES", help="The file that witness sign wrote.")],
        witness: Annotated[str, typer.Option("--witness", metavar="VKEY", help="The witness's key.")],
        seal: SealOption = None,
        ledger: LedgerOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Check what came back from a witness, and put it with the log."""
        log = Witnessing(SealFolder(_seal(composition, Place(ledger=ledger, seal=seal))))
        with _said_of("--witness"):
            key = VerifierKey.parse(witness)
        with _said_of(str(cosigned)):
            taken = log.take(parse_note(_text(cosigned)), key)
        _print_taken(taken, as_json=as_json)


def _ask_at(url: str, log: Witnessing, note: Note, old: int, key: VerifierKey, *, as_json: bool) -> None:
    size = stands_at(note).size
    try:
        lines = cosignatures(url, note, size=size, old=old, proof_from=lambda known: log.request(note, old=known).proof)
    except WitnessRefused as refused:
        _refused(f"{key.name}: {refused}", {"outcome": "refused", "witness": key.name, "size": size}, as_json=as_json)
    else:
        taken = log.take(note.with_signatures(lines), key, url=url)
        _print_taken(taken, as_json=as_json)


def _key_of(log: Witnessing, url: str, typed: str | None) -> VerifierKey:
    """Return the key that a witness must sign by: what was typed, or what the policy says. Raises BadNote."""
    if typed is not None:
        return VerifierKey.parse(typed)
    known = [each.key for each in log.witnesses() if each.url == url]
    if len(known) != 1:
        raise BadInput(
            f"the policy names {len(known)} witnesses at {url}: say which key it must sign by, with --witness"
        )
    return known[0]


def _opened(folder: Path) -> Witness:
    if not (folder / KEY_FILE).exists():
        raise BadInput(f"there is no witness in {folder}: make one with sealbook witness init")
    return Witness.open(folder)


def _seal(composition: Composition, place: Place) -> Path:
    found = composition.seal_folder(place)
    if not found.is_dir():
        raise BadInput(f"there is no seal in {found}: name its folder with --seal DIR, or make it with sealbook seal")
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(REQUEST_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {(error.strerror or 'unknown').lower()}") from None


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError:
        raise BadInput(f"{path}: that is no signed note: it is not UTF-8") from None


def _check_writable(path: Path) -> None:
    """Raise BadInput where no file can be put: before a witness says what it would have to repeat."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadInput(f"{path} cannot be written: name a file in a folder that you may write to")


@contextmanager
def _said_of(what: str) -> Generator[None]:
    try:
        yield
    except BadNote as bad:
        raise BadInput(f"{what}: {bad}") from None


def _refused(reason: str, answer: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json({**answer, "reason": reason})
    else:
        warn(f"sealbook: the witness refused: {reason}")
    raise typer.Exit(REFUSED)


def _print_taken(taken: Taken, *, as_json: bool) -> None:
    size = taken.checkpoint.size
    if as_json:
        print_json({"size": size, "stored": taken.stored, "witnesses": taken.witnesses})
    elif taken.stored:
        print_line(f"{counted(size, 'event')} cosigned by {', '.join(taken.witnesses)}.")
    else:
        print_line(f"It is genuine, and a later checkpoint than that of {counted(size, 'event')} is cosigned already.")


def _print_request(told: Mapping[str, object]) -> None:
    words = (told["at"], told["status"], told.get("origin"), told.get("size"), told["reason"])
    # The name is a stranger's: what a terminal would obey is not passed on.
    line = " ".join(str(plain(each)) for each in words if each not in (None, ""))
    print_line("".join(each if each.isprintable() else "?" for each in line))


def _stopping(server: WitnessServer) -> Callable[[int, FrameType | None], None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # From a thread of its own: it waits for the loop to end, and the loop is what it interrupted.
        Thread(target=server.shutdown).start()

    return stop
