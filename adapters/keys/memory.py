"""Keys in memory, for tests and benchmarks: what they open dies with the process."""

import secrets
from collections.abc import Collection, Mapping
from itertools import product
from threading import Lock
from uuid import UUID

from sealbook.adapters.keys.port import KEY_BYTES, KeyClass, made_with
from sealbook.adapters.keys.working import WorkingKeys
from sealbook.application.names import Name


class MemoryKeys:
    """The port over given keys. Subject keys are random, and known to this object alone."""

    def __init__(self, working: WorkingKeys) -> None:
        self._working = working
        self._subject_keys: dict[tuple[UUID, KeyClass], bytes] = {}
        self._destroyed: set[UUID] = set()
        self._reconciled_to = 0
        self._lock = Lock()

    def mac(self, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bytes:
        return self._working.mac(book=book, stream=stream, version=version, salt=salt, body=body)

    def mac_fits(self, mac: bytes, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bool:
        return self._working.mac_fits(mac, book=book, stream=stream, version=version, salt=salt, body=body)

    def name_digest(self, name: Name) -> bytes:
        return self._working.name_digest(name)

    def command_digest(self, content: bytes) -> bytes:
        return self._working.command_digest(content)

    def service_key(self, purpose: str) -> bytes:
        return self._working.service_key(purpose)

    def check_value(self, ledger: UUID) -> bytes:
        return self._working.check_value(ledger)

    def subject_keys(
        self, subjects: Collection[UUID], key_class: KeyClass, *, create: bool = False
    ) -> Mapping[UUID, bytes]:
        with self._lock:
            if create:
                for subject, made in product(set(subjects) - self._destroyed, made_with(key_class)):
                    self._subject_keys.setdefault((subject, made), secrets.token_bytes(KEY_BYTES))
            keys = {subject: self._subject_keys.get((subject, key_class)) for subject in subjects}
        return {subject: key for subject, key in keys.items() if key is not None}

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:
        with self._lock:
            gone = set(subjects)
            dead = [each for each in self._subject_keys if each[0] in gone]
            for each in dead:
                del self._subject_keys[each]
            self._destroyed |= gone
            self._reconciled_to = max(self._reconciled_to, position)
            return len(dead)

    def reconciled_to(self) -> int:
        return self._reconciled_to

    def begin_again(self) -> Collection[UUID]:
        self._reconciled_to = 0
        return list(self._destroyed)
