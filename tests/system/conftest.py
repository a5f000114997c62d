"""A bank that is attacked, and what one hands over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.seal.sealing import live
from tests.conftest import Server
from tests.system.attacking import Auditor, Bank, bank_at, new_ledger
from tests.system.handing_over import Handed, handed_over


@pytest.fixture
def bank(ledger_dsn: str, tmp_path: Path) -> Iterator[Bank]:
    """A bank with two customers, of which nothing is sealed yet."""
    with bank_at(ledger_dsn, tmp_path / "seal") as bank:
        live(bank.store, credentials=2)
        yield bank


@pytest.fixture
def auditor(tmp_path: Path) -> Auditor:
    """Who knows the log's key, and no witness."""
    return Auditor(tmp_path / "auditor")


@pytest.fixture(scope="session")
def handed(postgres_server: Server, ledger_template: str, tmp_path_factory: pytest.TempPathFactory) -> Handed:
    """What was handed over needs no ledger any more."""
    folder = tmp_path_factory.mktemp("handed")
    with new_ledger(postgres_server, ledger_template) as dsn, bank_at(dsn, folder / "seal") as bank:
        return handed_over(bank, Auditor(folder / "auditor"))
