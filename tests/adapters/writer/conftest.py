"""A ledger whose people hold credentials, and keys that another process can have too."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.application.ledger import execute
from tests.commands import Script
from tests.conftest import KeptKeys
from tests.system.writing import holders


@pytest.fixture
def script() -> Script:
    return Script(7)


@pytest.fixture
def postgres_store(ledger_dsn: str, kept_keys: KeptKeys) -> Iterator[PostgresEventStore]:
    with kept_keys.of_ledger(str(conninfo_to_dict(ledger_dsn)["dbname"])) as place:
        keys = Keyring(Keystore(place), FileRoot(kept_keys.key_file))
        store = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
        yield store
        store.close()
        keys.close()


@pytest.fixture
def ledger(ledger_dsn: str, postgres_store: PostgresEventStore) -> str:
    execute(postgres_store, holders())
    return ledger_dsn


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder / "writer.sock"
