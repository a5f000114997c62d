"""One server a test session, one database a test, cloned from a template that is made once."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import LiteralString, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sealbook.adapters.eventstore.keys import KEY_BYTES, Keys
from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.schema import migrate
from sealbook.adapters.postgres.server import EmbeddedServer

LEDGER_ID = UUID(int=0x1ED6E6)
KEYS = Keys(key_id=1, mac_key=b"m" * KEY_BYTES, name_key=b"n" * KEY_BYTES, seal_key=b"s" * KEY_BYTES)


class Server(Protocol):
    def dsn(self, database: str = ..., user: str = ...) -> str: ...


class GivenServer:
    """The server that SEALBOOK_TEST_DSN names; its role must be a superuser."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def dsn(self, database: str = "postgres", user: str = "") -> str:
        return make_conninfo(self._dsn, dbname=database, **({"user": user} if user else {}))


@pytest.fixture(scope="session")
def keys() -> Keys:
    return KEYS


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    given = os.environ.get("SEALBOOK_TEST_DSN")
    if given:
        yield GivenServer(given)
        return
    with EmbeddedServer.join(tmp_path_factory.mktemp("postgres") / "ledger", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def ledger_template(postgres_server: Server, keys: Keys) -> Iterator[str]:
    """The name of a database that holds an empty ledger. Nobody may be connected to it."""
    name = f"template_{uuid4().hex}"
    _administer(postgres_server, "CREATE DATABASE {}", name)
    with connected(postgres_server.dsn(name)) as connection:
        migrate(connection, keys=keys, new_id=lambda: LEDGER_ID)
    yield name
    _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def ledger_dsn(postgres_server: Server, ledger_template: str) -> Iterator[str]:
    """A database of the test's own with an empty ledger, as the superuser sees it."""
    name = f"ledger_{uuid4().hex}"
    _administer(postgres_server, "CREATE DATABASE {} TEMPLATE {}", name, ledger_template)
    yield postgres_server.dsn(name)
    _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def postgres_store(ledger_dsn: str, keys: Keys) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
    yield store
    store.close()


@pytest.fixture
def memory_store() -> MemoryEventStore:
    return MemoryEventStore(clock=lambda: datetime.now(UTC))


def _administer(server: Server, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
