"""Seeds and device keys as they are read from the vault for a use: many lookups a query, and few queries.

What was opened stays in memory for minutes at most, and of so many only: no longer than a keyring keeps the
subject's key that opens it. Neither is in a repr or an error. A seed may be read for that time after it was
replaced or its owner was erased: the ledger knows better, and refuses a use with an old generation, or of a customer
who is gone.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Generic, LiteralString, NamedTuple, TypeVar, cast
from uuid import UUID

from sealbook.adapters.eventstore.columns import uuids
from sealbook.adapters.eventstore.prepared import Prepared, Row
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.awaited import awaited_keys
from sealbook.adapters.keys.port import KeyClass, Keys
from sealbook.adapters.proofs.batches import Batches, Connection
from sealbook.adapters.proofs.device_keys import DeviceKey, public_key_of
from sealbook.adapters.proofs.totp import Seed, decode_seed
from sealbook.adapters.vault.fields import name_field
from sealbook.adapters.vault.sealing import Place, unseal
from sealbook.application.names import NameKind
from sealbook.application.ports import LedgerDamaged

HELD_SECONDS_MAX = 300.0
HELD_MAX = 65_536
SEED_FIELD = "otp_seed:"
_NUMBER = re.compile("[0-9]{1,9}")
_DEVICE_KEY_FIELD = name_field(NameKind.DEVICE_KEY)
_ROWS: LiteralString = """
    SELECT subject, field, owner, key_class, sealed FROM sealbook.vault
    WHERE book = $1 AND subject = ANY ($2) AND (
        starts_with(field, 'otp_seed:') AND key_class = 'secret' OR field = 'name:device_key' AND key_class = 'record'
    )
"""
_BOOK = BOOK.to_bytes(2, "big")
_Of = TypeVar("_Of")


def seed_field(generation: int) -> str:
    """Return the field of a credential's vault that holds the seed of a generation."""
    return f"{SEED_FIELD}{generation}"


class HeldSeed(NamedTuple):
    """A credential's seed, its generation, and the customer whose it is."""

    owner: UUID
    generation: int
    seed: Seed


class HeldKey(NamedTuple):
    """A device's public key, and the customer whose it is."""

    owner: UUID
    key: DeviceKey


class _Wanted(NamedTuple):
    """A field of a subject; None stands for the seed of the highest generation."""

    subject: UUID
    field: str | None


class _Row(NamedTuple):
    place: Place
    sealed: bytes


