"""keys: made with the ledger, told of, put out of force; and what is said where they are not there or not right."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sealbook.adapters.keys.pkcs11_token import TokenPlace
from tests.cli.terminal import Said, sealbook
from tests.cli.written import LIFE, write_json_lines
from tests.conftest import PIN, Server

LOUD = "sealbook: development keys in a file, readable by whoever reads it: not for a bank's own data\n"


def told(said: Said) -> dict[str, object]:
    """The answer of a command that warns."""
    assert (said.code, said.err) == (0, LOUD)
    (row,) = said.rows
    return row


def keystore_of(dsn: str) -> str:
    return make_conninfo(dsn, dbname=f"{conninfo_to_dict(dsn)['dbname']}_keys")


@pytest.fixture
def empty(postgres_server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without a ledger, which the commands find by the environment; its connection string."""
    name = f"bank_{uuid4().hex}"
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        monkeypatch.setenv("SEALBOOK_DSN", postgres_server.dsn(name))
        monkeypatch.setenv("SEALBOOK_KEYS", str(folder / "keys.json"))
        yield postgres_server.dsn(name)
        for each in (name, f"{name}_keys"):
            connection.execute(f"DROP DATABASE IF EXISTS {each} WITH (FORCE)".encode())


@pytest.mark.usefixtures("lived")
def test_the_status_is_loud_about_keys_in_a_file(folder: Path) -> None:
    status = told(sealbook("keys", "status", "--json"))

    assert status["root"] == f"the development key file {folder / 'keys.json'}"
    assert (status["for_development"], status["epoch"], status["mac_key_ids"]) == (True, 1, [1])
    assert status["position"] == sealbook("fsck", "--json").answer["events"]
    said = sealbook("keys", "status")
    assert (said.code, said.err) == (0, LOUD)
    assert f"root keys    the development key file {folder / 'keys.json'}\n" in said.out


@pytest.mark.usefixtures("lived")
def test_another_mac_key_writes_on_and_the_old_one_verifies() -> None:
    before = sealbook("fsck", "--json").answer["events"]

    answer = sealbook("keys", "rotate", "mac", "--json").answer

    assert answer == {"purpose": "mac", "key_id": 2, "position": before + 1}
    assert sealbook("fsck", "--json").answer["clean"] is True
    assert "MAC key 3 is in force" in sealbook("keys", "rotate", "mac").out
    assert told(sealbook("keys", "status", "--json"))["mac_key_ids"] == [1, 2, 3]


def test_each_change_of_a_key_is_an_event(lived: str) -> None:
    sealbook("keys", "rotate", "mac")
    answer = sealbook("keys", "rotate", "epoch", "--json").answer

    assert (answer["key_id"], answer["epoch"], answer["destroyed"]) == (2, 2, [1])
    with psycopg.connect(lived) as connection:
        query = "SELECT mac FROM sealbook.events WHERE body LIKE '%%ledger.key_changed%%' ORDER BY position"
        macs = connection.execute(query.encode()).fetchall()
    assert [mac[0] for (mac,) in macs] == [2, 2]


@pytest.mark.usefixtures("lived")
def test_after_a_new_epoch_the_old_key_file_opens_nothing(folder: Path) -> None:
    shutil.copy(folder / "keys.json", folder / "old.json")
    said = sealbook("keys", "rotate", "epoch")
    assert "Epoch 2 is in force" in said.out
    assert "epochs destroyed: 1." in said.out

    sealbook("report", "--keys", "old.json").failed(3, "old.json has no epoch 2")
    assert sealbook("fsck", "--json").answer["clean"] is True
    assert list(json.loads((folder / "keys.json").read_text())["epochs"]) == ["2"]


def test_a_change_that_was_not_recorded_is_recorded_by_the_next(lived: str) -> None:
    """Between the keystore and the ledger there is no common commit."""
    sealbook("keys", "rotate", "mac")
    with psycopg.connect(keystore_of(lived)) as connection:
        connection.execute("UPDATE sealbook_keys.service_keys SET in_force = false WHERE purpose = 'mac'")
        connection.execute(
            "INSERT INTO sealbook_keys.service_keys SELECT purpose, 3, epoch, wrapped, true"
            " FROM sealbook_keys.service_keys WHERE purpose = 'mac' AND key_id = 2"
        )
    before = sealbook("fsck", "--json").answer["events"]

    assert sealbook("keys", "rotate", "mac", "--json").answer == {"purpose": "mac", "key_id": 4, "position": before + 2}


