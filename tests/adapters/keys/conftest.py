"""Root keys in a file and in SoftHSM2, and a keystore of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore, create_keystore
from sealbook.adapters.keys.pkcs11_root import Pkcs11Root, pkcs11_root
from sealbook.adapters.keys.pkcs11_token import TokenPlace
from sealbook.adapters.keys.roots import RootKeys
from tests.conftest import WORKING_KEYS, Server


@dataclass(frozen=True)
class Kept:
    """A keystore in a database, and the root keys that open it."""

    dsn: str
    root: RootKeys

    def keyring(self) -> Keyring:
        return Keyring(Keystore(self.dsn), self.root)


@pytest.fixture
def file_root(tmp_path: Path) -> FileRoot:
    return FileRoot(tmp_path / "keys.json")


@pytest.fixture
def hsm_root(softhsm: TokenPlace) -> Pkcs11Root:
    return pkcs11_root(module=softhsm.module, token=softhsm.token, pin=softhsm.pin)


@pytest.fixture(params=["file_root", "hsm_root"])
def root(request: pytest.FixtureRequest) -> RootKeys:
    found: RootKeys = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def new_database(postgres_server: Server) -> Iterator[Callable[[], str]]:
    """A way to get empty databases of one's own."""
    made: list[str] = []
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:

        def new() -> str:
            made.append(f"keys_{uuid4().hex}")
            connection.execute(f"CREATE DATABASE {made[-1]}".encode())
            return postgres_server.dsn(made[-1])

        yield new
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def keys_database(postgres_server: Server) -> str:
    """A database for one keystore after the other: to make a database takes longer than most tests."""
    name = f"keys_{uuid4().hex}"
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres_server.dsn(name)


@pytest.fixture
def keys_dsn(keys_database: str) -> Iterator[str]:
    yield keys_database
    with psycopg.connect(keys_database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA sealbook_keys CASCADE")


@pytest.fixture
def kept(keys_dsn: str, root: RootKeys) -> Kept:
    """A new keystore, once with each kind of root keys."""
    return made_keystore(keys_dsn, root)


@pytest.fixture
def kept_by_file(keys_dsn: str, file_root: FileRoot) -> Kept:
    return made_keystore(keys_dsn, file_root)


@pytest.fixture
def kept_by_hsm(keys_dsn: str, hsm_root: Pkcs11Root) -> Kept:
    return made_keystore(keys_dsn, hsm_root)


def made_keystore(dsn: str, root: RootKeys) -> Kept:
    assert create_keystore(dsn, root, WORKING_KEYS)
    return Kept(dsn, root)
