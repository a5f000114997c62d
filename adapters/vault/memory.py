"""The vault in memory, beside an event store in memory: what is erased there is erased here."""

from uuid import UUID

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.vault.fields import check_own, erased
from sealbook.application.vault import DataClass


class MemoryVault:
    """Values as they are: they live no longer than the process, and no key opens them."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store

    def put(self, value: bytes, *, subject: UUID, field: str, owner: UUID, data_class: DataClass) -> None:  # noqa: ARG002 (no key, no class)
        check_own(field)
        if not self._store.keep(value, subject=subject, field=field, owner=owner):
            raise erased()

    def get(self, *, subject: UUID, field: str) -> bytes | None:
        check_own(field)
        return self._store.kept(subject=subject, field=field)

    def forget(self, *, subject: UUID, field: str) -> None:
        check_own(field)
        self._store.forget(subject=subject, field=field)
