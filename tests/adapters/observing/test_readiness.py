"""Ready or not: not ready while a restore is not reconciled, or the seal is broken."""

import os
from pathlib import Path

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.observing.readiness import GOOD, Ready, ledger_opens, readiness, seal_stands
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.folder import SealFolder
from sealbook.application.ports import LedgerDamaged
from tests.adapters.seal.sealing import live, sealed
from tests.conftest import WORKING_KEYS
from tests.system.attacking import bank_at


def test_all_is_in_order(ledger_dsn: str, tmp_path: Path) -> None:
    with bank_at(ledger_dsn, tmp_path / "seal") as bank:
        live(bank.store, credentials=1)
        sealed(bank.desk)
        keys = bank.store.keys

    found = readiness(
        [
            ("ledger", ledger_opens(lambda: PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom))),
            ("seal", seal_stands(lambda: SealCheck(SealFolder(tmp_path / "seal")).of_the_log())),
        ]
    )
    assert found == [Ready("ledger", True, GOOD), Ready("seal", True, GOOD)]


def test_a_restore_that_is_not_reconciled_is_not_ready(ledger_dsn: str) -> None:
    """The keystore has destroyed keys at a position that the ledger has lost."""
    keys = MemoryKeys(WORKING_KEYS)
    keys.destroy([], position=7)

    (found,) = readiness(
        [("ledger", ledger_opens(lambda: PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)))]
    )
    assert not found.ok
    assert "reconcile" in found.what


@pytest.mark.parametrize("damage", ["checkpoint", "policy", "tile"])
def test_a_broken_seal_is_not_ready(ledger_dsn: str, tmp_path: Path, damage: str) -> None:
    with bank_at(ledger_dsn, tmp_path / "seal") as bank:
        live(bank.store, credentials=1)
        sealed(bank.desk)
    hurt = next(path for path in sorted((tmp_path / "seal").rglob("*")) if path.is_file() and damage in str(path))
    hurt.write_bytes(b"")

    (found,) = readiness([("seal", seal_stands(lambda: SealCheck(SealFolder(tmp_path / "seal")).of_the_log()))])
    assert not found.ok
    assert found.what != GOOD


def test_a_check_that_fails_tells_no_message_and_stops_no_other() -> None:
    def fails() -> None:
        raise ValueError("geheim")

    def damaged() -> None:
        raise LedgerDamaged("the ledger has lost its own row")

    found = readiness([("a", fails), ("b", damaged), ("c", lambda: "too far behind"), ("d", lambda: None)])

    assert found == [
        Ready("a", False, "ValueError"),
        Ready("b", False, "the ledger has lost its own row"),
        Ready("c", False, "too far behind"),
        Ready("d", True, GOOD),
    ]
