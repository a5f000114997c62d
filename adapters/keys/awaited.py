"""Subjects' keys for an event loop: read over a connection that is awaited, opened, and not kept.

What a use needs of a person whose last use was yesterday is in no memory. A thread that reads it would wait for the
interpreter as long as for the database.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import LiteralString, Protocol, cast
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from sealbook.adapters.eventstore.columns import uuids
from sealbook.adapters.eventstore.postgres import impatient, translated
from sealbook.adapters.eventstore.prepared import Prepared, Row
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import SUBJECT_KEYS, Bucket, SubjectKey, opened
from sealbook.adapters.keys.port import KeyClass, Keys
from sealbook.adapters.keys.recent import RecentKeys
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.wrapping import BUCKETS, opened_subject_key

BUCKET_SECONDS_MAX = 300.0
_SETTINGS: tuple[LiteralString, ...] = (
    "SET ROLE sealbook_keys",
    # A new table has no statistics: a plan made then would read all of it for as long as the connection lasts.
    "SET enable_seqscan = off",
    # One plan for any number of subjects: to plan each time costs more than to read.
    "SET plan_cache_mode = force_generic_plan",
)


_QUERY: LiteralString = SUBJECT_KEYS + "WHERE s.subject = ANY ($1) AND s.key_class = $2"


class AwaitedKeys(Protocol):
    """The keys of subjects, for the tasks of one event loop; `close` it at the end."""

    async def subject_keys(self, subjects: Collection[UUID], key_class: KeyClass) -> Mapping[UUID, bytes]:
        """Return the keys of subjects, as `Keys` does. Raises Unavailable."""
        ...

    async def close(self) -> None: ...


def awaited_keys(keys: Keys) -> AwaitedKeys:
    """Return the reader of a ledger's keys."""
    return AwaitedKeystore(keys.store.dsn, keys.root) if isinstance(keys, Keyring) else KeysInMemory(keys)


class KeysInMemory:
    """Keys that are there without waiting."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def subject_keys(self, subjects: Collection[UUID], key_class: KeyClass) -> Mapping[UUID, bytes]:
        return self._keys.subject_keys(subjects, key_class)

    async def close(self) -> None:
        return


class AwaitedKeystore:
    """Reads a keystore, for one caller at a time. Keys of buckets stay open for minutes, those of subjects never."""

    def __init__(self, dsn: str, root: RootKeys, *, clock: Callable[[], float] = monotonic) -> None:
        self._dsn = dsn
        self._root = root
        self._buckets = RecentKeys[bytes](count_max=2 * BUCKETS, seconds_max=BUCKET_SECONDS_MAX, clock=clock)
        self._prepared: Prepared | None = None

    async def subject_keys(self, subjects: Collection[UUID], key_class: KeyClass) -> Mapping[UUID, bytes]:
        with translated():
            try:
                rows = await self._read(subjects, key_class)
            except psycopg.OperationalError:
                if self._prepared is None or not self._prepared.closed:
                    raise
                rows = await self._read(subjects, key_class)
        keys = await self._bucket_keys({row.bucket for row in rows})
        return {
            row.subject: opened_subject_key(
                row.wrapped, bucket_key=keys[row.bucket], subject=row.subject, key_class=key_class
            )
            for row in rows
        }

    async def close(self) -> None:
        if self._prepared is not None:
            await self._prepared.close()

    async def _read(self, subjects: Collection[UUID], key_class: KeyClass) -> list[SubjectKey]:
        if self._prepared is None or self._prepared.closed:
            self._prepared = await _opened(self._dsn)
        return list(map(_subject_key, await self._prepared.rows([uuids(list(subjects)), key_class.encode()])))

    async def _bucket_keys(self, buckets: Collection[Bucket]) -> Mapping[Bucket, bytes]:
        known = {bucket: self._buckets.get(bucket.wrapped) for bucket in buckets}
        found = {bucket: key for bucket, key in known.items() if key is not None}
        missing = set(buckets) - found.keys()
        if missing:
            # In a thread: the root keys may be in a device.
            opening = await asyncio.to_thread(self._unwrapped, missing)
            for bucket, key in opening.items():
                self._buckets.put(bucket.wrapped, key)
            found |= opening
        return found

    def _unwrapped(self, buckets: Collection[Bucket]) -> dict[Bucket, bytes]:
        return {bucket: self._root.unwrap(bucket.epoch, bucket.wrapped) for bucket in buckets}


def _subject_key(row: Row) -> SubjectKey:
    # No column of the keystore is null.
    subject, wrapped, number, version, epoch, of_bucket = cast("tuple[bytes, ...]", row)
    bucket = Bucket(_number(number), _number(version), _number(epoch), of_bucket)
    return SubjectKey(UUID(bytes=subject), wrapped, bucket)


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


async def _opened(dsn: str) -> Prepared:
    # What is wrong with a keystore is found and told in one place.
    checked = await asyncio.to_thread(opened, dsn)
    checked.close()
    connection = await AsyncConnection.connect(impatient(dsn), autocommit=True)
    try:
        for statement in _SETTINGS:
            await connection.execute(statement)
        return await Prepared.make(connection, "subject_keys", ("uuid[]", "text"), _QUERY)
    except BaseException:
        await connection.close()
        raise
