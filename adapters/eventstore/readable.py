"""Readable names, as the vault has them, and whether the keys are as far as the ledger's erasures."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.vault.fields import kind_of
from sealbook.adapters.vault.sealing import NAMES_CLASS, Place, unseal
from sealbook.application.erasure import ahead
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import Unavailable

NAMES_OF = """
    SELECT owner, subject, field, sealed FROM sealbook.vault
    WHERE book = %s AND subject = ANY (%s) AND field = ANY (%s)
"""
NAMES_OF_KIND = """
    SELECT v.owner, v.subject, v.field, v.sealed FROM sealbook.names n
    JOIN sealbook.vault v ON v.book = n.book AND v.subject = n.stream
    WHERE n.book = %s AND n.kind = %s AND v.field = %s
"""
_ERASED_TO = """
    SELECT b.position, (SELECT max(e.position) FROM sealbook.erasures e WHERE e.book = b.book)
    FROM sealbook.books b WHERE b.book = %s
"""


def readable(rows: Sequence[tuple[Any, ...]], *, keys: Keys) -> Iterator[tuple[Name, UUID]]:
    """Yield names with their streams. One whose owner's key is gone was erased, and is passed over.

    Raises LedgerDamaged for one that its owner's key does not open, and Unavailable for a policy's that no key opens:
    a policy is nobody to erase, and answers without it would be wrong.
    """
    owners: set[UUID] = {row[0] for row in rows}
    owned = keys.subject_keys(owners, NAMES_CLASS)
    for owner, stream, field, sealed in rows:
        key, kind = owned.get(owner), kind_of(field)
        if key is not None:
            value = unseal(sealed, Place(owner, stream, field, NAMES_CLASS), key=key)
            yield Name(kind, value.decode()), stream
        elif kind is NameKind.POLICY:
            raise Unavailable("the keystore lacks the key of a policy: bring back the latest one")


def check_erased(connection: Connection, keys: Keys) -> None:
    """Raise Unavailable unless what the ledger erased is erased from the keys as well, and nothing else is."""
    # The keys first: an erasure that comes in between is behind them, not ahead.
    carried_out = keys.reconciled_to()
    position, erased_to = connection.execute(_ERASED_TO, [BOOK]).fetchone() or (0, None)
    if carried_out > position:
        raise Unavailable(ahead(carried_out, position))
    # Once more: another process may be between an erasure and its keys.
    if erased_to is not None and erased_to > max(carried_out, keys.reconciled_to()):
        raise Unavailable("the keystore is older than the ledger's erasures: run sealbook keys reconcile")
