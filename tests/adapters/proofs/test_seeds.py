"""Seeds in the vault: read and written by many at once, of the right generation, and shown nowhere."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.proofs import batches, seed_writer, seeds
from sealbook.adapters.proofs.device_keys import device_key_name
from sealbook.adapters.proofs.seed_writer import SecretWriter
from sealbook.adapters.proofs.seeds import HeldSeed, SeedReader, seed_field
from sealbook.adapters.proofs.totp import Seed
from sealbook.adapters.vault.postgres import PostgresVault
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.application.requests import RegisterDevice
from sealbook.domain.errors import Refusal, Refused
from tests.commands import APP, JANUARY
from tests.conftest import WORKING_KEYS

T = TypeVar("T")
A = TypeVar("A")
G = TypeVar("G")
OWNER, CREDENTIAL, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
SECRET = b"a secret that is not to be shown"


def seed(number: int = 0) -> Seed:
    return Seed(SECRET + bytes([number]), digits=8, step_seconds=60, algorithm="SHA256")


class AskedKeys(MemoryKeys):
    """Keys that note how they were asked, may be destroyed, and may be out of reach."""

    def __init__(self) -> None:
        super().__init__(WORKING_KEYS)
        self.asked: list[tuple[set[UUID], KeyClass]] = []
        self.out_of_reach = False

    def subject_keys(
        self, subjects: Collection[UUID], key_class: KeyClass, *, create: bool = False
    ) -> Mapping[UUID, bytes]:
        if self.out_of_reach:
            raise Unavailable("the keystore does not answer")
        self.asked.append((set(subjects), key_class))
        return super().subject_keys(subjects, key_class, create=create)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Vault(NamedTuple):
    """A reader and a writer of one vault, the keys that open it and the reader's clock."""

    reader: SeedReader
    writer: SecretWriter
    keys: AskedKeys
    clock: Clock
    dsn: str

    async def put(self, number: int = 0, *, credential: UUID = CREDENTIAL, generation: int = 1) -> HeldSeed:
        return await self.writer.put(seed(number), credential=credential, owner=OWNER, generation=generation)

    def rows(self) -> dict[tuple[UUID, str], bytes]:
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute("SELECT subject, field, sealed FROM sealbook.vault ORDER BY subject, field")
            return {(subject, field): sealed for subject, field, sealed in found}

    def execute(self, statement: Any, *arguments: object) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statement, arguments)


@pytest.fixture
def own_keys() -> AskedKeys:
    """The test's own: some are destroyed."""
    return AskedKeys()


@pytest.fixture
def store(ledger_dsn: str, own_keys: AskedKeys) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom)
    yield store
    store.close()


@asynccontextmanager
async def opened(dsn: str, keys: AskedKeys) -> AsyncGenerator[Vault]:
    clock = Clock()
    reader = SeedReader(dsn, keys=keys, clock=clock)
    writer = SecretWriter(dsn, keys=keys, randomness=os.urandom)
    try:
        yield Vault(reader, writer, keys, clock, dsn)
    finally:
        await reader.close()
        await writer.close()


@pytest.fixture
def within(ledger_dsn: str, own_keys: AskedKeys) -> Callable[[Callable[[Vault], Awaitable[T]]], T]:
    """Run a test's work on a vault in an event loop."""

    def run(work: Callable[[Vault], Awaitable[T]]) -> T:
        async def worked() -> T:
            async with opened(ledger_dsn, own_keys) as vault:
                return await work(vault)

        return asyncio.run(worked())

    return run


