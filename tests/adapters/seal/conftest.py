"""A ledger with a few lives in it, and the desk that seals it."""

from pathlib import Path

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.seal.desk import SealDesk
from tests.adapters.seal.sealing import desk_of, live


@pytest.fixture
def desk(postgres_store: PostgresEventStore, tmp_path: Path) -> SealDesk:
    live(postgres_store)
    return desk_of(postgres_store, tmp_path / "seal")
