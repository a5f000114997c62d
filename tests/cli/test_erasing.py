"""keys erase, reconcile and hold, as an operator types them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sealbook.adapters.cli.session import Place
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.keystore import DATABASE_SUFFIX
from sealbook.adapters.keys.port import KeyClass
from sealbook.application import questions
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import CloseCustomer, OnCredential
from sealbook.domain.credential import Revoke
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.cli.terminal import sealbook
from tests.cli.written import write_json_lines

APPROVED = ("--basis", "act-21", "--approved-by", "officer-7")
LIVES = (
    {"at": "2012-03-15T10:00:00+09:00", "credential": "C1", "fact": "issued", "customer": "Hong Gildong"},
    {"at": "2012-03-15T10:00:00+09:00", "credential": "C2", "fact": "issued", "customer": "P2"},
)
ENDED = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def over(ledger: str, folder: Path) -> str:
    """A ledger in which one of two customers left long ago."""
    write_json_lines(folder / "lives.jsonl", *LIVES)
    assert sealbook("import", folder / "lives.jsonl").code == 0
    of_old(
        OnCredential(credential=Name(NameKind.CREDENTIAL, "C1"), command=Revoke(at=ENDED)),
        CloseCustomer(at=ENDED, customer=Name(NameKind.CUSTOMER, "Hong Gildong")),
    )
    return ledger


def of_old(*requests: Request) -> None:
    commands = [Command(request=each, command_id=new_id(), actor="officer-1", channel="branch") for each in requests]
    with Wiring(Settings()).open(Place()) as opened:
        assert all(outcome.accepted for outcome in execute(opened.store, commands))


def stream_of(text: str, kind: NameKind) -> str:
    with Wiring(Settings()).open(Place()) as opened:
        return str(questions.find(opened.store, text, kinds=[kind]))


@pytest.fixture
def backup(over: str) -> Iterator[str]:
    """A copy of the keystore as it was; its database's name."""
    name = str(conninfo_to_dict(over)["dbname"]) + DATABASE_SUFFIX
    copied = f"{name}_old"
    administer(over, "CREATE DATABASE {} TEMPLATE {}", copied, name)
    yield copied
    administer(over, "DROP DATABASE IF EXISTS {} WITH (FORCE)", copied)


def put_back(dsn: str, backup: str) -> None:
    name = str(conninfo_to_dict(dsn)["dbname"]) + DATABASE_SUFFIX
    administer(dsn, "DROP DATABASE {} WITH (FORCE)", name)
    administer(dsn, "CREATE DATABASE {} TEMPLATE {}", name, backup)