def test_keys_can_be_made_before_the_ledger(empty: str, folder: Path) -> None:
    assert told(sealbook("keys", "init", "--json"))["made"] is True
    assert told(sealbook("keys", "init", "--json"))["made"] is False
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600
    sealbook("report").failed(3, "there is no ledger in this database")

    assert sealbook("migrate", "--json").answer["migrations"][:1] == [1]
    with psycopg.connect(empty) as connection:
        ((ledger,),) = connection.execute("SELECT id FROM sealbook.ledger").fetchall()
    assert told(sealbook("keys", "status", "--json"))["ledger"] == str(ledger)
    assert "There are keys already" in sealbook("keys", "init").out


def test_a_ledger_without_its_keystore_is_not_opened(empty: str) -> None:
    sealbook("migrate")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {connection.info.dbname}_keys".encode())

    for typed in (["report"], ["migrate"], ["keys", "init"], ["keys", "status"]):
        sealbook(*typed).failed(3, "the ledger's keystore", "is missing: bring back its backup")


def test_the_keystore_of_another_ledger_is_refused(
    empty: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealbook("migrate")
    other = f"other_{uuid4().hex}"
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {other}".encode())
        try:
            monkeypatch.setenv("SEALBOOK_KEYSTORE_DSN", keystore_of(empty))
            said = sealbook("migrate", "--dsn", postgres_server.dsn(other))
            said.failed(3, "the keystore belongs to ledger", "this one is not made yet")
            monkeypatch.setenv("SEALBOOK_KEYSTORE_DSN", postgres_server.dsn(other))
            sealbook("report").failed(3, "the keystore is empty: bring it back")
        finally:
            connection.execute(f"DROP DATABASE {other} WITH (FORCE)".encode())


def test_a_role_that_may_not_make_the_database_is_told_what_to_do(empty: str, postgres_server: Server) -> None:
    role = f"clerk_{uuid4().hex}"
    with psycopg.connect(empty, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            sealbook("migrate", "--dsn", postgres_server.dsn(name, role)).failed(
                3, f"may not create the database {name}_keys", "create it, or name another in SEALBOOK_KEYSTORE_DSN"
            )
        finally:
            connection.execute(f"DROP ROLE {role}".encode())


def test_a_ledger_in_a_folder_has_its_keystore_there(embedded: Path) -> None:
    said = sealbook("keys", "rotate", "epoch", "--json", "--ledger", embedded)

    assert said.answer["destroyed"] == [1]
    assert told(sealbook("keys", "status", "--json", "--ledger", embedded))["epoch"] == 2


# --- With an HSM


@pytest.fixture
def hsm(empty: str, softhsm: TokenPlace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "pin").write_text(f"{PIN}\n")
    monkeypatch.setenv("SEALBOOK_PKCS11_MODULE", softhsm.module)
    monkeypatch.setenv("SEALBOOK_PKCS11_TOKEN", softhsm.token)
    monkeypatch.setenv("SEALBOOK_PKCS11_PIN_FILE", str(folder / "pin"))
    return empty


@pytest.mark.usefixtures("hsm")
def test_with_an_hsm_there_is_no_key_file(folder: Path) -> None:
    write_json_lines(folder / "life", *LIFE)
    said = sealbook("keys", "init", "--json")

    assert (said.answer["root"], said.answer["for_development"]) == ("the HSM token sealbook", False)
    assert sealbook("migrate").code == 0
    assert sealbook("import", "life").code == 0
    assert sealbook("keys", "rotate", "epoch", "--json").answer["destroyed"] == [said.answer["epoch"]]
    assert sealbook("fsck", "--json").answer["clean"] is True
    assert not (folder / "keys.json").exists()


@pytest.mark.usefixtures("hsm")
def test_what_is_missing_for_an_hsm_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("SEALBOOK_PKCS11_PIN_FILE", str(folder / "nowhere"))
    sealbook("migrate").failed(2, "the PIN file", "cannot be read")
    monkeypatch.delenv("SEALBOOK_PKCS11_PIN_FILE")
    sealbook("migrate").failed(2, "give SEALBOOK_PKCS11_PIN or SEALBOOK_PKCS11_PIN_FILE")
    monkeypatch.setenv("SEALBOOK_PKCS11_PIN", PIN)
    monkeypatch.setenv("SEALBOOK_PKCS11_TOKEN", "other")
    sealbook("migrate").failed(3, "no HSM token is called 'other'")
    monkeypatch.delenv("SEALBOOK_PKCS11_TOKEN")
    sealbook("migrate").failed(2, "name the token too, in SEALBOOK_PKCS11_TOKEN")
