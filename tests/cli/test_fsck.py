"""What was altered behind the ledger's back is found, and the finding names where."""

import os
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.codec import HEAD_SCHEMA
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.application.ledger import execute
from tests.cli.terminal import Said, sealbook
from tests.cli.written import ISSUED_AT
from tests.commands import Script

Positions = dict[str, int]
UNSEALED = "not compared with a seal: there is none"


@pytest.fixture(params=["without read models", "with read models"])
def altered(request: pytest.FixtureRequest, lived: str) -> Callable[[str], Said]:
    """A way to run statements as one who may do everything, and then fsck."""
    if request.param == "with read models":
        assert sealbook("project").code == 0

    def run(statements: str) -> Said:
        with psycopg.connect(lived) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statements.encode())
        return sealbook("fsck", "--json")

    return run


@pytest.fixture
def used(lived: str) -> tuple[int, UUID]:
    """Position and stream of C1's use."""
    rows = sealbook("history", "C1", "--json").rows
    position = next(row["position"] for row in rows if row["event"] == "credential.used")
    with psycopg.connect(lived) as connection:
        found = connection.execute("SELECT stream FROM sealbook.events WHERE position = %s", [position]).fetchone()
    assert found is not None
    return position, found[0]


def contradicted(said: Said, *needles: str) -> None:
    """Exit code 1, and a finding that names the place."""
    (answer,) = said.rows
    assert (said.code, answer["clean"]) == (1, False)
    for needle in needles:
        assert any(needle in finding for finding in answer["findings"]), answer["findings"]


def test_a_ledger_as_it_was_written_is_clean(altered: Callable[[str], Said]) -> None:
    assert altered("SELECT 1").answer == {
        "clean": True,
        "events": 9,
        "findings": [],
        "notes": [UNSEALED],
    }


