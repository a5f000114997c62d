"""The runbook of backup and restore, run as it stands in docs/backup.md, onto another server."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.cli.session import Place
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.observing.readiness import ledger_opens, readiness
from sealbook.adapters.postgres import binaries
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import CloseCustomer, OnCredential
from sealbook.domain.credential import Revoke
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.cli.terminal import REPOSITORY, environment, sealbook
from tests.cli.written import write_json_lines
from tests.test_docs import blocks

LIVES = (
    {"at": "2012-03-15T10:00:00+09:00", "credential": "C1", "fact": "issued", "customer": "Hong Gildong"},
    {"at": "2012-03-15T10:00:00+09:00", "credential": "C2", "fact": "issued", "customer": "P2"},
)
LATER = ({"at": "2012-06-01T10:00:00+09:00", "credential": "C3", "fact": "issued", "customer": "P3"},)
PROGRAMS = ("pg_dump", "pg_restore", "psql")


def step(heading: str) -> str:
    """The script of a section of the runbook."""
    text = (REPOSITORY / "docs" / "backup.md").read_text(encoding="utf-8")
    (section,) = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(heading + "\n")]
    (script,) = blocks(section, "sh")
    return script.text


@dataclass(frozen=True)
class Bank:
    """A ledger on a server, another server, and a folder for each kind of backup."""

    folder: Path
    old: EmbeddedServer
    new: EmbeddedServer

    def variables(self, backup: str) -> Mapping[str, str]:
        """What the runbook takes from its environment."""
        places = {
            "LEDGER_BACKUP": "ledger",
            "KEYSTORE_BACKUP": "keystore",
            "ROOT_BACKUP": "root",
            "SEAL_BACKUP": "seal",
        }
        for name in places.values():
            (self.folder / backup / name).mkdir(parents=True, exist_ok=True)
        return {
            **{variable: str(self.folder / backup / name) for variable, name in places.items()},
            "NEW_SERVER": self.new.dsn().replace(f"dbname={_database(self.new)}", ""),
            "NEW_LOG": "bank.example/sealbook/restored",
            "BACKUP_DAY": "2012-06-01",
            "APPROVER": "officer-7",
        }

    def run(self, heading: str, backup: str = "backup", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", step(heading)],
            cwd=self.folder,
            env=environment(**{**self.variables(backup), **more, "PATH": self._path()}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ran(self, heading: str, backup: str = "backup", **more: str) -> str:
        done = self.run(heading, backup, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _path(self) -> str:
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "sealbook").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sealbook "$@"\n')
        (programs / "sealbook").chmod(0o755)
        return os.pathsep.join([str(programs), str(binaries.find().folder), os.environ["PATH"]])


def _database(server: EmbeddedServer) -> str:
    return str(conninfo_to_dict(server.dsn())["dbname"])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    missing = [name for name in PROGRAMS if not (binaries.find().folder / name).exists()]
    if missing:
        pytest.skip(f"this PostgreSQL came without {', '.join(missing)}")
    place = tmp_path_factory.mktemp("servers")
    with (
        EmbeddedServer.join(place / "old", durable=False) as old,
        EmbeddedServer.join(place / "new", durable=False) as new,
    ):
        yield old, new


@pytest.fixture
def bank(
    servers: tuple[EmbeddedServer, EmbeddedServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bank]:
    """A bank with two customers, all of it sealed."""
    old, new = servers
    administer(old, "CREATE DATABASE bank")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALBOOK_DSN", old.dsn("bank"))
    monkeypatch.setenv("SEALBOOK_KEYS", str(tmp_path / "keys.json"))
    monkeypatch.setenv("SEALBOOK_SEAL", str(tmp_path / "seal"))
    write_json_lines(tmp_path / "lives.jsonl", *LIVES)
    assert sealbook("import", tmp_path / "lives.jsonl").code == 0
    # Made beside the ledger's; from now on it is named, as where it is on another server.
    monkeypatch.setenv("SEALBOOK_KEYSTORE_DSN", old.dsn("bank_keys"))
    end_first_life()
    assert sealbook("seal", "--map").code == 0
    yield Bank(tmp_path, old, new)
    for server in servers:
        lose(server)


def lose(server: EmbeddedServer) -> None:
    for name in ("bank", "bank_keys"):
        administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def administer(server: EmbeddedServer, statement: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(statement.encode())


def end_first_life() -> None:
    ended = datetime(2013, 1, 1, tzinfo=UTC)
    requests = (
        OnCredential(credential=Name(NameKind.CREDENTIAL, "C1"), command=Revoke(at=ended)),
        CloseCustomer(at=ended, customer=Name(NameKind.CUSTOMER, "Hong Gildong")),
    )
    commands = [Command(request=each, command_id=new_id(), actor="officer-1", channel="branch") for each in requests]
    with Wiring(Settings()).open(Place()) as opened:
        assert all(outcome.accepted for outcome in execute(opened.store, commands))


def told(*questions: str) -> list[dict[str, object]]:
    """What the ledger that the environment names answers, but for the moment of the question."""
    answers = [
        sealbook(*question.split(), "--as-of", "2014-01-01T00:00:00Z", "--json").answer for question in questions
    ]
    return [{name: value for name, value in answer.items() if name != "known_at"} for answer in answers]


def at_new(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_DSN", bank.new.dsn("bank"))
    monkeypatch.setenv("SEALBOOK_KEYSTORE_DSN", bank.new.dsn("bank_keys"))


def ready(bank: Bank) -> bool:
    """Whether a service on the new server would be sent requests."""
    keys = Keyring(Keystore(bank.new.dsn("bank_keys")), FileRoot(bank.folder / "keys.json"))
    try:
        (found,) = readiness(
            [
                (
                    "ledger",
                    ledger_opens(
                        lambda: PostgresEventStore.connect(bank.new.dsn("bank"), keys=keys, randomness=os.urandom)
                    ),
                )
            ]
        )
    finally:
        keys.close()
    return found.ok


def test_all_comes_back_on_another_server_and_goes_on(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    before = told("show C1", "show C2", "report")
    bank.ran("Back up")
    lose(bank.old)
    bank.ran("Restore")

    said = bank.ran("Look before you serve")

    assert "The keys are as far as the ledger's erasures." in said
    assert "events read: clean." in said
    assert ready(bank)
    at_new(bank, monkeypatch)
    assert told("show C1", "show C2", "report") == before
    write_json_lines(bank.folder / "later.jsonl", *LATER)
    assert sealbook("import", bank.folder / "later.jsonl").code == 0
    assert sealbook("seal", "--json").answer["unsealable"] is None
    assert sealbook("fsck").code == 0


def test_a_seal_that_was_lost_comes_back_from_its_own_backup(bank: Bank) -> None:
    bank.ran("Back up")
    bank.ran("Restore")

    kept = bank.folder / "backup" / "seal" / "seal"
    assert "events read: clean." in bank.ran("Look before you serve", SEALBOOK_SEAL=str(kept))


def test_an_older_ledger_is_noticed_and_served_only_when_somebody_accepts_it(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.ran("Back up")
    erased = sealbook("keys", "erase", "Hong Gildong", "--basis", "act-21", "--approved-by", "o-7", "--json").answer
    assert sealbook("seal").code == 0
    bank.ran("Back up", "newer")
    bank.ran("Restore", KEYSTORE_BACKUP=str(bank.folder / "newer" / "keystore"))

    looked = bank.run("Look before you serve")
    assert (looked.returncode, ready(bank)) == (3, False)
    assert "restored from an older backup" in looked.stderr
    at_new(bank, monkeypatch)
    sealbook("show", "C2").failed(3, "sealbook keys reconcile --restored")

    said = bank.ran("When the ledger is older than what was")
    assert f"{erased['customer']} was erased; its keys are gone: erase it again" in said
    assert "events read: clean." in said
    assert ready(bank)
    assert sealbook("show", "C2").code == 0
    assert [path.name for path in bank.folder.glob("seal-ended-at-*")] == [f"seal-ended-at-{sealed_before(bank)}"]


def test_an_older_ledger_is_noticed_by_the_seal_alone(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.ran("Back up")
    write_json_lines(bank.folder / "later.jsonl", *LATER)
    assert sealbook("import", bank.folder / "later.jsonl").code == 0
    assert sealbook("seal").code == 0
    bank.ran("Restore")

    looked = bank.run("Look before you serve")
    assert looked.returncode == 1
    assert re.search(r"the ledger ends at position \d+, the seal at \d+", looked.stdout)
    at_new(bank, monkeypatch)
    sealbook("seal").failed(3, "the ledger ends at position")


def test_an_older_keystore_is_brought_as_far_as_the_ledger(bank: Bank) -> None:
    bank.ran("Back up", "older")
    assert sealbook("keys", "erase", "Hong Gildong", "--basis", "act-21", "--approved-by", "o-7").code == 0
    bank.ran("Back up")
    bank.ran("Restore", KEYSTORE_BACKUP=str(bank.folder / "older" / "keystore"))

    assert not ready(bank)
    assert "Erased 1 subject, 2 keys destroyed" in bank.ran("Look before you serve")
    assert ready(bank)


def test_no_backup_holds_what_opens_it(bank: Bank) -> None:
    """No root key is in a dump, and no name; the copied key file is readable by its owner only."""
    bank.ran("Back up")
    root_keys = list(json.loads((bank.folder / "keys.json").read_text())["epochs"].values())
    dumps = [
        subprocess.run(
            [binaries.find().folder / "pg_restore", "--file=-", path], capture_output=True, text=True, check=True
        ).stdout
        for path in sorted((bank.folder / "backup").rglob("*.dump"))
    ]
    assert len(dumps) == 2
    in_bytes = [base64.b64decode(key).hex() for key in root_keys]
    assert in_bytes
    secrets = ("Hong Gildong", b"Hong Gildong".hex(), *root_keys, *in_bytes)
    assert [secret for secret in secrets if any(secret in dump for dump in dumps)] == []
    assert (bank.folder / "backup" / "root" / "keys.json").stat().st_mode & 0o777 == 0o600


def sealed_before(bank: Bank) -> int:
    (ended,) = bank.folder.glob("seal-ended-at-*")
    return int((ended / "checkpoint").read_text().splitlines()[1])
