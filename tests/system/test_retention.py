"""Records whose time is over: set apart, destroyed class by class, and proven all the same."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.archive import PostgresArchive
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.desk import SealDesk
from sealbook.application import questions
from sealbook.application.erasure import erase
from sealbook.application.ledger import execute
from sealbook.application.requests import CloseCustomer
from sealbook.application.retention import Due, due, run
from sealbook.domain import credential
from sealbook.domain.calendar import Period
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import preset_kinds
from sealbook_verify.cli import main
from tests.adapters.seal.sealing import desk_of, mapped, sealed
from tests.commands import FEBRUARY, Script
from tests.conftest import WORKING_KEYS

ERASED_AT = datetime(2030, 1, 1, tzinfo=UTC)
TWO_YEARS_ON, TEN_YEARS_ON = datetime(2031, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
BANK = preset_kinds().bank.model_copy(
    update={"records": {"credential.used": Period.parse("P5Y"), "credential.": Period.parse("P9Y")}}
)
GONE, KEPT = UUID(int=0xC << 64 | 1), UUID(int=0xC << 64 | 2)


@pytest.fixture
def postgres_store(ledger_dsn: str) -> Iterator[PostgresEventStore]:
    """Over keys of its own: what is erased here is not erased from another test's."""
    store = PostgresEventStore.connect(ledger_dsn, keys=MemoryKeys(WORKING_KEYS), randomness=os.urandom)
    yield store
    store.close()


@pytest.fixture
def desk(postgres_store: PostgresEventStore, tmp_path: Path) -> SealDesk:
    """A ledger of two customers with a credential each, the first closed and erased; all of it sealed."""
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    people = {held: script.new_id() for held in (GONE, KEPT)}
    for held, person in people.items():
        phone = script.new_id()
        commands = [script.enroll(person), script.register(phone), script.issue(held, customer=person, device=phone)]
        uses = [script.use(held, device=phone) for _ in range(3)]
        assert all(each.accepted for each in execute(postgres_store, [*commands, *uses]))
    person = people[GONE]
    ending = [
        script.on(GONE, credential.Revoke(at=FEBRUARY.replace(month=5))),
        script.command(CloseCustomer(at=FEBRUARY.replace(month=6), customer=person)),
    ]
    assert all(each.accepted for each in execute(postgres_store, ending))
    erase(
        postgres_store,
        postgres_store.keys,
        customer=person,
        basis="act-21",
        approved_by="officer-7",
        at=ERASED_AT,
        command_id=script.new_id(),
    )
    made = desk_of(postgres_store, tmp_path / "seal")
    mapped(made)
    return made


@pytest.fixture
def archive(ledger_dsn: str) -> Iterator[PostgresArchive]:
    with connected(ledger_dsn) as connection:
        yield PostgresArchive(connection)


def found(desk: SealDesk, archive: PostgresArchive, *, now: datetime) -> Due:
    return due(desk.store, archive, bank=BANK, now=now, sealed_to=desk.sealed_to())


def carried_out(desk: SealDesk, archive: PostgresArchive, *, now: datetime) -> Due:
    what = found(desk, archive, now=now)
    run(desk.store, archive, what, rule="act 22", approved_by="officer-7", at=now)
    return what


def findings(desk: SealDesk, dsn: str) -> list[str]:
    with connected(dsn) as connection:
        return list(Fsck(connection, keys=desk.keys, seal=SealCheck(desk.folder)).findings())


def verified(desk: SealDesk, tmp_path: Path, verb: str, *contents: bytes | Path) -> dict[str, Any]:
    paths = list[str]()
    for number, content in enumerate(contents):
        path = content if isinstance(content, Path) else tmp_path / f"{verb}-{number}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        paths.append(str(path))
    said = StringIO()
    with redirect_stdout(said):
        code = main([verb, *paths, "--policy", str(desk.folder.path / "policy"), "--json"])
    assert code == 0, said.getvalue()
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


def test_what_is_due_follows_from_the_class_of_each_event(desk: SealDesk, archive: PostgresArchive) -> None:
    early, late = found(desk, archive, now=TWO_YEARS_ON), found(desk, archive, now=TEN_YEARS_ON)

    assert [stream.stream for stream in early.apart].count(GONE) == 1
    assert KEPT not in {stream.stream for stream in early.apart}
    assert "credential.used" in early.by_name
    assert "credential.issued" not in early.by_name
    assert "credential.issued" in late.by_name


def test_what_is_set_apart_is_out_of_every_answer_and_in_the_seal(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, tmp_path: Path
) -> None:
    before = questions.show(desk.store, str(KEPT), as_of=ERASED_AT, known_at=None)
    count = len(desk.rows.of_stream(GONE.bytes))

    carried_out(desk, archive, now=TWO_YEARS_ON)
    sealed(desk)

    assert questions.show(desk.store, str(KEPT), as_of=ERASED_AT, known_at=None) == before
    with pytest.raises(Refused) as refused:
        questions.show(desk.store, str(GONE), as_of=ERASED_AT, known_at=None)
    assert refused.value.code is Refusal.NOT_FOUND
    assert findings(desk, ledger_dsn) == []
    assert len(desk.rows.of_stream(GONE.bytes)) == count
    history = verified(desk, tmp_path, "history", desk.prover().history(GONE.bytes).content)
    assert (history["shown"] > 0, history["destroyed"]) == (True, 3)


