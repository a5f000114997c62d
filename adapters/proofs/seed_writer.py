"""Seeds as they are put into the vault: one call of the keystore and one commit for all that come at once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from sealbook.adapters.eventstore.columns import blobs, integers, texts, uuids
from sealbook.adapters.eventstore.prepared import Prepared
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.awaited import awaited_keys
from sealbook.adapters.keys.port import KeyClass, Keys
from sealbook.adapters.proofs.batches import Batches, Connection
from sealbook.adapters.proofs.seeds import SEED_FIELD, HeldSeed, seed_field
from sealbook.adapters.proofs.totp import Seed, decode_seed, encode_seed
from sealbook.adapters.vault.fields import erased
from sealbook.adapters.vault.sealing import Place, seal, unseal
from sealbook.application.ports import LedgerDamaged

# A seed that is there stays: it is perhaps that of another request, which is answered with it.
_PUT = "vault_put_new"
_PUT_TYPES = ("smallint", "uuid[]", "text[]", "uuid[]", "text", "bytea[]")
_FORGET: LiteralString = """
    SELECT sealbook.vault_forget(old.book, old.subject, old.field)
    FROM unnest(%b::uuid[], %b::integer[]) AS kept (subject, generation)
    JOIN sealbook.vault old ON old.book = %b::smallint AND old.subject = kept.subject
    WHERE CASE WHEN old.field ~ '^otp_seed:[0-9]{1,9}$'
        THEN split_part(old.field, ':', 2)::integer < kept.generation END
"""


class _Put(NamedTuple):
    credential: UUID
    owner: UUID
    generation: int
    seed: Seed

    @property
    def place(self) -> Place:
        return Place(self.owner, self.credential, seed_field(self.generation), KeyClass.SECRET)


class _Forget(NamedTuple):
    credential: UUID
    below: int


class SecretWriter:
    """Puts seeds into the vault for one event loop, over a connection of its own; `close` it at the end.

    All its methods raise Unavailable while the database or the keystore does not answer; then they may be called
    again with the same arguments.
    """

    def __init__(self, dsn: str, *, keys: Keys, randomness: Callable[[int], bytes]) -> None:
        self._keys = keys
        self._randomness = randomness
        self._read_keys = awaited_keys(keys)
        self._prepared: Prepared | None = None
        self._batches = Batches[_Put | _Forget, HeldSeed | None](dsn, self._carry_out)

    async def put(self, seed: Seed, *, credential: UUID, owner: UUID, generation: int) -> HeldSeed:
        """Keep a seed for a generation; return the one that is kept, durable.

        That is another seed if one was put for this generation before: by a request that is under way, or by one
        that was cut off before the ledger knew of it. Nobody was shown that one yet. So two who enroll at once
        share a seed, and neither destroys the other's. Raises Refused(customer_state) if the owner was erased.
        """
        kept = await self._batches.ask(_Put(credential, owner, generation, seed))
        assert kept is not None  # noqa: S101 (only what is forgotten is answered with nothing)
        return kept

    async def forget(self, credential: UUID, *, below: int) -> None:
        """Delete a credential's seeds of the generations below one. Where there are none, that is no error."""
        await self._batches.ask(_Forget(credential, below))

    async def close(self) -> None:
        """Answer who waits, and leave."""
        await self._batches.close()
        await self._read_keys.close()

    async def _carry_out(
        self, connection: Connection, asked: Sequence[_Put | _Forget]
    ) -> list[HeldSeed | Exception | None]:
        # The first of those that put the same generation in one batch is the one that is kept.
        puts = {each.place: each for each in reversed(asked) if isinstance(each, _Put)}
        forgotten = [each for each in asked if isinstance(each, _Forget)]
        kept: Mapping[Place, HeldSeed | Exception] = {}
        if puts:
            kept = await self._put(connection, list(puts.values()))
        if forgotten:
            subjects, below = zip(*forgotten, strict=True)
            await connection.execute(_FORGET, [uuids(subjects), integers(below), BOOK], prepare=True)
        return [kept[each.place] if isinstance(each, _Put) else None for each in asked]

    async def _put(self, connection: Connection, puts: Sequence[_Put]) -> Mapping[Place, HeldSeed | Exception]:
        owners = {each.owner for each in puts}
        keys = await self._keys_of(owners)
        living = [each for each in puts if each.owner in keys]
        rows = await self._put_rows(connection, self._sealed(living, keys)) if living else []
        kept: dict[Place, HeldSeed | Exception] = {each.place: erased() for each in puts}
        for put, (owner, sealed, done) in zip(living, rows, strict=True):
            if done:
                kept[put.place] = HeldSeed(put.owner, put.generation, put.seed)
            elif sealed is not None:
                kept[put.place] = _found(put.place, owner, sealed, keys)
        return kept

    def _sealed(self, puts: Sequence[_Put], keys: Mapping[UUID, bytes]) -> list[tuple[Place, bytes]]:
        return [
            (put.place, seal(encode_seed(put.seed), put.place, key=keys[put.owner], randomness=self._randomness))
            for put in puts
        ]

    async def _keys_of(self, owners: AbstractSet[UUID]) -> Mapping[UUID, bytes]:
        """Return the owners' keys, made where there were none; of the erased there are none."""
        found = await self._read_keys.subject_keys(owners, KeyClass.SECRET)
        keyless = owners - found.keys()
        if not keyless:
            return found
        # In a thread: a keystore waits for a disk or a device, and the loop has other callers.
        made = await asyncio.to_thread(self._keys.subject_keys, keyless, KeyClass.SECRET, create=True)
        return {**found, **made}

    async def _put_rows(self, connection: Connection, rows: Sequence[tuple[Place, bytes]]) -> list[tuple[Any, ...]]:
        if self._prepared is None or self._prepared.closed:
            self._prepared = await Prepared.call(connection, _PUT, _PUT_TYPES)
        places, sealed = zip(*rows, strict=True)
        return await self._prepared.values(
            [
                BOOK.to_bytes(2, "big"),
                uuids([place.subject for place in places]),
                texts([place.field for place in places]),
                uuids([place.owner for place in places]),
                KeyClass.SECRET.encode(),
                blobs(sealed),
            ]
        )


def _found(place: Place, owner: UUID, sealed: bytes, keys: Mapping[UUID, bytes]) -> HeldSeed | Exception:
    if owner != place.owner:
        return LedgerDamaged(f"field {place.field} of {place.subject} is in the vault under another owner")
    generation = int(place.field.removeprefix(SEED_FIELD))
    try:
        return HeldSeed(owner, generation, decode_seed(unseal(sealed, place, key=keys[owner])))
    except LedgerDamaged as error:
        return error
