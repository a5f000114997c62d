"""Each test types in an empty folder; a `ledger` is a database of its own that the environment names."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.settings import Settings
from tests.cli.terminal import sealbook
from tests.cli.written import LIFE, write_json_lines
from tests.conftest import KeptKeys


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SEALBOOK_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty ledger, which the commands find by the environment; its connection string."""
    shutil.copy(kept_keys.key_file, folder / "keys.json")
    monkeypatch.setenv("SEALBOOK_DSN", ledger_dsn)
    monkeypatch.setenv("SEALBOOK_KEYS", str(folder / "keys.json"))
    with kept_keys.of_ledger(str(conninfo_to_dict(ledger_dsn)["dbname"])):
        yield ledger_dsn


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
