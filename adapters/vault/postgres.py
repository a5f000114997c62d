"""The vault in the ledger's own database. It shows no value: not in a repr, a log or an error."""

from collections.abc import Callable
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import KeyClass, Keys
from sealbook.adapters.vault.fields import check_own, erased
from sealbook.adapters.vault.sealing import Place, seal, unseal
from sealbook.application.vault import DataClass


class PostgresVault:
    """The vault over a connection of the application's role. `randomness` returns that many random bytes."""

    def __init__(self, connection: Connection, *, keys: Keys, randomness: Callable[[int], bytes]) -> None:
        self._connection = connection
        self._keys = keys
        self._randomness = randomness

    def put(self, value: bytes, *, subject: UUID, field: str, owner: UUID, data_class: DataClass) -> None:
        check_own(field)
        place = Place(owner, subject, field, KeyClass(data_class))
        key = self._keys.subject_keys([owner], place.key_class, create=True).get(owner)
        if key is None:
            raise erased()
        sealed = seal(value, place, key=key, randomness=self._randomness)
        with translated():
            row = self._connection.execute(
                "SELECT sealbook.vault_put(%s::smallint, %s, %s, %s, %s, %s)",
                [BOOK, subject, field, owner, place.key_class.value, sealed],
            ).fetchone()
        if row != (True,):
            raise erased()

    def get(self, *, subject: UUID, field: str) -> bytes | None:
        check_own(field)
        with translated():
            row = self._connection.execute(
                "SELECT owner, key_class, sealed FROM sealbook.vault WHERE book = %s AND subject = %s AND field = %s",
                [BOOK, subject, field],
                binary=True,
            ).fetchone()
        if row is None:
            return None
        owner, key_class, sealed = row
        place = Place(owner, subject, field, KeyClass(key_class))
        key = self._keys.subject_keys([owner], place.key_class).get(owner)
        return None if key is None else unseal(sealed, place, key=key)

    def forget(self, *, subject: UUID, field: str) -> None:
        check_own(field)
        with translated():
            self._connection.execute("SELECT sealbook.vault_forget(%s::smallint, %s, %s)", [BOOK, subject, field])