class _Recent(Generic[_Of]):
    """What was opened last, by subject, each for `HELD_SECONDS_MAX` and `HELD_MAX` of them, also while nobody asks."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[UUID, tuple[float, _Of]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._held)

    def get(self, subject: UUID) -> _Of | None:
        found = self._held.get(subject)
        return found[1] if found is not None and self._clock() < found[0] + HELD_SECONDS_MAX else None

    def put(self, subject: UUID, value: _Of) -> None:
        self._held.pop(subject, None)
        self._held[subject] = (self._clock(), value)
        if len(self._held) > HELD_MAX:
            del self._held[next(iter(self._held))]
        if self._sweeper is None:
            self._sweep()

    def forget(self, subject: UUID) -> None:
        self._held.pop(subject, None)

    def clear(self) -> None:
        self._held.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        # They stand in the order in which they were put: the oldest are first.
        now = self._clock()
        while self._held and next(iter(self._held.values()))[0] + HELD_SECONDS_MAX <= now:
            del self._held[next(iter(self._held))]
        self._sweeper = None
        if self._held:
            oldest = next(iter(self._held.values()))[0]
            self._sweeper = asyncio.get_running_loop().call_later(oldest + HELD_SECONDS_MAX - now, self._sweep)


class SeedReader:
    """Reads seeds and device keys for one event loop, over a connection of its own; `close` it at the end.

    All its methods raise Unavailable while the database or the keystore does not answer.
    """

    def __init__(self, dsn: str, *, keys: Keys, clock: Callable[[], float] = monotonic) -> None:
        self._keys = awaited_keys(keys)
        self._seeds = _Recent[HeldSeed](clock=clock)
        self._device_keys = _Recent[HeldKey](clock=clock)
        self._prepared: Prepared | None = None
        self._batches = Batches[_Wanted, HeldSeed | HeldKey | None](dsn, self._read)

    @property
    def held(self) -> int:
        """How many seeds and keys are in memory."""
        return len(self._seeds) + len(self._device_keys)

    async def of(self, credential: UUID, *, generation: int | None = None) -> HeldSeed | None:
        """Return a credential's seed; None if it has none, or its owner was erased. Raises LedgerDamaged.

        Without a generation that is the highest there was some minutes ago or later, which may be one that is not
        in force any more, or not yet. With one, it is read anew.
        """
        held = self._seeds.get(credential) if generation is None else None
        if held is None:
            field = None if generation is None else seed_field(generation)
            found = await self._batches.ask(_Wanted(credential, field))
            held = found if isinstance(found, HeldSeed) else None
        return held

    async def device_key(self, device: UUID) -> HeldKey | None:
        """Return a device's key; None if it is not known by one, or its owner was erased. Raises LedgerDamaged."""
        held = self._device_keys.get(device)
        if held is None:
            found = await self._batches.ask(_Wanted(device, _DEVICE_KEY_FIELD))
            held = found if isinstance(found, HeldKey) else None
        return held

    async def correct(self, credential: UUID, *, generation: int) -> None:
        """Hold the seed of this generation from now on: it is the one in force, whatever else is in the vault."""
        held = await self.of(credential, generation=generation)
        self._seeds.forget(credential)
        if held is not None:
            self._seeds.put(credential, held)

    def forget(self, subject: UUID) -> None:
        """Read a credential's seed, or a device's key, anew when it is asked for next: what is held is old."""
        self._seeds.forget(subject)
        self._device_keys.forget(subject)

    async def close(self) -> None:
        """Answer who waits, and hold nothing any more."""
        await self._batches.close()
        await self._keys.close()
        self._seeds.clear()
        self._device_keys.clear()

    async def _read(
        self, connection: Connection, asked: Sequence[_Wanted]
    ) -> list[HeldSeed | HeldKey | Exception | None]:
        if self._prepared is None or self._prepared.closed:
            self._prepared = await Prepared.make(connection, "seeds", ("smallint", "uuid[]"), _ROWS)
        subjects = uuids(list({each.subject for each in asked}))
        rows = _by_subject(await self._prepared.rows([_BOOK, subjects]))
        chosen = {each: _chosen(rows.get(each.subject, {}), each.field) for each in asked}
        opening = await self._keys_of({row.place for row in chosen.values() if row is not None})
        answers = {each: _opened(row, opening) for each, row in chosen.items()}
        for wanted, answer in answers.items():
            self._hold(wanted, answer)
        return [answers[each] for each in asked]

    async def _keys_of(self, places: Iterable[Place]) -> Mapping[tuple[UUID, KeyClass], bytes]:
        owners: dict[KeyClass, set[UUID]] = {}
        for place in places:
            owners.setdefault(place.key_class, set()).add(place.owner)
        found = [(key_class, await self._keys.subject_keys(whose, key_class)) for key_class, whose in owners.items()]
        return {(owner, key_class): key for key_class, keys in found for owner, key in keys.items()}

    def _hold(self, wanted: _Wanted, answer: HeldSeed | HeldKey | Exception | None) -> None:
        if isinstance(answer, HeldKey):
            self._device_keys.put(wanted.subject, answer)
        elif isinstance(answer, HeldSeed) and wanted.field is None:
            self._seeds.put(wanted.subject, answer)


def generation_of(field: str) -> int | None:
    """Return the generation of the seed in a field of the vault; None if the field holds none."""
    number = field.removeprefix(SEED_FIELD)
    return int(number) if field.startswith(SEED_FIELD) and _NUMBER.fullmatch(number) else None


def _by_subject(rows: Iterable[Row]) -> dict[UUID, dict[str, _Row]]:
    found: dict[UUID, dict[str, _Row]] = {}
    for columns in rows:
        # No column of the vault is null.
        subject, name, owner, key_class, sealed = cast("tuple[bytes, bytes, bytes, bytes, bytes]", columns)
        key, field = UUID(bytes=subject), name.decode()
        place = Place(UUID(bytes=owner), key, field, KeyClass(key_class.decode()))
        found.setdefault(key, {})[field] = _Row(place, sealed)
    return found


def _chosen(rows: Mapping[str, _Row], field: str | None) -> _Row | None:
    if field is not None:
        return rows.get(field)
    generations = {generation: row for each, row in rows.items() if (generation := generation_of(each)) is not None}
    return generations[max(generations)] if generations else None


def _opened(row: _Row | None, keys: Mapping[tuple[UUID, KeyClass], bytes]) -> HeldSeed | HeldKey | Exception | None:
    key = None if row is None else keys.get((row.place.owner, row.place.key_class))
    if row is None or key is None:
        return None
    try:
        value = unseal(row.sealed, row.place, key=key)
        generation = generation_of(row.place.field)
        if generation is not None:
            return HeldSeed(row.place.owner, generation, decode_seed(value))
    except LedgerDamaged as error:
        # One that is damaged must not fail those that were read with it.
        return error
    public_key = public_key_of(value.decode("utf-8", "replace"))
    return None if public_key is None else HeldKey(row.place.owner, public_key)