Within = Callable[[Callable[[Vault], Awaitable[Any]]], Any]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were asked of the database."""
    sizes = list[int]()

    class Counted(batches.Batches[A, G]):
        def __init__(
            self,
            dsn: str,
            answer: Callable[[Any, Sequence[A]], Awaitable[Sequence[G | Exception]]],
        ) -> None:
            async def counted(connection: object, asked: Sequence[A]) -> Sequence[G | Exception]:
                sizes.append(len(asked))
                return await answer(connection, asked)

            super().__init__(dsn, counted)

    monkeypatch.setattr(seeds, "Batches", Counted)
    monkeypatch.setattr(seed_writer, "Batches", Counted)
    return sizes


# --- Reading


def test_a_seed_is_read_as_it_was_put(within: Within) -> None:
    async def work(vault: Vault) -> None:
        assert await vault.reader.of(CREDENTIAL) is None
        assert await vault.put() == HeldSeed(OWNER, 1, seed())
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 1, seed())
        assert await vault.reader.of(OTHER) is None

    within(work)


def test_the_vault_reads_what_was_put_and_the_other_way_round(within: Within, store: PostgresEventStore) -> None:
    async def work(vault: Vault) -> None:
        of_ledger = PostgresVault(store.connection, keys=vault.keys, randomness=os.urandom)
        await vault.put()
        value = of_ledger.get(subject=CREDENTIAL, field=seed_field(1))
        assert value is not None
        assert SECRET in value
        of_ledger.put(value, subject=OTHER, field=seed_field(4), owner=OWNER, data_class="secret")
        assert await vault.reader.of(OTHER) == HeldSeed(OWNER, 4, seed())

    within(work)


def test_what_is_stored_shows_nothing(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        ((place, sealed),) = vault.rows().items()
        assert place == (CREDENTIAL, "otp_seed:1")
        assert SECRET not in sealed

    within(work)


def test_the_highest_generation_is_read_unless_another_is_asked_for(within: Within) -> None:
    async def work(vault: Vault) -> None:
        for generation in (2, 10, 9):
            await vault.put(generation, generation=generation)
        found = await vault.reader.of(CREDENTIAL)
        assert found == HeldSeed(OWNER, 10, seed(10))
        assert await vault.reader.of(CREDENTIAL, generation=9) == HeldSeed(OWNER, 9, seed(9))
        assert await vault.reader.of(CREDENTIAL, generation=3) is None
        assert await vault.reader.of(CREDENTIAL) == found

    within(work)


def test_those_who_ask_at_once_share_a_query_and_a_call_of_the_keystore(within: Within, statements: list[int]) -> None:
    async def work(vault: Vault) -> None:
        credentials = [UUID(int=number) for number in range(100, 150)]
        for credential in credentials:
            await vault.put(credential=credential)
        statements.clear()
        vault.keys.asked.clear()
        found = await asyncio.gather(*(vault.reader.of(credential) for credential in [*credentials, *credentials]))
        assert found == [HeldSeed(OWNER, 1, seed())] * 100
        assert statements == [100]
        assert vault.keys.asked == [({OWNER}, KeyClass.SECRET)]

    within(work)


def test_a_large_crowd_is_answered_in_parts(within: Within, statements: list[int]) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        statements.clear()
        asked = [*(uuid4() for _ in range(batches.BATCH_MAX)), CREDENTIAL]
        found = await asyncio.gather(*(vault.reader.of(credential) for credential in asked))
        assert found == [None] * batches.BATCH_MAX + [HeldSeed(OWNER, 1, seed())]
        assert statements == [batches.BATCH_MAX, 1]

    within(work)


# --- What stays in memory


def test_a_seed_is_held_for_a_minute(within: Within, statements: list[int]) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        await vault.reader.of(CREDENTIAL)
        statements.clear()
        vault.clock.seconds += seeds.HELD_SECONDS_MAX - 1
        assert await vault.reader.of(CREDENTIAL) is not None
        assert statements == []
        vault.clock.seconds += 1
        assert await vault.reader.of(CREDENTIAL) is not None
        assert statements == [1]

    within(work)


def test_a_seed_that_turned_out_old_is_read_anew(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put(1)
        await vault.reader.of(CREDENTIAL)
        await vault.put(2, generation=2)
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 1, seed(1))
        vault.reader.forget(CREDENTIAL)
        vault.reader.forget(OTHER)
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 2, seed(2))

    within(work)


def test_what_is_not_there_is_looked_for_again(within: Within) -> None:
    async def work(vault: Vault) -> None:
        assert await vault.reader.of(CREDENTIAL) is None
        await vault.put()
        assert await vault.reader.of(CREDENTIAL) is not None

    within(work)


def test_only_so_many_are_held(within: Within, monkeypatch: pytest.MonkeyPatch, statements: list[int]) -> None:
    monkeypatch.setattr(seeds, "HELD_MAX", 2)

    async def work(vault: Vault) -> None:
        three = [UUID(int=number) for number in (10, 11, 12)]
        for each in three:
            await vault.put(credential=each)
            await vault.reader.of(each)
        statements.clear()
        for each in three[1:]:
            assert await vault.reader.of(each) is not None
        assert statements == []
        assert await vault.reader.of(three[0]) is not None
        assert statements == [1]

    within(work)


def test_what_is_too_old_leaves_the_memory_while_nobody_asks(within: Within, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "HELD_SECONDS_MAX", 0.02)

    async def work(vault: Vault) -> None:
        await vault.put()
        await vault.put(credential=OTHER)
        await vault.reader.of(CREDENTIAL)
        vault.clock.seconds += 0.01
        await vault.reader.of(OTHER)
        assert vault.reader.held == 2
        vault.clock.seconds += 0.01
        while vault.reader.held > 1:
            await asyncio.sleep(0.005)
        vault.clock.seconds += 0.01
        while vault.reader.held:
            await asyncio.sleep(0.005)

    within(work)


def test_a_closed_reader_holds_nothing_and_takes_nothing(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        await vault.reader.of(CREDENTIAL)
        await vault.reader.close()
        assert vault.reader.held == 0
        with pytest.raises(Unavailable, match="being closed"):
            await vault.reader.of(CREDENTIAL)

    within(work)


def test_nothing_shows_a_seed(within: Within) -> None:
    async def work(vault: Vault) -> None:
        put = await vault.put()
        found = await vault.reader.of(CREDENTIAL)
        shown = f"{put!r} {found!r} {vault.reader!r} {vault.writer!r}"
        assert "not to be shown" not in shown
        assert SECRET.hex() not in shown

    within(work)


# --- Damage, erasure and outages


def test_a_damaged_row_is_told_to_its_own_caller_alone(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        await vault.put(credential=OTHER)
        vault.execute("UPDATE sealbook.vault SET sealed = sealed || 'x'::bytea WHERE subject = %s", OTHER)
        found = await asyncio.gather(*map(vault.reader.of, (CREDENTIAL, OTHER)), return_exceptions=True)
        assert found[0] == HeldSeed(OWNER, 1, seed())
        assert isinstance(found[1], LedgerDamaged)
        assert SECRET.decode() not in f"{found[1]!r} {found[1]}"

    within(work)


@pytest.mark.parametrize("moved", ["subject", "field"])
def test_a_row_that_was_moved_does_not_open(within: Within, moved: str) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        value = OTHER if moved == "subject" else "otp_seed:2"
        vault.execute(sql.SQL("UPDATE sealbook.vault SET {} = %s").format(sql.Identifier(moved)), value)
        with pytest.raises(LedgerDamaged):
            await vault.reader.of(OTHER if moved == "subject" else CREDENTIAL)

    within(work)


@pytest.mark.parametrize("field", ["otp_seed:", "otp_seed:x", "otp_seed:1234567890", "otp_seed:-1", "otp_seed:①"])
def test_a_field_without_a_generation_is_no_seed(within: Within, field: str, store: PostgresEventStore) -> None:
    async def work(vault: Vault) -> None:
        of_ledger = PostgresVault(store.connection, keys=vault.keys, randomness=os.urandom)
        of_ledger.put(b"other", subject=CREDENTIAL, field=field, owner=OWNER, data_class="secret")
        assert await vault.reader.of(CREDENTIAL) is None
        await vault.writer.forget(CREDENTIAL, below=9)
        assert vault.rows().keys() == {(CREDENTIAL, field)}

    within(work)


def test_who_was_erased_has_no_seed_and_gets_none(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        vault.keys.destroy([OWNER], position=1)
        assert await vault.reader.of(CREDENTIAL) is None
        with pytest.raises(Refused) as told:
            await vault.put(generation=2)
        assert told.value.code is Refusal.CUSTOMER_STATE
        assert vault.rows().keys() == {(CREDENTIAL, seed_field(1))}

    within(work)


def test_an_erasure_on_its_way_is_seen_by_those_who_put(within: Within) -> None:
    async def work(vault: Vault) -> None:
        vault.execute("INSERT INTO sealbook.erasures (book, position, subject) VALUES (%s, 1, %s)", BOOK, OWNER)
        alive = vault.writer.put(seed(), credential=OTHER, owner=OTHER, generation=1)
        gone, kept = await asyncio.gather(vault.put(), alive, return_exceptions=True)
        assert isinstance(gone, Refused)
        assert kept == HeldSeed(OTHER, 1, seed())
        assert vault.rows().keys() == {(OTHER, seed_field(1))}

    within(work)


def disconnected(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_broken_connection_is_made_anew_unseen(within: Within) -> None:
    async def work(vault: Vault) -> None:
        for generation in (1, 2, 3):
            await vault.put(generation, generation=generation)
            assert await vault.reader.of(CREDENTIAL, generation=generation) == HeldSeed(
                OWNER, generation, seed(generation)
            )
            disconnected(vault.dsn)

    within(work)


def test_an_outage_is_told_and_ends(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        await vault.reader.of(CREDENTIAL)
        vault.reader.forget(CREDENTIAL)
        _let_in(vault.dsn, allowed=False)
        for attempt in (vault.reader.of(CREDENTIAL), vault.put(2, generation=2)):
            with pytest.raises(Unavailable):
                await attempt
        _let_in(vault.dsn, allowed=True)
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 1, seed())
        assert await vault.put(2, generation=2) == HeldSeed(OWNER, 2, seed(2))

    within(work)


def _let_in(dsn: str, *, allowed: bool) -> None:
    """Let nobody connect to a ledger's database any more, or let them again."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_a_keystore_out_of_reach_is_told_and_nothing_is_put(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        vault.keys.out_of_reach = True
        for attempt in (vault.reader.of(CREDENTIAL), vault.put(2, generation=2)):
            with pytest.raises(Unavailable, match="keystore"):
                await attempt
        vault.keys.out_of_reach = False
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 1, seed())

    within(work)


