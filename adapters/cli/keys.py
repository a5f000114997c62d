"""keys: where a ledger's keys are, and putting others in force. What destroys keys is in `erasing`."""

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple, assert_never

import typer

from sealbook.adapters.cli import erasing
from sealbook.adapters.cli.output import counted, print_json, print_line, warn
from sealbook.adapters.cli.session import (
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    OpenLedger,
    Place,
    SealOption,
)
from sealbook.application.noting import note
from sealbook.domain.ledger import ChangeKey, KeyPurpose

if TYPE_CHECKING:
    from sealbook.adapters.keys.status import KeysStatus

DEVELOPMENT = "development keys in a file, readable by whoever reads it: not for a bank's own data"
FIRST_KEY = 1


class _Done(NamedTuple):
    fields: dict[str, object]
    said: str


class Rotated(StrEnum):
    EPOCH = "epoch"
    MAC = "mac"
    LOG = "log"


def register(app: typer.Typer, composition: Composition) -> None:
    keys = typer.Typer(no_args_is_help=True, help="Where the ledger's keys are, and putting others in force.")
    _register_init(keys, composition)
    _register_rotate(keys, composition)
    _register_status(keys, composition)
    erasing.register(keys, composition)
    app.add_typer(keys, name="keys")


def _register_init(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def init(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Make the keystore and the keys of a ledger that is yet to be made; migrate and import do it too."""
        made, status = composition.create_keys(Place(ledger=ledger, dsn=dsn, keys=keys))
        _warn_of(status)
        if as_json:
            print_json({"made": made, **_fields(status)})
        else:
            print_line(f"{'Made keys' if made else 'There are keys already'}: their root is {status.root}.")


def _register_rotate(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def rotate(
        what: Annotated[
            Rotated, typer.Argument(help="epoch: wraps all keys; mac: authenticates events; log: signs checkpoints.")
        ],
        seal: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Put another key in force. After a new epoch, every older backup of the keystore opens nothing.

        What was cut short is completed by running it again.
        """
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys, seal=seal)) as opened:
            match what:
                case Rotated.LOG:
                    done = _rotated_log(opened)
                case Rotated.MAC | Rotated.EPOCH:
                    # The last rotation may have been cut short before it was recorded.
                    _record(opened, what)
                    done = _rotated_mac(opened) if what is Rotated.MAC else _rotated_epoch(opened)
                    done.fields["position"] = _record(opened, what)
                case _:
                    assert_never(what)
        if as_json:
            print_json({"purpose": what, **done.fields})
        else:
            print_line(done.said)


def _rotated_log(opened: OpenLedger) -> _Done:
    number, key = opened.desk.rotate_log_key(at=opened.now)
    said = (
        f"Log key {number} signs from now on. Verifiers are to trust it as well, in a line of their policy:\nlog {key}"
    )
    return _Done({"key_id": number, "verifier_key": str(key)}, said)


def _rotated_mac(opened: OpenLedger) -> _Done:
    from sealbook.adapters.keys.rotation import rotate_mac

    key_id = rotate_mac(opened.keys.store, opened.keys.root)
    opened.keys.reload()
    said = f"MAC key {key_id} is in force; writers that are running go on with theirs until they connect anew."
    return _Done({"key_id": key_id}, said)


def _rotated_epoch(opened: OpenLedger) -> _Done:
    from sealbook.adapters.keys.rotation import rotate_epoch

    done = rotate_epoch(opened.keys.store, opened.keys.root)
    said = (
        f"Epoch {done.epoch} is in force: {counted(done.keys_rewrapped, 'key')} wrapped anew,"
        f" {counted(done.buckets_renewed, 'bucket')} renewed, epochs destroyed:"
        f" {', '.join(map(str, done.destroyed)) or 'none'}."
    )
    return _Done({"key_id": done.epoch, **asdict(done)}, said)


def _record(opened: OpenLedger, purpose: Rotated) -> int | None:
    """Record which key is in force, unless the ledger knows it or it is the first; return the event's position."""
    from sealbook.adapters.keys.status import status_of

    status = status_of(opened.keys)
    key_id = status.mac_key_id if purpose is Rotated.MAC else status.epoch
    if key_id == FIRST_KEY:
        return None
    change = ChangeKey(at=opened.now, purpose=KeyPurpose(purpose), key_id=key_id)
    return note(opened.store, change, actor="keys", channel="cli", command_id=opened.new_id())


def _register_status(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def status(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Tell where the keys are, which are in force, and how far erasures are carried out on them."""
        from sealbook.adapters.keys.status import status_of

        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), reconciling=True) as opened:
            found, position = status_of(opened.keys), opened.store.last_position()
        _warn_of(found)
        if as_json:
            print_json({**_fields(found), "position": position})
        else:
            for line in _told(found, position):
                print_line(line)


def _warn_of(status: "KeysStatus") -> None:
    if status.for_development:
        warn(f"sealbook: {DEVELOPMENT}")


def _fields(status: "KeysStatus") -> dict[str, object]:
    return asdict(status)


def _told(status: "KeysStatus", position: int) -> list[str]:
    by_class = ", ".join(f"{number:,} {key_class}" for key_class, number in status.subject_keys.items())
    to_destroy = ", ".join(map(str, status.epochs_to_destroy))
    renewing = f"{status.buckets_to_renew:,} of them to renew at the next rotation"
    waiting = f"; epochs still to destroy: {to_destroy} (keys rotate epoch completes it)" if to_destroy else ""
    return [
        f"root keys    {status.root}",
        f"epoch        {status.epoch} in force{waiting}",
        f"MAC keys     {status.mac_key_id} in force, {counted(len(status.mac_key_ids), 'key')} verify",
        f"subject keys {by_class or 'none'}; in {counted(status.buckets, 'bucket')}, {renewing}",
        f"destroyed    {counted(status.destroyed, 'subject')}",
        f"erasures     carried out up to position {status.reconciled_to:,}; the log ends at {position:,}",
    ]