def administer(dsn: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.mark.usefixtures("over")
def test_a_customer_is_erased_and_its_credentials_are_still_answered_for_by_their_ids() -> None:
    person, held = stream_of("Hong Gildong", NameKind.CUSTOMER), stream_of("C1", NameKind.CREDENTIAL)

    answer = sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer

    assert (answer["customer"], answer["credentials"], answer["devices"]) == (person, 1, 0)
    assert (answer["keys_destroyed"], answer["position"] > 0) == (2, True)
    sealbook("show", "C1").failed(1, "not_found")
    assert sealbook("show", held, "--as-of", "2014-01-01T00:00:00Z", "--json").answer["validity"]["revoked"]
    assert sealbook("show", "C2", "--json").code == 0
    assert sealbook("fsck").code == 0


@pytest.mark.usefixtures("over")
def test_who_was_erased_is_not_found_by_name_and_erased_once_by_id() -> None:
    stream = sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer["customer"]

    sealbook("keys", "erase", "Hong Gildong", *APPROVED).failed(1, "not_found")
    again = sealbook("keys", "erase", stream, *APPROVED, "--json").answer
    assert (again["position"], again["keys_destroyed"]) == (None, 0)
    assert "before" in sealbook("keys", "erase", stream, *APPROVED).out


def test_what_has_to_be_kept_is_refused_and_nothing_changes(over: str) -> None:
    before = rows(over)
    sealbook("keys", "erase", "P2", *APPROVED).failed(1, "retention")
    assert rows(over) == before

    placed = sealbook("keys", "hold", "Hong Gildong", "--case", "2026-1", "--json").answer
    assert (placed["case"], placed["held"], placed["position"] > 0) == ("2026-1", True, True)
    before = rows(over)
    sealbook("keys", "erase", "Hong Gildong", *APPROVED).failed(1, "legal_hold")
    assert rows(over) == before

    assert "lifted" in sealbook("keys", "hold", "Hong Gildong", "--case", "2026-1", "--lift").out
    assert "already" in sealbook("keys", "hold", "Hong Gildong", "--case", "2026-1", "--lift").out
    assert sealbook("keys", "erase", "Hong Gildong", *APPROVED).code == 0


def test_an_older_keystore_is_reconciled_before_anything_is_served(over: str, backup: str) -> None:
    stream = UUID(sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer["customer"])
    put_back(over, backup)

    for typed in (["show", "C2"], ["report"], ["fsck"], ["history", "C2"], ["keys", "erase", "P2", *APPROVED]):
        sealbook(*typed).failed(3, "sealbook keys reconcile")
    assert sealbook("keys", "reconcile", "--json").answer["keys_destroyed"] == 2
    assert sealbook("show", "C2").code == 0
    assert "as far" in sealbook("keys", "reconcile").out
    with Wiring(Settings()).open(Place()) as opened:
        assert [dict(opened.keys.subject_keys([stream], key_class)) for key_class in KeyClass] == [{}] * 3


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize(
    ("basis", "approver"), [("", "o"), (" ", "o"), ("b", ""), ("a\nb", "o"), ("b", "o" * 201), ("\ud800", "o")]
)
def test_a_basis_and_an_approver_are_short_texts(basis: str, approver: str) -> None:
    sealbook("keys", "erase", "P2", "--basis", basis, "--approved-by", approver).failed(2)


@pytest.mark.usefixtures("over")
def test_a_basis_and_an_approver_must_be_given() -> None:
    sealbook("keys", "erase", "P2", "--basis", "act-21").failed(2, "--approved-by")
    sealbook("keys", "erase", "P2", "--approved-by", "officer-7").failed(2, "--basis")
    sealbook("keys", "hold", "P2").failed(2, "--case")
    sealbook("keys", "hold", "P2", "--case", " ").failed(2, "--case")


def rows(dsn: str) -> list[tuple[object, ...]]:
    query = "SELECT position, body FROM sealbook.events UNION ALL SELECT 0, digest FROM sealbook.names ORDER BY 1, 2"
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_ledger_that_came_back_older_than_its_keys_is_served_again_once_that_is_accepted(
    over: str,
) -> None:
    name = str(conninfo_to_dict(over)["dbname"])
    copied = f"{name}_before"
    administer(over, "CREATE DATABASE {} TEMPLATE {}", copied, name)
    erased = sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer["customer"]
    administer(over, "DROP DATABASE {} WITH (FORCE)", name)
    administer(over, "ALTER DATABASE {} RENAME TO {}", copied, name)

    sealbook("show", "C2").failed(3, "restored from an older backup", "sealbook keys reconcile --restored")
    sealbook("keys", "reconcile").failed(3, "restored from an older backup")
    answer = sealbook("keys", "reconcile", "--restored", "--json").answer

    assert answer["erase_again"] == [erased]
    assert sealbook("show", "C2", "--json").code == 0
    again = sealbook("keys", "erase", erased, *APPROVED, "--json").answer
    assert again["position"] is not None
    assert sealbook("keys", "reconcile", "--restored", "--json").answer["erase_again"] == []


def test_an_erasure_that_the_ledger_no_longer_knows_of_is_found(over: str) -> None:
    erased = sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer
    with psycopg.connect(over) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM sealbook.erasures")

    said = sealbook("fsck", "--json")

    assert said.code == 1
    (finding,) = said.rows[0]["findings"]
    assert (
        finding
        == f"position {erased['position']} erased customer {erased['customer']}, and the ledger no longer knows of it"
    )
