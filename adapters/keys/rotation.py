"""Rotation: other keys come into force, and with the old ones every older backup of the keystore dies.

Each step is a transaction, or may be done twice: a rotation that was cut short is completed by running it again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.keystore import Keystore, ServiceKey, epoch_in_force, hold_alone
from sealbook.adapters.keys.port import KEY_BYTES
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.wrapping import NONCE_BYTES, opened_subject_key, wrapped_subject_key
from sealbook.application.ports import Unavailable

KEY_ID_MAX = 255
WRAPPED_A_TRANSACTION = 256
"""So many buckets are wrapped anew while nobody can make keys: with an HSM, a fraction of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRotated:
    """What a rotation did: the epoch in force, those that it destroyed, and how many keys it renewed and rewrapped."""

    epoch: int
    destroyed: tuple[int, ...]
    buckets_renewed: int
    keys_rewrapped: int


def rotate_epoch(store: Keystore, root: RootKeys) -> EpochRotated:
    """Put a new epoch in force and destroy the others of this keystore; go on with a rotation that was cut short.

    The buckets of which a key was destroyed get a new key; everything is wrapped anew. Raises Unavailable.
    """
    epoch = store.run(lambda connection: _begun(connection, root))
    renewed = 0
    while store.run(lambda connection: _renewed_bucket(connection, root, epoch)):
        renewed += 1
    rewrapped = 0
    while some := store.run(lambda connection: _rewrapped_buckets(connection, root, epoch)):
        rewrapped += some
    rewrapped += store.run(lambda connection: _retired(connection, root, epoch))
    destroyed = store.run(_retired_epochs)
    for each in destroyed:
        root.destroy_epoch(each)
    store.run(lambda connection: _forgotten(connection, destroyed))
    return EpochRotated(epoch=epoch, destroyed=destroyed, buckets_renewed=renewed, keys_rewrapped=rewrapped)


def rotate_mac(store: Keystore, root: RootKeys) -> int:
    """Put a new MAC key in force; return its id. The old ones verify on; a writer that is open writes on with its own.

    Raises Unavailable.
    """
    return store.run(lambda connection: _new_mac_key(connection, root))


def _begun(connection: Connection, root: RootKeys) -> int:
    """Return the epoch to rotate to: that of a rotation which was cut short, or a new one."""
    hold_alone(connection)
    rows = connection.execute("SELECT epoch FROM sealbook_keys.epochs").fetchall()
    if len(rows) > 1:
        return epoch_in_force(connection)
    # If we are cut short here, a root key is left over that wraps nothing.
    epoch = root.create_epoch()
    connection.execute("INSERT INTO sealbook_keys.epochs (epoch) VALUES (%s)", [epoch])
    return epoch


def _renewed_bucket(connection: Connection, root: RootKeys, epoch: int) -> bool:
    """Give one bucket of which a key was destroyed another key; tell whether there was one."""
    hold_alone(connection)
    query = "SELECT bucket, version, epoch, wrapped FROM sealbook_keys.buckets WHERE to_renew ORDER BY bucket LIMIT 1"
    row = connection.execute(query, binary=True).fetchone()
    if row is None:
        return False
    bucket, version, old_epoch, wrapped = row
    old, new = root.unwrap(old_epoch, wrapped), secrets.token_bytes(KEY_BYTES)
    _rewrap_subjects(connection, bucket, version=version + 1, old=old, new=new)
    connection.execute(
        "UPDATE sealbook_keys.buckets SET version = %s, epoch = %s, wrapped = %s, to_renew = false WHERE bucket = %s",
        [version + 1, epoch, root.wrap(epoch, new), bucket],
    )
    return True