def test_who_holds_the_book_too_long_makes_a_put_unavailable(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        with psycopg.connect(vault.dsn) as connection:
            connection.execute("SELECT FROM sealbook.books FOR UPDATE")
            with pytest.raises(Unavailable, match="busy"):
                await vault.put(2, generation=2)
        assert await vault.put(3, generation=2) == HeldSeed(OWNER, 2, seed(3))

    within(work)


def test_a_dsn_that_cannot_be_read_is_not_shown(own_keys: AskedKeys) -> None:
    async def work() -> None:
        reader = SeedReader("host=db password='half a passw", keys=own_keys)
        with pytest.raises(Unavailable, match="DSN") as told:
            await reader.of(CREDENTIAL)
        assert "half" not in f"{told.value!r} {told.value}"
        assert told.value.__suppress_context__
        await reader.close()

    asyncio.run(work())


def test_a_role_that_may_not_read_is_told(within: Within) -> None:
    async def work(vault: Vault) -> None:
        vault.execute("REVOKE USAGE ON SCHEMA sealbook FROM sealbook_app")
        with pytest.raises(Unavailable, match="may not"):
            await vault.reader.of(CREDENTIAL)

    within(work)


def test_who_comes_when_too_many_wait_is_told(ledger_dsn: str) -> None:
    async def work() -> None:
        async def answer(_: object, asked: Any) -> list[int]:
            return list(asked)

        crowded = batches.Batches[int, int](ledger_dsn, answer, waiting_max=2)
        tasks = [asyncio.create_task(crowded.ask(number)) for number in range(3)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[:2] == [0, 1]
        assert isinstance(found[2], Unavailable)
        await crowded.close()

    asyncio.run(work())


def test_who_leaves_is_not_asked_for(within: Within, statements: list[int]) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        statements.clear()
        leaving = asyncio.create_task(vault.reader.of(OTHER))
        staying = asyncio.create_task(vault.reader.of(CREDENTIAL))
        asyncio.get_running_loop().call_soon(leaving.cancel)
        assert await staying is not None
        assert leaving.cancelled()
        assert statements == [1]

    within(work)


def test_a_service_that_is_stopped_leaves_nobody_waiting(within: Within) -> None:
    async def work(vault: Vault) -> None:
        with psycopg.connect(vault.dsn) as connection:
            connection.execute("SELECT FROM sealbook.books FOR UPDATE")
            first = asyncio.create_task(vault.put())
            await asyncio.sleep(0.05)
            second = asyncio.create_task(vault.put(credential=OTHER))
            await asyncio.sleep(0)
            (serving,) = asyncio.all_tasks() - {first, second, asyncio.current_task()}
            serving.cancel()
            found = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in found] == [Unavailable, Unavailable]
        # What was cut off was perhaps carried out: then that seed is the one that is kept.
        assert await vault.put(2) in (HeldSeed(OWNER, 1, seed()), HeldSeed(OWNER, 1, seed(2)))

    within(work)


# --- Writing


def test_those_who_put_at_once_share_a_commit_and_the_calls_of_the_keystore(
    within: Within, statements: list[int]
) -> None:
    async def work(vault: Vault) -> None:
        put = [
            vault.writer.put(
                seed(number), credential=UUID(int=100 + number), owner=UUID(int=200 + number), generation=1
            )
            for number in range(50)
        ]
        kept = await asyncio.gather(*put)
        assert [each.seed for each in kept] == [seed(number) for number in range(50)]
        assert statements == [50]
        # One to read, and one to make what was not there.
        assert vault.keys.asked == 2 * [({UUID(int=200 + number) for number in range(50)}, KeyClass.SECRET)]
        assert len(vault.rows()) == 50

    within(work)


def test_a_seed_that_is_there_stays_and_is_told(within: Within) -> None:
    async def work(vault: Vault) -> None:
        assert await vault.put(1) == HeldSeed(OWNER, 1, seed(1))
        before = vault.rows()
        assert await vault.put(2) == HeldSeed(OWNER, 1, seed(1))
        assert vault.rows() == before

    within(work)


def test_two_who_put_the_same_generation_in_one_batch_get_the_seed_that_is_kept(within: Within) -> None:
    async def work(vault: Vault) -> None:
        first, second = await asyncio.gather(vault.put(1), vault.put(2))
        assert first == second == HeldSeed(OWNER, 1, seed(1))
        assert await vault.reader.of(CREDENTIAL) == first

    within(work)


def test_two_processes_that_put_the_same_generation_get_the_seed_that_is_kept(within: Within) -> None:
    async def work(vault: Vault) -> None:
        another = SecretWriter(vault.dsn, keys=vault.keys, randomness=os.urandom)
        for generation in range(1, 31):
            kept = await asyncio.gather(
                vault.put(1, generation=generation),
                another.put(seed(2), credential=CREDENTIAL, owner=OWNER, generation=generation),
            )
            assert kept[0] == kept[1] == await vault.reader.of(CREDENTIAL, generation=generation)
        await another.close()

    within(work)


def test_a_seed_under_another_owner_or_damaged_is_no_answer(within: Within) -> None:
    async def work(vault: Vault) -> None:
        await vault.put()
        with pytest.raises(LedgerDamaged, match="another owner"):
            await vault.writer.put(seed(), credential=CREDENTIAL, owner=OTHER, generation=1)
        vault.execute("UPDATE sealbook.vault SET sealed = 'x'")
        with pytest.raises(LedgerDamaged, match="does not open"):
            await vault.put()

    within(work)


def test_only_older_generations_are_forgotten(within: Within) -> None:
    async def work(vault: Vault) -> None:
        for generation in (1, 2, 10):
            await vault.put(generation=generation)
        await vault.put(credential=OTHER)
        await asyncio.gather(vault.writer.forget(CREDENTIAL, below=10), vault.put(credential=UUID(int=9)))
        assert vault.rows().keys() == {
            (CREDENTIAL, seed_field(10)),
            (OTHER, seed_field(1)),
            (UUID(int=9), seed_field(1)),
        }
        await vault.writer.forget(CREDENTIAL, below=10)
        assert await vault.reader.of(CREDENTIAL) == HeldSeed(OWNER, 10, seed())

    within(work)


# --- Devices


def registered(store: PostgresEventStore, device: UUID, key: str) -> None:
    named = Name(NameKind.DEVICE_KEY, key)
    request = RegisterDevice(at=JANUARY, device=device, key=named, model="phone", os_version="15", app=APP)
    command = Command(request=request, command_id=uuid4(), actor="test", channel="branch")
    assert execute(store, [command])[0].accepted


def test_a_device_is_known_by_its_key(within: Within, store: PostgresEventStore, statements: list[int]) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    name = device_key_name(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    phone, old_phone = UUID(int=50), UUID(int=51)
    registered(store, phone, name)
    registered(store, old_phone, "key of an old phone")

    async def work(vault: Vault) -> None:
        await vault.put()
        statements.clear()
        asked = vault.reader.device_key(phone), vault.reader.device_key(old_phone), vault.reader.of(CREDENTIAL)
        held, unknown, held_seed = await asyncio.gather(*asked)
        assert held is not None
        assert (held.owner, held.key) == (phone, public)
        assert unknown is None
        assert held_seed == HeldSeed(OWNER, 1, seed())
        assert statements == [3]
        assert await vault.reader.device_key(phone) == held
        assert statements == [3]
        vault.reader.forget(phone)
        assert await vault.reader.device_key(phone) is not None
        assert statements == [3, 1]
        assert await vault.reader.device_key(CREDENTIAL) is None
        assert await vault.reader.of(phone) is None

    within(work)
