"""Reading in threads: never more than a service has, whoever leaves; and the database ends what takes long."""

import asyncio
from threading import Event

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.lists import Lane
from sealbook.adapters.http.reading import Readers
from sealbook.application.ports import Unavailable


def asleep(store: PostgresEventStore) -> None:
    store.connection.execute("SELECT pg_sleep(30)")


def readers_of(store: PostgresEventStore, *, statement_seconds: float | None = None) -> Readers:
    def connect() -> PostgresEventStore:
        return PostgresEventStore.connect(store.connection.info.dsn, keys=store.keys, randomness=bytes)

    return Readers(connect, count_max=1, statement_seconds=statement_seconds)


def test_who_has_left_keeps_the_thread_and_who_waited_is_never_asked(postgres_store: PostgresEventStore) -> None:
    begun, go_on, asked = Event(), Event(), list[str]()

    def slow(_store: PostgresEventStore) -> None:
        asked.append("slow")
        begun.set()
        go_on.wait()

    def quick(_store: PostgresEventStore) -> None:
        asked.append("quick")

    async def work() -> None:
        readers = readers_of(postgres_store)
        leaving = [asyncio.create_task(readers.ask(slow))]
        await asyncio.to_thread(begun.wait)
        leaving.append(asyncio.create_task(readers.ask(quick)))
        await asyncio.sleep(0)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        last = asyncio.create_task(readers.ask(quick))
        await asyncio.sleep(0.1)
        assert (asked, readers.unanswered) == (["slow"], 2)

        go_on.set()
        await last
        await readers.close()
        assert (asked, readers.unanswered) == (["slow", "quick"], 0)
        with pytest.raises(Unavailable):
            await readers.ask(quick)

    asyncio.run(work())


def test_the_database_ends_what_takes_too_long(postgres_store: PostgresEventStore) -> None:
    async def work() -> None:
        readers = readers_of(postgres_store, statement_seconds=0.05)
        with pytest.raises(Unavailable, match="too long"):
            await readers.ask(asleep)
        assert await readers.ask(PostgresEventStore.last_position) == 0
        # A list may take longer.
        await Lane(readers).ask(lambda store: store.connection.execute("SELECT pg_sleep(0.2)"))
        await readers.close()

    asyncio.run(work())
