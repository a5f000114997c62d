"""What there is in a keystore, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysStatus:
    """Where the keys are and how many. A rotation that was cut short left `epochs_to_destroy`.

    Up to `reconciled_to`, the erasures in the ledger's log are carried out on these keys.
    """

    root: str
    for_development: bool
    ledger: UUID | None
    epoch: int
    epochs_to_destroy: tuple[int, ...]
    mac_key_id: int
    mac_key_ids: tuple[int, ...]
    subject_keys: Mapping[str, int]
    buckets: int
    buckets_to_renew: int
    destroyed: int
    reconciled_to: int


def status_of(keyring: Keyring) -> KeysStatus:
    """Return what there is. Raises Unavailable."""
    return keyring.store.run(lambda connection: _status(connection, keyring))


def _status(connection: Connection, keyring: Keyring) -> KeysStatus:
    macs = [key for key in keystore.service_keys(connection) if key.purpose == "mac"]
    epoch = keystore.epoch_in_force(connection)
    epochs = connection.execute("SELECT epoch FROM sealbook_keys.epochs ORDER BY epoch").fetchall()
    by_class = connection.execute("SELECT key_class, count(*) FROM sealbook_keys.subject_keys GROUP BY 1 ORDER BY 1")
    return KeysStatus(
        root=keyring.root.told,
        for_development=keyring.root.for_development,
        ledger=keystore.ledger(connection),
        epoch=epoch,
        epochs_to_destroy=tuple(each for (each,) in epochs if each != epoch),
        mac_key_id=next(key.key_id for key in macs if key.in_force),
        mac_key_ids=tuple(key.key_id for key in macs),
        subject_keys=dict(by_class.fetchall()),
        buckets=_count(connection, "SELECT count(*) FROM sealbook_keys.buckets"),
        buckets_to_renew=_count(connection, "SELECT count(*) FROM sealbook_keys.buckets WHERE to_renew"),
        destroyed=_count(connection, "SELECT count(*) FROM sealbook_keys.destroyed"),
        reconciled_to=keystore.reconciled_to(connection),
    )


def _count(connection: Connection, query: LiteralString) -> int:
    ((count,),) = connection.execute(query).fetchall()
    return int(count)
