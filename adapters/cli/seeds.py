"""seeds: the secrets of one-time codes, from the file of whoever made the tokens."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sealbook.adapters.proofs.pskc import PskcKey


class By(StrEnum):
    """What of a key is the name of its credential."""

    KEY_ID = "key-id"
    SERIAL = "serial"


def register(app: typer.Typer, composition: Composition) -> None:
    seeds = typer.Typer(no_args_is_help=True, help="The secrets of one-time codes.")

    # With one command alone, its name would not have to be typed.
    @seeds.callback()
    def group() -> None:
        """Take in the secrets of one-time codes."""

    @seeds.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="A PSKC file (RFC 6030).")],
        by: Annotated[By, typer.Option("--by", help="What of a key is its credential's name.")] = By.KEY_ID,
        password_file: Annotated[
            Path | None, typer.Option("--password-file", metavar="FILE", help="What opens the file: a password.")
        ] = None,
        key_file: Annotated[
            Path | None, typer.Option("--key-file", metavar="FILE", help="What opens the file: a key, in hex.")
        ] = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Put the seeds of a token maker's file behind credentials of the ledger; a second run adds nothing."""
        from sealbook.adapters.proofs.seed_import import BadSeeds, import_seeds

        found = _read(file, password_file, key_file)
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            try:
                done = import_seeds(
                    opened.store,
                    opened.vault,
                    found,
                    kinds=opened.kinds,
                    named=lambda key: key.key_id if by is By.KEY_ID else key.serial,
                    at=opened.now,
                    new_id=opened.new_id,
                )
            except BadSeeds as bad:
                raise BadInput(f"{file}: {bad}") from None
        if as_json:
            print_json({"file": file, "set": done.set, "there": done.there})
        else:
            print_line(f"{counted(done.set, 'seed')} set; {done.there:,} stood already.")

    app.add_typer(seeds, name="seeds")


def _read(file: Path, password_file: Path | None, key_file: Path | None) -> "Sequence[PskcKey]":
    from sealbook.adapters.proofs.pskc import BadPskc, read_pskc

    if password_file is not None and key_file is not None:
        raise BadInput("--password-file and --key-file exclude each other: the file was encrypted in one way")
    password = None if password_file is None else _content(password_file).decode("utf-8", "replace").strip()
    try:
        key = None if key_file is None else bytes.fromhex(_content(key_file).decode("ascii", "replace").strip())
    except ValueError:
        # From None: what is no hex may be a key all the same.
        raise BadInput(f"{key_file} holds no key: write it in hex") from None
    try:
        return read_pskc(_content(file), pre_shared_key=key, password=password)
    except BadPskc as bad:
        raise BadInput(f"{file}: {bad}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {(error.strerror or 'unknown').lower()}") from None
