"""Records whose time is over: set apart, destroyed class by class, and proven all the same."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, LiteralString, cast
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
from sealbook.application.ports import Unavailable
from sealbook.application.requests import CloseCustomer, OnCustomer
from sealbook.application.retention import Due, due, run
from sealbook.domain import credential, customer
from sealbook.domain.calendar import Period
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.customer import Customer
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


def versions(what: Due) -> dict[UUID, int]:
    return {each.stream: each.records[-1].version for each in what.apart}


def streams(what: Due) -> set[UUID]:
    return {each.stream for each in what.apart}


def person_of(desk: SealDesk) -> UUID:
    """The customer that was erased."""
    heads = desk.store.load(
        streams=[each.subject for each in desk.store.erasures(after=0)], names=(), commands=()
    ).heads
    (person,) = [stream for stream, head in heads.items() if isinstance(head.state, Customer)]
    return person


def phone_of(desk: SealDesk) -> UUID:
    """The device that was erased with its customer."""
    (phone,) = {each.subject for each in desk.store.erasures(after=0)} - {person_of(desk)}
    return phone


def tried_to_use(desk: SealDesk) -> int:
    """Have the ledger record that the ended credential was refused; return the position of that."""
    script = Script(seed=7)
    (outcome,) = execute(desk.store, [script.use(GONE, device=None, at=ERASED_AT)])
    assert outcome.position is not None
    return outcome.position


def held(desk: SealDesk, *, lifted: bool = False) -> None:
    kind = customer.LiftLegalHold if lifted else customer.PlaceLegalHold
    request = OnCustomer(customer=person_of(desk), command=kind(at=ERASED_AT, case="2030-1"))
    (outcome,) = execute(desk.store, [Script(seed=8 + lifted).command(request)])
    assert outcome.accepted


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


def test_of_what_is_apart_only_what_is_sealed_is_destroyed(desk: SealDesk, archive: PostgresArchive) -> None:
    assert archive.set_apart(versions(found(desk, archive, now=TEN_YEARS_ON)), ended_at=ERASED_AT)
    last = desk.rows.of_stream(GONE.bytes)[-1].position

    what = due(desk.store, archive, bank=BANK, now=TEN_YEARS_ON, sealed_to=last - 1)

    assert what.unsealed > 0
    assert max(record.position for record in what.records[GONE]) < last


def test_what_happens_while_a_run_is_at_work_waits_for_the_next_and_is_sealed(
    desk: SealDesk, archive: PostgresArchive
) -> None:
    what = found(desk, archive, now=TEN_YEARS_ON)
    position = tried_to_use(desk)

    done = run(desk.store, archive, what, rule="act 22", approved_by="officer-7", at=TEN_YEARS_ON)
    again = carried_out(desk, archive, now=TEN_YEARS_ON)

    assert (done.apart, done.records, done.changed) == ([], {}, len(what.apart))
    assert (again.apart, again.records, again.unsealed) == ([], {}, len(what.apart))
    assert sealed(desk).unsealable is None
    assert desk.sealed_to() >= position
    assert streams(carried_out(desk, archive, now=TEN_YEARS_ON)) == streams(what)
    assert sealed(desk).unsealable is None


def test_a_customer_waits_for_all_that_goes_with_it(desk: SealDesk, archive: PostgresArchive) -> None:
    whole = streams(found(desk, archive, now=TWO_YEARS_ON))
    tried_to_use(desk)

    waiting = carried_out(desk, archive, now=TWO_YEARS_ON)
    sealed(desk)

    assert (waiting.apart, waiting.unsealed) == ([], len(whole))
    assert GONE in whole
    assert streams(carried_out(desk, archive, now=TWO_YEARS_ON)) == whole


def test_streams_are_set_apart_all_at_once_or_not_at_all(desk: SealDesk, archive: PostgresArchive) -> None:
    seen = versions(found(desk, archive, now=TWO_YEARS_ON))

    for stream in seen:
        assert not archive.set_apart({**seen, stream: seen[stream] - 1}, ended_at=ERASED_AT)
    assert list(archive.streams()) == []
    assert archive.set_apart(seen, ended_at=ERASED_AT)
    assert archive.set_apart(seen, ended_at=ERASED_AT)
    assert {each.stream for each in archive.streams()} == set(seen)


def test_a_device_that_somebody_else_has_had_since_stays(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str
) -> None:
    script, phone, at = Script(seed=9), phone_of(desk), ERASED_AT
    other, anew = script.new_id(), script.new_id()
    again = [script.enroll(other, at=at), script.issue(anew, customer=other, device=phone, at=at)]
    assert all(each.accepted for each in execute(desk.store, again))
    sealed(desk)

    what = carried_out(desk, archive, now=TEN_YEARS_ON)

    assert GONE in streams(what)
    assert phone not in streams(what)
    ending = [script.on(anew, credential.Revoke(at=at)), script.release(phone, at=at)]
    assert all(each.accepted for each in execute(desk.store, ending))
    sealed(desk)
    assert findings(desk, ledger_dsn) == []


def test_who_is_held_after_its_erasure_is_left_alone_until_the_hold_is_lifted(
    desk: SealDesk, archive: PostgresArchive
) -> None:
    whole = streams(found(desk, archive, now=TEN_YEARS_ON))
    held(desk)
    sealed(desk)
    kept = carried_out(desk, archive, now=TEN_YEARS_ON)
    held(desk, lifted=True)
    sealed(desk)

    assert (kept.apart, kept.records, kept.unsealed, kept.held) == ([], {}, 0, 1)
    assert streams(found(desk, archive, now=TEN_YEARS_ON)) == whole


@pytest.mark.parametrize("while_it_looks", [True, False])
def test_a_hold_that_is_placed_while_a_run_is_at_work_is_kept(
    desk: SealDesk, archive: PostgresArchive, monkeypatch: pytest.MonkeyPatch, *, while_it_looks: bool
) -> None:
    person, read = person_of(desk), desk.store.stream

    def held_first(stream: UUID) -> list[RecordedEvent]:
        if stream == person:
            held(desk)
        return read(stream)

    with monkeypatch.context() as patched:
        if while_it_looks:
            patched.setattr(desk.store, "stream", held_first)
        what = due(desk.store, archive, bank=BANK, now=TEN_YEARS_ON, sealed_to=desk.sealed_to() + 1)
    if not while_it_looks:
        held(desk)

    assert person in streams(what)
    run(desk.store, archive, what, rule="act 22", approved_by="officer-7", at=TEN_YEARS_ON)

    assert list(archive.streams()) == []


def test_nothing_is_destroyed_on_nobodys_word(desk: SealDesk, archive: PostgresArchive) -> None:
    what = found(desk, archive, now=TWO_YEARS_ON)

    with pytest.raises(Refused) as refused:
        run(desk.store, archive, what, rule="act 22", approved_by="", at=TWO_YEARS_ON)
    assert refused.value.code is Refusal.EVIDENCE
    assert not any(row.destroyed for row in desk.rows.of_stream(GONE.bytes))


def test_the_read_models_are_built_anew_by_who_reads_on(
    desk: SealDesk, archive: PostgresArchive, postgres_store: PostgresEventStore
) -> None:
    models = PostgresReadModels(postgres_store.connection, postgres_store)
    models.catch_up()

    carried_out(desk, archive, now=TWO_YEARS_ON)
    meanwhile = models.tally(as_of=TEN_YEARS_ON)
    models.catch_up()

    tally = models.tally(as_of=TEN_YEARS_ON)
    assert meanwhile is None
    assert tally is not None
    assert set(tally.credentials) == {KEPT}
    assert models.differences() == []


def test_streams_that_leave_between_two_batches_of_a_follower_leave_the_read_models(
    desk: SealDesk, archive: PostgresArchive, postgres_store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, left = PostgresReadModels(postgres_store.connection, postgres_store), list[Due]()
    monkeypatch.setattr("sealbook.adapters.read_models.postgres.EVENTS_A_BATCH", postgres_store.last_position() - 1)

    def advanced(_position: int) -> None:
        if not left:
            left.append(found(desk, archive, now=TWO_YEARS_ON))
            assert archive.set_apart(versions(left[0]), ended_at=ERASED_AT)

    models.catch_up(advanced=advanced)

    tally = models.tally(as_of=TEN_YEARS_ON)
    assert tally is not None
    assert set(tally.credentials) == {KEPT}


def test_nothing_leaves_while_the_read_models_are_built_anew(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, postgres_store: PostgresEventStore
) -> None:
    what = found(desk, archive, now=TWO_YEARS_ON)
    models, refused = PostgresReadModels(postgres_store.connection, postgres_store), list[bool]()

    def advanced(_position: int) -> None:
        with connected(ledger_dsn) as connection:
            connection.execute("SET lock_timeout = '10ms'")
            with pytest.raises(Unavailable):
                PostgresArchive(connection).set_apart(versions(what), ended_at=ERASED_AT)
        refused.append(True)

    models.rebuild(advanced=advanced)

    assert any(refused)
    assert models.differences() == []
    assert archive.set_apart(versions(what), ended_at=ERASED_AT)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT sealbook.vault_put(0::smallint, %(gone)s, 'name:customer', %(gone)s, 'record', 'x')",
        "SELECT sealbook.vault_forget(0::smallint, %(gone)s, 'name:customer')",
    ],
)
def test_not_even_the_application_touches_a_name_in_the_vault(
    postgres_store: PostgresEventStore, statement: LiteralString
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the ledger's own"):
        postgres_store.connection.execute(statement, {"gone": GONE})


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
    assert archive.set_apart(versions(what), ended_at=ERASED_AT)
    (position, *_) = [row.position for row in desk.rows.of_stream(GONE.bytes)]

    archive.destroy(GONE, [position])

    assert findings(desk, ledger_dsn) == [
        f"position {position} has lost its body, and no event of the ledger says by what right"
    ]


def test_a_log_that_is_begun_anew_proves_what_the_law_had_destroyed(
    desk: SealDesk, archive: PostgresArchive, ledger_dsn: str, tmp_path: Path
) -> None:
    carried_out(desk, archive, now=TWO_YEARS_ON)
    sealed(desk)
    anew = desk_of(cast("PostgresEventStore", desk.store), tmp_path / "anew")

    mapped(anew)

    assert anew.sealed_to() == anew.rows.end()
    assert findings(anew, ledger_dsn) == []
    history = verified(anew, tmp_path, "history", anew.prover().history(GONE.bytes).content)
    assert history["destroyed"] == 3


def test_nothing_is_handed_out_before_the_right_to_destroy_is_sealed(desk: SealDesk, archive: PostgresArchive) -> None:
    carried_out(desk, archive, now=TWO_YEARS_ON)

    with pytest.raises(Unavailable, match="by what right is not sealed"):
        desk.prover().history(GONE.bytes)
    sealed(desk)
    assert desk.prover().history(GONE.bytes).events > 0