def _rewrap_subjects(connection: Connection, bucket: int, *, version: int, old: bytes, new: bytes) -> None:
    query = "SELECT subject, key_class, wrapped FROM sealbook_keys.subject_keys WHERE bucket = %s"
    rows = connection.execute(query, [bucket], binary=True).fetchall()
    subjects = [subject for subject, _, _ in rows]
    wrapped = [_rewrapped(subject, of, each, old=old, new=new) for subject, of, each in rows]
    connection.execute(
        "UPDATE sealbook_keys.subject_keys s SET wrapped = n.wrapped, bucket_version = %s"
        " FROM unnest(%s::uuid[], %s::text[], %s::bytea[]) AS n (subject, key_class, wrapped)"
        " WHERE s.subject = n.subject AND s.key_class = n.key_class",
        [version, subjects, [of for _, of, _ in rows], wrapped],
    )


def _rewrapped(subject: UUID, key_class: str, wrapped: bytes, *, old: bytes, new: bytes) -> bytes:
    key = opened_subject_key(wrapped, bucket_key=old, subject=subject, key_class=key_class)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return wrapped_subject_key(key, bucket_key=new, subject=subject, key_class=key_class, nonce=nonce)


def _rewrapped_buckets(connection: Connection, root: RootKeys, epoch: int) -> int:
    """Wrap the keys of some buckets under another epoch; return how many."""
    hold_alone(connection)
    query = "SELECT bucket, epoch, wrapped FROM sealbook_keys.buckets WHERE epoch <> %s ORDER BY bucket LIMIT %s"
    rows = connection.execute(query, [epoch, WRAPPED_A_TRANSACTION], binary=True).fetchall()
    wrapped = [root.wrap(epoch, root.unwrap(old_epoch, each)) for _, old_epoch, each in rows]
    connection.execute(
        "UPDATE sealbook_keys.buckets b SET epoch = %s, wrapped = n.wrapped"
        " FROM unnest(%s::smallint[], %s::bytea[]) AS n (bucket, wrapped) WHERE b.bucket = n.bucket",
        [epoch, [bucket for bucket, _, _ in rows], wrapped],
    )
    return len(rows)


def _retired(connection: Connection, root: RootKeys, epoch: int) -> int:
    """Wrap what is left under an epoch and retire all others; return how many keys were left."""
    hold_alone(connection)
    left = 0
    # Who came between the transactions had read which epoch is in force: there are some at most.
    while some := _rewrapped_buckets(connection, root, epoch):
        left += some
    for key in keystore.service_keys(connection):
        if key.epoch != epoch:
            wrapped = root.wrap(epoch, root.unwrap(key.epoch, key.wrapped))
            connection.execute(
                "UPDATE sealbook_keys.service_keys SET epoch = %s, wrapped = %s WHERE purpose = %s AND key_id = %s",
                [epoch, wrapped, key.purpose, key.key_id],
            )
            left += 1
    connection.execute("UPDATE sealbook_keys.epochs SET retired = true WHERE epoch <> %s", [epoch])
    return left


def _retired_epochs(connection: Connection) -> tuple[int, ...]:
    rows = connection.execute("SELECT epoch FROM sealbook_keys.epochs WHERE retired ORDER BY epoch").fetchall()
    return tuple(epoch for (epoch,) in rows)


def _forgotten(connection: Connection, epochs: Sequence[int]) -> None:
    connection.execute("DELETE FROM sealbook_keys.epochs WHERE epoch = ANY (%s)", [list(epochs)])


def _new_mac_key(connection: Connection, root: RootKeys) -> int:
    hold_alone(connection)
    key_id = 1 + max(key.key_id for key in keystore.service_keys(connection) if key.purpose == "mac")
    if key_id > KEY_ID_MAX:
        raise Unavailable(f"the ledger has had all {KEY_ID_MAX} MAC keys that there are room for")
    epoch = epoch_in_force(connection)
    connection.execute("UPDATE sealbook_keys.service_keys SET in_force = false WHERE purpose = 'mac'")
    wrapped = root.wrap(epoch, secrets.token_bytes(KEY_BYTES))
    keystore.add_service_key(connection, ServiceKey("mac", key_id, epoch, wrapped, in_force=True))
    return key_id
