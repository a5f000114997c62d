"""Each test types in an empty folder; a `ledger` is a database of its own that the environment names."""

import shutil
from pathlib import Path

import pytest

from sealbook.adapters.eventstore.keys import Keys, write_key_file
from sealbook.adapters.postgres.server import EmbeddedServer
from tests.cli.terminal import sealbook
from tests.cli.written import LIFE, write_json_lines


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SEALBOOK_DSN", "SEALBOOK_LEDGER", "SEALBOOK_KEYS", "SEALBOOK_KINDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(ledger_dsn: str, keys: Keys, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty ledger, which the commands find by the environment; its connection string."""
    write_key_file(folder / "keys.json", keys)
    monkeypatch.setenv("SEALBOOK_DSN", ledger_dsn)
    monkeypatch.setenv("SEALBOOK_KEYS", str(folder / "keys.json"))
    return ledger_dsn


@pytest.fixture
def lived(ledger: str, folder: Path) -> str:
    """A ledger with the life of C1 and the beginning of C2."""
    write_json_lines(folder / "life.jsonl", *LIFE)
    assert sealbook("import", folder / "life.jsonl").code == 0
    return ledger


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in a folder, with the life of C1: what the embedded server needs is in it."""
    place = tmp_path_factory.mktemp("embedded")
    write_json_lines(place / "life.jsonl", *LIFE)
    # Made without waiting for the disk, for it is only copied.
    EmbeddedServer.join(place / "ledger", durable=False).leave()
    assert sealbook("import", place / "life.jsonl", "--ledger", place / "ledger").code == 0
    return place / "ledger"


@pytest.fixture
def embedded(made_once: Path, folder: Path) -> Path:
    """A copy of the ledger in a folder, which the test may spoil."""
    shutil.copytree(made_once, folder / "ledger", symlinks=True)
    (folder / "ledger").chmod(0o700)
    return folder / "ledger"