def test_when_all_time_is_over_only_commitments_are_left(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, tmp_path: Path
) -> None:
    bodies = [row.body for row in desk.rows.of_stream(GONE.bytes)]

    carried_out(desk, archive, now=TWO_YEARS_ON)
    carried_out(desk, archive, now=TEN_YEARS_ON)
    mapped(desk)

    assert all(row.destroyed for row in desk.rows.of_stream(GONE.bytes))
    with psycopg.connect(ledger_dsn) as connection:
        (held,) = connection.execute(
            "SELECT count(*) FROM (SELECT body FROM sealbook.events UNION ALL SELECT body FROM sealbook.events_apart)"
            " AS of (body) WHERE body = ANY (%s)",
            [bodies],
        ).fetchone() or (None,)
    assert held == 0
    assert findings(desk, ledger_dsn) == []
    history = verified(desk, tmp_path, "history", desk.prover().history(GONE.bytes).content)
    assert (history["shown"], history["destroyed"]) == (0, len(bodies))
    with (tmp_path / "events").open("wb") as file:
        desk.prover().dump(file, lambda _position: None)
    verified(desk, tmp_path, "full", desk.folder.path, tmp_path / "events")


def test_a_second_run_does_nothing(desk: SealDesk, archive: PostgresArchive) -> None:
    carried_out(desk, archive, now=TWO_YEARS_ON)
    end = desk.rows.end()

    again = carried_out(desk, archive, now=TWO_YEARS_ON)

    assert (again.apart, again.records, desk.rows.end()) == ([], {}, end)


@pytest.mark.parametrize("killed_after", ["set_apart", "destroy"])
def test_killed_in_between_and_run_again_it_is_done(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, monkeypatch: pytest.MonkeyPatch, killed_after: str
) -> None:
    carry_out: Callable[..., None] = getattr(archive, killed_after)

    def once(*given: object, **named: object) -> None:
        carry_out(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(archive, killed_after, once)
        with pytest.raises(KeyboardInterrupt):
            carried_out(desk, archive, now=TWO_YEARS_ON)
    carried_out(desk, archive, now=TWO_YEARS_ON)

    assert found(desk, archive, now=TWO_YEARS_ON).records == {}
    assert sum(row.destroyed for row in desk.rows.of_stream(GONE.bytes)) == 3
    assert findings(desk, ledger_dsn) == []


def test_what_is_not_sealed_waits(desk: SealDesk, archive: PostgresArchive) -> None:
    what = due(desk.store, archive, bank=BANK, now=TEN_YEARS_ON, sealed_to=0)

    assert (what.apart, what.records, what.unsealed > 0) == ([], {}, True)


def test_nothing_is_destroyed_on_nobodys_word(desk: SealDesk, archive: PostgresArchive) -> None:
    what = found(desk, archive, now=TWO_YEARS_ON)

    with pytest.raises(Refused) as refused:
        run(desk.store, archive, what, rule="act 22", approved_by="", at=TWO_YEARS_ON)
    assert refused.value.code is Refusal.EVIDENCE
    assert not any(row.destroyed for row in desk.rows.of_stream(GONE.bytes))


def test_the_read_models_built_anew_know_nothing_of_it(
    desk: SealDesk, archive: PostgresArchive, postgres_store: PostgresEventStore
) -> None:
    models = PostgresReadModels(postgres_store.connection, postgres_store)
    models.catch_up()
    carried_out(desk, archive, now=TWO_YEARS_ON)

    models.rebuild()

    assert models.differences() == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM sealbook.events WHERE position = 1",
        "DELETE FROM sealbook.events_apart WHERE stream = '{gone}'",
        "UPDATE sealbook.events_apart SET body = NULL WHERE stream = '{gone}'",
        "UPDATE sealbook.events_apart SET commitment = sha256(commitment) WHERE stream = '{gone}'",
        "UPDATE sealbook.events_apart SET salt = NULL, mac = NULL, body = NULL, version = 1 WHERE stream = '{gone}'",
        "TRUNCATE sealbook.events_apart",
    ],
)
def test_not_even_the_owner_does_more_by_accident(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, statement: str
) -> None:
    carried_out(desk, archive, now=TWO_YEARS_ON)

    with psycopg.connect(ledger_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(gone=GONE).encode())


@pytest.mark.parametrize(
    "altered",
    [
        "body = set_byte(body, 9, 255 - get_byte(body, 9))",
        "salt = set_byte(salt, 9, 255 - get_byte(salt, 9))",
        "commitment = set_byte(commitment, 9, 255 - get_byte(commitment, 9))",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "version = version + 128",
    ],
)
def test_what_is_set_apart_and_was_altered_is_named_by_position(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, altered: str
) -> None:
    carried_out(desk, archive, now=TWO_YEARS_ON)
    sealed(desk)
    kept = [row.position for row in desk.rows.of_stream(GONE.bytes) if not row.destroyed]
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"UPDATE sealbook.events_apart SET {altered} WHERE position = {kept[0]}".encode())

    assert any(f"position {kept[0]} " in finding for finding in findings(desk, ledger_dsn))


def test_a_body_that_was_destroyed_without_a_word_is_named(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str
) -> None:
    what = found(desk, archive, now=TWO_YEARS_ON)
    for each in what.apart:
        archive.set_apart([each.stream], ended_at=each.ended_at)
    (position, *_) = [row.position for row in desk.rows.of_stream(GONE.bytes)]

    archive.destroy(GONE, [position])

    assert findings(desk, ledger_dsn) == [
        f"position {position} has lost its body, and no event of the ledger says by what right"
    ]