def test_an_altered_body_is_found_at_its_position(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    position, _ = used
    said = altered(
        "UPDATE sealbook.events SET body = set_byte(body, length(body) - 1, 195 # get_byte(body, length(body) - 1))"
        f" WHERE position = {position}"
    )

    contradicted(said, f"position {position} was altered: its MAC does not fit")


def test_a_body_that_is_no_event_is_found_at_its_position(
    altered: Callable[[str], Said], used: tuple[int, UUID]
) -> None:
    position, _ = used

    contradicted(
        altered(rf"UPDATE sealbook.events SET body = '\x00ff' WHERE position = {position}"), f"position {position}"
    )


def test_a_body_moved_to_another_place_is_found(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    position, stream = used
    said = altered(
        "UPDATE sealbook.events SET (body, mac, salt) = (SELECT body, mac, salt FROM sealbook.events"
        f" WHERE stream = '{stream}' AND version = 3) WHERE position = {position}"
    )

    contradicted(said, f"position {position} was altered")


def test_a_deleted_event_is_found_by_the_gap(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    position, _ = used

    contradicted(
        altered(f"DELETE FROM sealbook.events WHERE position = {position}"),
        f"position {position} is missing",
        f"position {position + 1} is version 3 of its stream, 2 was to follow",
    )


def test_a_deleted_issue_is_found_by_the_gap(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    _, stream = used
    said = altered(f"DELETE FROM sealbook.events WHERE stream = '{stream}' AND version = 1")

    contradicted(said, "is missing", f"stream {stream}")


def test_events_cut_off_at_the_end_are_found_by_the_book(altered: Callable[[str], Said]) -> None:
    said = altered("DELETE FROM sealbook.events WHERE position > 7")

    contradicted(said, "the book stands at position 9, the log ends at 7")


def test_a_changed_head_is_found_by_its_stream(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    _, stream = used
    said = altered(
        "UPDATE sealbook.heads SET state = (SELECT state FROM sealbook.heads h WHERE h.stream <> heads.stream"
        f" AND version = 1 LIMIT 1) WHERE stream = '{stream}'"
    )

    contradicted(said, f"stream {stream}: its head is not the fold of its events")


@pytest.mark.parametrize("change", ["version = version + 1", "version = 1"])
def test_a_head_at_another_version_is_found(
    altered: Callable[[str], Said], used: tuple[int, UUID], change: str
) -> None:
    _, stream = used
    said = altered(f"UPDATE sealbook.heads SET {change} WHERE stream = '{stream}'")

    contradicted(said, f"stream {stream} has 3 events, its head is at version")


def test_a_lost_head_is_found(altered: Callable[[str], Said], used: tuple[int, UUID]) -> None:
    _, stream = used

    contradicted(altered(f"DELETE FROM sealbook.heads WHERE stream = '{stream}'"), f"stream {stream}")


def test_a_name_that_leads_nowhere_is_found(altered: Callable[[str], Said]) -> None:
    nowhere = UUID(int=7)
    said = altered(
        f"UPDATE sealbook.names SET stream = '{nowhere}' WHERE kind = 'customer' AND digest ="
        " (SELECT min(digest) FROM sealbook.names WHERE kind = 'customer')"
    )

    contradicted(said, f"a name leads to stream {nowhere}, which has no event")


def test_what_is_written_meanwhile_is_no_contradiction(lived: str, keys: Keys) -> None:
    script, unwritten = Script(), [1]

    def write(_position: int) -> None:
        if unwritten:
            unwritten.clear()
            execute(writer, [script.enroll(script.new_id())])

    with (
        closing(PostgresEventStore.connect(lived, keys=keys, randomness=os.urandom)) as writer,
        closing(PostgresEventStore.connect(lived, keys=keys, randomness=os.urandom)) as store,
    ):
        assert list(Fsck(store.connection, keys=keys).findings(advanced=write)) == []


# --- Heads of other versions

PUT_SCHEMA = "UPDATE sealbook.heads SET state = set_byte(state, {place}, {schema}) WHERE stream = '{stream}'"


def schema_place(lived: str, stream: UUID) -> int:
    """Where a head says its schema: behind the length of its array, which takes one byte or three."""
    with psycopg.connect(lived) as connection:
        found = connection.execute("SELECT state FROM sealbook.heads WHERE stream = %s", [stream]).fetchone()
    assert found is not None
    return bytes(found[0]).index(HEAD_SCHEMA)


def test_a_head_of_an_older_schema_is_noted_and_no_contradiction(
    lived: str, keys: Keys, used: tuple[int, UUID]
) -> None:
    _, stream = used
    with psycopg.connect(lived) as connection:
        connection.execute("SET session_replication_role = replica")
        older = PUT_SCHEMA.format(place=schema_place(lived, stream), schema=HEAD_SCHEMA - 1, stream=stream)
        connection.execute(older.encode())

    notes = list[str]()
    with closing(PostgresEventStore.connect(lived, keys=keys, randomness=os.urandom)) as store:
        assert list(Fsck(store.connection, keys=keys).findings(noted=notes.append)) == []
    assert notes == [UNSEALED, "heads of an older schema: 1; each is rebuilt when it is touched"]


def test_a_head_of_an_older_schema_still_has_to_be_at_the_last_version(
    altered: Callable[[str], Said], lived: str, used: tuple[int, UUID]
) -> None:
    _, stream = used
    older = PUT_SCHEMA.format(place=schema_place(lived, stream), schema=HEAD_SCHEMA - 1, stream=stream)
    said = altered(f"{older}; UPDATE sealbook.heads SET version = 2 WHERE stream = '{stream}'")

    contradicted(said, f"stream {stream} has 3 events, its head is at version 2")


def test_a_head_of_a_newer_schema_cannot_be_judged(
    altered: Callable[[str], Said], lived: str, used: tuple[int, UUID]
) -> None:
    _, stream = used
    said = altered(PUT_SCHEMA.format(place=schema_place(lived, stream), schema=HEAD_SCHEMA + 1, stream=stream))

    said.failed(3, "was written by a newer version: use a newer sealbook")


def test_a_body_that_says_the_same_in_other_bytes_is_found(lived: str, keys: Keys, used: tuple[int, UUID]) -> None:
    """Whoever holds the keys may have sealed it with a right MAC: the MAC says nothing of the encoding."""
    position, stream = used
    with psycopg.connect(lived) as connection:
        row = connection.execute("SELECT salt, body FROM sealbook.events WHERE position = %s", [position]).fetchone()
        assert row is not None
        body = row[1].replace(b"credential.used\x01", b"credential.used\xcc\x01")
        mac = keys.mac(book=BOOK, stream=stream.bytes, version=2, salt=row[0], body=body)
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE sealbook.events SET (body, mac) = (%s, %s) WHERE position = %s", [body, mac, position]
        )

    with closing(PostgresEventStore.connect(lived, keys=keys, randomness=os.urandom)) as store:
        findings = list(Fsck(store.connection, keys=keys).findings())
    assert findings[0].startswith(f"position {position} does not fold: ")
    assert "in other bytes" in findings[0]


# --- Read models


@pytest.mark.parametrize(
    "change",
    [
        "suspended = true",
        "revoked = true",
        "expires_at = expires_at + interval '1 day'",
        "eligible_from = NULL",
        "policy = 'X@1'",
        "lapsed_at = now()",
        "customer = stream",
        "state = (SELECT min(o.state) FROM sealbook_read.credentials o WHERE o.stream <> c.stream)",
        r"state = '\x00'",
    ],
)
@pytest.mark.parametrize("altered", ["with read models"], indirect=True)
def test_a_wrong_row_of_a_read_model_is_found_by_its_stream(
    altered: Callable[[str], Said], used: tuple[int, UUID], change: str
) -> None:
    _, stream = used
    said = altered(f"UPDATE sealbook_read.credentials c SET {change} WHERE stream = '{stream}'")

    contradicted(said, str(stream))


@pytest.mark.parametrize(
    ("change", "needle"),
    [
        ("UPDATE sealbook_read.event_counts SET count = 7 WHERE name = 'credential.used'", "credential.used"),
        ("DELETE FROM sealbook_read.event_counts WHERE name = 'credential.issued'", "credential.issued"),
        ("UPDATE sealbook_read.tracking SET position = 99", "99"),
        (f"UPDATE sealbook_read.tracking SET latest_at = '{ISSUED_AT}'", "read models"),
    ],
    ids=["a count", "a lost count", "a position beyond the end", "the latest moment"],
)
@pytest.mark.parametrize("altered", ["with read models"], indirect=True)
def test_a_wrong_count_of_a_read_model_is_found(altered: Callable[[str], Said], change: str, needle: str) -> None:
    contradicted(altered(change), needle)


@pytest.mark.usefixtures("lived")
def test_a_rebuild_mends_a_read_model(lived: str) -> None:
    sealbook("project")
    with psycopg.connect(lived) as connection:
        connection.execute("UPDATE sealbook_read.event_counts SET count = 7")
    assert sealbook("fsck").code == 1

    sealbook("project", "--rebuild")

    assert sealbook("fsck").code == 0
