"""The keyring: the port over a keystore and the root keys that open it."""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import RLock
from time import monotonic
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.keystore import Bucket, Keystore, ServiceKey, SubjectKey
from sealbook.adapters.keys.port import KEY_BYTES, KeyClass, made_with
from sealbook.adapters.keys.recent import RecentKeys
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.working import WorkingKeys
from sealbook.adapters.keys.wrapping import NONCE_BYTES, bucket_of, opened_subject_key, wrapped_subject_key
from sealbook.application.names import Name
from sealbook.application.ports import LedgerDamaged, Unavailable

RECENT_MAX = 65_536
RECENT_SECONDS_MAX = 300.0
"""How long a process goes on with a key that another one has destroyed."""


class Keyring:
    """The keys of a ledger, for one process and all its threads; `close` it at the end.

    A subject's key that was opened stays open for minutes, so that the HSM and the keystore are asked seldom.
    """

    def __init__(self, store: Keystore, root: RootKeys, *, clock: Callable[[], float] = monotonic) -> None:
        """Open a keystore, and close it with the ring.

        Raises Unavailable where it is missing, or the root keys do not open it.
        """
        self._store = store
        self._root = root
        self._lock = RLock()
        self._subject_keys = RecentKeys[tuple[UUID, KeyClass]](
            count_max=RECENT_MAX, seconds_max=RECENT_SECONDS_MAX, clock=clock
        )
        # By what they are wrapped as: a bucket that was not committed may come back with another key.
        self._bucket_keys = RecentKeys[bytes](count_max=RECENT_MAX, seconds_max=RECENT_SECONDS_MAX, clock=clock)
        self._known: frozenset[tuple[str, int, bool]] | None = None
        try:
            self._working = self._learned()
        except BaseException:
            store.close()
            raise

    @property
    def store(self) -> Keystore:
        return self._store

    @property
    def root(self) -> RootKeys:
        return self._root

    def close(self) -> None:
        self._store.close()

    def __repr__(self) -> str:
        return f"Keyring({self._root!r})"

    def mac(self, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bytes:
        return self._working.mac(book=book, stream=stream, version=version, salt=salt, body=body)

    def mac_fits(self, mac: bytes, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bool:
        if mac and mac[0] not in self._working.mac_keys:
            # Another process may have put a key in force since.
            self.reload()
        return self._working.mac_fits(mac, book=book, stream=stream, version=version, salt=salt, body=body)

    def name_digest(self, name: Name) -> bytes:
        return self._working.name_digest(name)

    def command_digest(self, content: bytes) -> bytes:
        return self._working.command_digest(content)

    def service_key(self, purpose: str) -> bytes:
        return self._working.service_key(purpose)

    def check_value(self, ledger: UUID) -> bytes:
        # Whoever connects to the ledger asks for this: that is when a writer goes over to the keys in force.
        self.reload()
        return self._working.check_value(ledger)

    def subject_keys(
        self, subjects: Collection[UUID], key_class: KeyClass, *, create: bool = False
    ) -> Mapping[UUID, bytes]:
        # One at a time: what one thread read must not be kept as recent after another destroyed it.
        with self._lock:
            recent = {subject: self._subject_keys.get((subject, key_class)) for subject in subjects}
            found = {subject: key for subject, key in recent.items() if key is not None}
            wanted = recent.keys() - found.keys()
            if wanted:
                rows = self._store.run(lambda connection: self._rows(connection, wanted, key_class, create=create))
                found |= self._kept(rows, key_class)
            return found

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:
        with self._lock:
            for subject in subjects:
                for key_class in KeyClass:
                    self._subject_keys.forget((subject, key_class))
            return self._store.run(lambda connection: keystore.destroy(connection, subjects, position))

    def reconciled_to(self) -> int:
        return self._store.run(keystore.reconciled_to)

    def begin_again(self) -> Collection[UUID]:
        return self._store.run(keystore.begin_again)

    def reload(self) -> None:
        """Go over to the keys in force now. Raises Unavailable."""
        self._working = self._learned()

    def _learned(self) -> WorkingKeys:
        """Return the keys that are in the keystore now. Where no key came or went, the HSM is not asked."""
        with self._lock:
            rows = self._store.run(keystore.service_keys)
            found = frozenset((row.purpose, row.key_id, row.in_force) for row in rows)
            if found == self._known:
                return self._working
            working = self._opened_or_read_again(rows)
            self._known = found
            return working

    def _opened_or_read_again(self, rows: Sequence[ServiceKey]) -> WorkingKeys:
        try:
            return self._opened(rows)
        except Unavailable:
            # A rotation may have put all under another epoch, and destroyed this one, since they were read.
            again = self._store.run(keystore.service_keys)
            if {row.epoch for row in again} == {row.epoch for row in rows}:
                raise
            return self._opened(again)

    def _opened(self, rows: Iterable[ServiceKey]) -> WorkingKeys:
        keys: dict[str, dict[int, bytes]] = {purpose: {} for purpose in keystore.PURPOSES}
        in_force = dict[str, int]()
        for row in rows:
            keys[row.purpose][row.key_id] = self._root.unwrap(row.epoch, row.wrapped)
            if row.in_force:
                in_force[row.purpose] = row.key_id
        if in_force.keys() != keys.keys():
            raise LedgerDamaged("the keystore has lost the keys in force: restore it from a backup")
        return WorkingKeys(
            mac_keys=keys["mac"],
            mac_key_id=in_force["mac"],
            name_keys=keys["name"],
            name_key_id=in_force["name"],
            command_key=keys["command"][in_force["command"]],
        )

    def _rows(
        self, connection: Connection, subjects: Collection[UUID], key_class: KeyClass, *, create: bool
    ) -> list[SubjectKey]:
        rows = keystore.subject_keys(connection, subjects, key_class)
        keyless = set(subjects) - {row.subject for row in rows} if create else set[UUID]()
        if keyless:
            self._make(connection, keyless, key_class)
            # Read again: another writer may have made some first, and the destroyed got none.
            rows += keystore.subject_keys(connection, keyless, key_class)
        return rows

    def _kept(self, rows: Iterable[SubjectKey], key_class: KeyClass) -> dict[UUID, bytes]:
        """Open keys that are durable, and keep them for a while."""
        found = dict[UUID, bytes]()
        for row in rows:
            bucket_key = self._bucket_key(row.bucket)
            key = opened_subject_key(row.wrapped, bucket_key=bucket_key, subject=row.subject, key_class=key_class)
            self._subject_keys.put((row.subject, key_class), key)
            found[row.subject] = key
        return found

    def _make(self, connection: Connection, subjects: Collection[UUID], key_class: KeyClass) -> None:
        keystore.hold_together(connection)
        of = {subject: bucket_of(subject) for subject in subjects}
        buckets = self._buckets(connection, set(of.values()))
        for made in made_with(key_class):
            keystore.add_subject_keys(connection, self._new(of, buckets, made), made)

    def _new(self, of: Mapping[UUID, int], buckets: Mapping[int, Bucket], key_class: KeyClass) -> list[SubjectKey]:
        return [
            SubjectKey(
                subject,
                wrapped_subject_key(
                    secrets.token_bytes(KEY_BYTES),
                    bucket_key=self._bucket_key(buckets[number]),
                    subject=subject,
                    key_class=key_class,
                    nonce=secrets.token_bytes(NONCE_BYTES),
                ),
                buckets[number],
            )
            for subject, number in of.items()
        ]

    def _buckets(self, connection: Connection, numbers: Collection[int]) -> dict[int, Bucket]:
        found = {bucket.bucket: bucket for bucket in keystore.buckets(connection, numbers)}
        missing = set(numbers) - found.keys()
        if missing:
            epoch = keystore.epoch_in_force(connection)
            new = (self._root.wrap(epoch, secrets.token_bytes(KEY_BYTES)) for _ in missing)
            keystore.add_buckets(connection, map(Bucket, missing, (1 for _ in missing), (epoch for _ in missing), new))
            # Read again: another writer may have made the same bucket first, with another key.
            found |= {bucket.bucket: bucket for bucket in keystore.buckets(connection, missing)}
        return found

    def _bucket_key(self, bucket: Bucket) -> bytes:
        key = self._bucket_keys.get(bucket.wrapped)
        if key is None:
            key = self._root.unwrap(bucket.epoch, bucket.wrapped)
            self._bucket_keys.put(bucket.wrapped, key)
        return key
