"""One server a test session, one database a test, cloned from a template that is made once."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import LiteralString, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.schema import migrate
from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.pkcs11_token import TokenPlace
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.keys.working import WorkingKeys
from sealbook.adapters.postgres.server import EmbeddedServer
from tests import secrets_watch
from tests.secrets_known import Kind

TOKEN, PIN = "sealbook", "geheim-5678"
LEDGER_ID = UUID(int=0x1ED6E6)
WORKING_KEYS = WorkingKeys(
    # No bytes that could stand in a text by chance.
    mac_keys={1: hashlib.sha256(b"mac").digest()},
    mac_key_id=1,
    name_keys={1: hashlib.sha256(b"name").digest()},
    name_key_id=1,
    command_key=hashlib.sha256(b"command").digest(),
)
KEYS = MemoryKeys(WORKING_KEYS)


def pytest_configure(config: pytest.Config) -> None:
    keys = (*WORKING_KEYS.mac_keys.values(), *WORKING_KEYS.name_keys.values(), WORKING_KEYS.command_key)
    secrets_watch.begin(config, secrets={PIN: Kind.PASSWORD, **dict.fromkeys(keys, Kind.KEY)})


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


@dataclass(frozen=True)
class KeptKeys:
    """A keystore with KEYS in it, which nobody is connected to, and the key file that opens its clones."""

    server: Server
    template: str
    key_file: Path

    @contextmanager
    def of_ledger(self, database: str) -> Generator[str]:
        """Give the ledger in a database a keystore of its own, where a ledger's keystore is looked for."""
        name = database + keystore.DATABASE_SUFFIX
        _administer(self.server, "CREATE DATABASE {} TEMPLATE {}", name, self.template)
        yield self.server.dsn(name)
        _administer(self.server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def kept_keys(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptKeys]:
    name, key_file = f"template_{uuid4().hex}_keys", tmp_path_factory.mktemp("keys") / "keys.json"
    _administer(postgres_server, "CREATE DATABASE {}", name)
    keystore.create_keystore(postgres_server.dsn(name), FileRoot(key_file), WORKING_KEYS)
    yield KeptKeys(postgres_server, name, key_file)
    _administer(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> TokenPlace:
    """A token of SoftHSM2 that is the session's own: a process reads its configuration once."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    if find_spec("pkcs11") is None:
        pytest.skip("python-pkcs11 is not installed")
    module = next(path for path in Path("/usr/lib").rglob("libsofthsm2.so"))
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    making = ("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--so-pin", "12345678", "--pin", PIN)
    subprocess.run(making, check=True, capture_output=True)
    return TokenPlace(module=str(module), token=TOKEN, pin=PIN)


def _administer(server: Server, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
