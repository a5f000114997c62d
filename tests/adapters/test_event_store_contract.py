"""What every event store promises, asked of each of them; and what PostgreSQL alone promises beyond it."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Command
from sealbook.application.ledger import Outcome, RefusedInWhole, execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import (
    Appended,
    EventStore,
    Group,
    Head,
    ImportProgress,
    NewEvent,
    NewOutcome,
    OutcomeUnknown,
    Unavailable,
    read_all,
)
from sealbook.domain import credential, customer
from sealbook.domain.customer import Customer
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderSubkind
from tests.commands import FEBRUARY, JANUARY, KIND, Script, name

ANNA, BORAM, PHONE, TABLET, FIRST, SECOND = (UUID(int=number) for number in range(1, 7))
ENROLLED = customer.Enrolled(at=JANUARY, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
KNOWN = Customer(subkind=HolderSubkind.INDIVIDUAL)
FILE = b"the digest of a file"
OPERATIONAL_TABLES = ("webhooks", "webhook_deliveries", "jobs")
LEDGER_TABLES = (
    *("ledger", "books", "events", "heads", "names", "vault", "erasures"),
    *("events_apart", "streams_apart", "commands", "commands_default", "imports", "migrations"),
)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> EventStore:
    chosen: EventStore = request.getfixturevalue(f"{request.param}_store")
    return chosen


class Meddled:
    """A store in which something happens just before each of the first appends."""

    def __init__(self, store: EventStore, *happenings: Callable[[], object]) -> None:
        self._store = store
        self._happenings = list(happenings)
        self._held = False
        self.appended: list[Appended] = []
        self.held_at_append: list[bool] = []
        self.load, self.read, self.stream, self.named = store.load, store.read, store.stream, store.named
        self.last_position, self.names_of = store.last_position, store.names_of
        self.import_progress = store.import_progress
        self.tracked, self.track = store.tracked, store.track
        self.command_digest, self.erasures = store.command_digest, store.erasures
        self.forget_erased = store.forget_erased

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        if self._happenings:
            self._happenings.pop(0)()
        self.held_at_append.append(self._held)
        self.appended.append(self._store.append(groups, whole=whole, progress=progress))
        return self.appended[-1]

    @contextmanager
    def locked(self) -> Generator[None, None, None]:
        with self._store.locked():
            self._held = True
            yield
            self._held = False


def new_event(stream: UUID, version: int, event: customer.Event, *, command_id: UUID | None = None) -> NewEvent:
    return NewEvent(
        stream=stream,
        version=version,
        actor="teller 7",
        channel="branch",
        command_id=command_id,
        caused_by=None if version == 1 else version - 1,
        event=event,
    )


def enrolling(stream: UUID, *, named: Name | None = None, command_id: UUID | None = None) -> Group:
    kept = [] if command_id is None else [command_id]
    return Group(
        commands=[0],
        read={stream: 0},
        moved={stream: Head(version=1, state=KNOWN)},
        events=[new_event(stream, 1, ENROLLED, command_id=command_id)],
        names={} if named is None else {named: stream},
        outcomes=[
            NewOutcome(command_id=each, digest=b"content", refusal=None, stream=stream, last_event=0) for each in kept
        ],
    )


def opening(stream: UUID, head: Head, held: UUID = FIRST) -> Group:
    event = customer.CredentialOpened(at=FEBRUARY, credential=held, kind=KIND)
    assert isinstance(head.state, Customer)
    moved = Head(version=head.version + 1, state=customer.evolve(head.state, event))
    return Group(
        commands=[0],
        read={stream: head.version},
        moved={stream: moved},
        events=[new_event(stream, moved.version, event)],
    )


def head(store: EventStore, stream: UUID) -> Head:
    return store.load(streams=[stream], names=(), commands=()).heads[stream]


def progress(*, before: int, done: int, finished: bool = False, options: str = "facts") -> ImportProgress:
    return ImportProgress(digest=FILE, options=options, lines_done_before=before, lines_done=done, finished=finished)


def one(store: EventStore, command: Command) -> Outcome:
    (outcome,) = execute(store, [command])
    return outcome


def with_people(store: EventStore, script: Script) -> None:
    """Anna and Boram are enrolled, a phone and a tablet registered, the policy adopted: five streams of one event."""
    execute(
        store,
        [
            script.adopt_policy(),
            script.enroll(ANNA, name("Anna")),
            script.enroll(BORAM, name("Boram")),
            script.register(PHONE),
            script.register(TABLET),
        ],
    )


def with_credential(store: EventStore, script: Script) -> None:
    with_people(store, script)
    assert one(store, script.issue(FIRST, customer=ANNA, device=PHONE)).accepted


# --- Loading and reading.


def test_what_is_not_there_is_missing_from_a_load(store: EventStore) -> None:
    loaded = store.load(streams=[ANNA], names=[name("Anna")], commands=[FIRST])
    assert (dict(loaded.heads), dict(loaded.names), dict(loaded.outcomes)) == ({}, {}, {})
    assert (store.read(after=0, limit=10), store.stream(ANNA), store.last_position()) == ([], [], 0)
    assert (dict(store.names_of([ANNA])), dict(store.named(NameKind.CUSTOMER))) == ({}, {})
    assert store.import_progress(FILE) is None


def test_a_load_brings_the_heads_that_names_lead_to(store: EventStore) -> None:
    store.append([enrolling(ANNA, named=name("Anna"))])
    loaded = store.load(streams=(), names=[name("Anna")], commands=())
    assert loaded.names == {name("Anna"): ANNA}
    assert loaded.heads == {ANNA: Head(version=1, state=KNOWN)}


def test_what_was_appended_is_read_back_equal(store: EventStore) -> None:
    command_id = UUID(int=99)
    appended = store.append([enrolling(ANNA, command_id=command_id)])
    (recorded,) = store.read(after=0, limit=10)
    assert (recorded.position, recorded.stream, recorded.version) == (1, ANNA, 1)
    assert (recorded.actor, recorded.channel, recorded.command_id) == ("teller 7", "branch", command_id)
    assert (recorded.event, recorded.caused_by) == (ENROLLED, None)
    assert recorded.recorded_at == appended.recorded_at
    assert store.load(streams=(), names=(), commands=[command_id]).outcomes[command_id].position == 1


def test_a_cause_is_read_back_with_the_event_that_it_caused(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    store.append([opening(ANNA, head(store, ANNA))])
    assert [event.caused_by for event in store.stream(ANNA)] == [None, 1]


def test_positions_are_dense_over_groups_and_batches(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    one(store, script.suspend(UUID(int=404)))
    execute(store, [script.enroll(script.new_id()) for _ in range(20)])
    positions = [event.position for event in read_all(store)]
    assert positions == list(range(1, store.last_position() + 1))


def test_a_range_of_the_log_is_read_by_position(store: EventStore) -> None:
    store.append([enrolling(UUID(int=number)) for number in range(1, 8)])
    assert [event.position for event in store.read(after=2, limit=3)] == [3, 4, 5]
    assert [event.position for event in store.read(after=5, limit=10)] == [6, 7]
    assert store.read(after=7, limit=10) == []


def test_a_stream_is_read_in_version_order(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    execute(store, [script.suspend(FIRST), script.enroll(SECOND), script.resume(FIRST)])
    assert [event.version for event in store.stream(FIRST)] == [1, 2, 3, 4]
    assert {event.stream for event in store.stream(FIRST)} == {FIRST}


def test_names_are_read_back_by_stream_and_by_kind(store: EventStore) -> None:
    with_people(store, Script())
    assert store.names_of([ANNA, BORAM, SECOND]) == {ANNA: name("Anna"), BORAM: name("Boram")}
    assert store.named(NameKind.CUSTOMER) == {name("Anna"): ANNA, name("Boram"): BORAM}
    assert store.named(NameKind.CREDENTIAL) == {}


def test_equal_values_of_different_kinds_are_different_names(store: EventStore) -> None:
    as_credential = name("Anna", NameKind.CREDENTIAL)
    store.append([enrolling(ANNA, named=name("Anna")), enrolling(BORAM, named=as_credential)])
    assert store.load(streams=(), names=[name("Anna"), as_credential], commands=()).names == {
        name("Anna"): ANNA,
        as_credential: BORAM,
    }


# --- Appending.


def test_a_stale_head_leaves_its_group_out_and_is_returned(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    old = head(store, ANNA)
    store.append([opening(ANNA, old, FIRST)])
    appended = store.append([opening(ANNA, old, SECOND)])
    assert (appended.left_out, dict(appended.positions)) == (frozenset({0}), {})
    assert appended.stale == {ANNA: head(store, ANNA)}
    assert appended.stale[ANNA].version == 2
    assert store.last_position() == 2


def test_a_stream_that_is_begun_by_another_is_stale(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    appended = store.append([enrolling(ANNA)])
    assert appended.stale == {ANNA: Head(version=1, state=KNOWN)}
    assert store.last_position() == 1


def test_a_missing_head_of_which_events_were_expected_is_stale(store: EventStore) -> None:
    appended = store.append([opening(ANNA, Head(version=5, state=KNOWN))])
    assert appended.left_out == {0}
    assert appended.stale == {ANNA: Head(version=0, state=None)}
    assert store.last_position() == 0


def test_a_stream_that_is_only_read_is_compared_as_well(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    reader = enrolling(BORAM)
    reader.read[ANNA] = 1
    store.append([opening(ANNA, head(store, ANNA))])
    assert store.append([reader]).left_out == {0}
    reader.read[ANNA] = 2
    assert store.append([reader]).positions == {0: 3}


def test_a_group_left_out_leaves_no_gap_among_the_others(store: EventStore) -> None:
    store.append([enrolling(BORAM)])
    appended = store.append([enrolling(ANNA), enrolling(BORAM), enrolling(FIRST)])
    assert (appended.left_out, dict(appended.positions)) == (frozenset({1}), {0: 2, 2: 3})
    assert [event.position for event in read_all(store)] == [1, 2, 3]


def test_a_group_without_events_has_no_position(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    idle = Group(commands=[0], read={ANNA: 1})
    assert dict(store.append([idle, enrolling(BORAM)]).positions) == {1: 2}


def test_a_name_taken_is_a_conflict_of_that_group_alone(store: EventStore) -> None:
    store.append([enrolling(ANNA, named=name("Anna"))])
    appended = store.append([enrolling(BORAM, named=name("Anna")), enrolling(FIRST, named=name("Boram"))])
    assert appended.left_out == {0}
    assert appended.taken == {name("Anna"): ANNA}
    assert appended.positions == {1: 2}
    assert store.load(streams=(), names=[name("Boram")], commands=()).names == {name("Boram"): FIRST}


def test_a_command_id_carried_out_before_leaves_its_group_out_and_its_outcome_is_returned(store: EventStore) -> None:
    store.append([enrolling(ANNA, command_id=SECOND)])
    appended = store.append([enrolling(BORAM, command_id=SECOND), enrolling(FIRST)])
    assert appended.left_out == {0}
    assert appended.outcomes[SECOND].stream == ANNA
    assert appended.outcomes[SECOND].position == 1


def test_linked_commands_are_left_out_together_and_the_others_are_appended(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    meddled = Meddled(store, lambda: one(store, script.suspend(FIRST)))
    batch = [script.enroll(SECOND), script.use(FIRST, device=PHONE), script.resume(FIRST)]
    enrolled, used, resumed = execute(meddled, batch)
    assert (meddled.appended[0].left_out, set(meddled.appended[0].positions)) == (frozenset({1}), {0})
    assert (enrolled.accepted, used.refusal, resumed.accepted) == (True, Refusal.SUSPENDED, True)
    assert [type(event.event) for event in store.stream(FIRST)] == [
        credential.Issued,
        credential.KeyAttested,
        credential.Suspended,
        credential.UseRefused,
        credential.Resumed,
    ]


# --- Time.


def test_recorded_at_goes_on_in_memory() -> None:
    noon = datetime(2024, 5, 5, 12, tzinfo=UTC)
    times = iter([noon, noon - timedelta(hours=1)])
    store = MemoryEventStore(clock=lambda: next(times))
    first, second = store.append([enrolling(ANNA)]), store.append([enrolling(BORAM)])

    assert noon == first.recorded_at < second.recorded_at


def test_recorded_at_goes_on_in_postgresql(postgres_store: PostgresEventStore, ledger_dsn: str) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    with psycopg.connect(ledger_dsn, autocommit=True) as superuser:
        superuser.execute("UPDATE sealbook.books SET recorded_at = %s", [ahead])
    first, second = postgres_store.append([enrolling(ANNA)]), postgres_store.append([enrolling(BORAM)])

    assert ahead < first.recorded_at < second.recorded_at
    assert [event.recorded_at for event in read_all(postgres_store)] == [first.recorded_at, second.recorded_at]


# --- Write skew.


def test_of_two_concurrent_issues_for_one_person_one_passes(store: EventStore) -> None:
    script = Script()
    with_people(store, script)
    rivals: list[Outcome] = []
    rival = script.issue(SECOND, customer=ANNA, device=TABLET)
    meddled = Meddled(store, lambda: rivals.append(one(store, rival)))
    late = one(meddled, script.issue(FIRST, customer=ANNA, device=PHONE))
    assert rivals[0].accepted
    assert late.refusal in {Refusal.ALREADY_HELD, Refusal.DEVICE_SLOT}
    assert store.stream(FIRST) == []


def test_of_two_concurrent_issues_on_one_device_one_passes(store: EventStore) -> None:
    script = Script()
    with_people(store, script)
    rivals: list[Outcome] = []
    rival = script.issue(SECOND, customer=BORAM, device=PHONE)
    meddled = Meddled(store, lambda: rivals.append(one(store, rival)))
    late = one(meddled, script.issue(FIRST, customer=ANNA, device=PHONE))
    assert rivals[0].accepted
    assert late.refusal is Refusal.DEVICE_TAKEN
    assert store.stream(FIRST) == []


def test_of_two_concurrent_claims_of_a_name_one_passes(store: EventStore) -> None:
    script = Script()
    meddled = Meddled(store, lambda: one(store, script.enroll(BORAM, name("Kim"))))
    assert one(meddled, script.enroll(ANNA, name("Kim"))).refusal is Refusal.DUPLICATE
    assert store.named(NameKind.CUSTOMER) == {name("Kim"): BORAM}


def test_a_name_is_free_for_the_next_when_the_command_that_claimed_it_is_refused_after_all(store: EventStore) -> None:
    script = Script()
    meddled = Meddled(store, lambda: one(store, script.enroll(ANNA)))
    first, second = execute(meddled, [script.enroll(ANNA, name("Kim")), script.enroll(BORAM, name("Kim"))])
    assert (first.refusal, second.refusal) == (Refusal.DUPLICATE, None)


# --- Command ids.


def test_a_command_sent_again_gets_its_first_outcome_and_is_not_carried_out_twice(store: EventStore) -> None:
    command = Script().enroll(ANNA)
    first, again = one(store, command), one(store, command)
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.refusal, again.stream, again.position) == (None, ANNA, first.position)
    assert store.last_position() == 1


def test_a_command_sent_again_while_the_first_is_under_way_is_carried_out_once(store: EventStore) -> None:
    command = Script().enroll(ANNA)
    again = one(Meddled(store, lambda: one(store, command)), command)
    assert (again.accepted, again.repeated, again.position) == (True, True, 1)
    assert store.last_position() == 1


def test_a_command_id_with_other_content_is_refused(store: EventStore) -> None:
    script = Script()
    first = script.enroll(ANNA)
    other = script.command(script.enroll(BORAM).request, command_id=first.command_id)
    one(store, first)
    assert one(store, other).refusal is Refusal.COMMAND_ID_REUSED
    assert store.stream(BORAM) == []


def test_a_plain_refusal_is_not_kept_so_the_command_may_succeed_later(store: EventStore) -> None:
    script = Script()
    with_people(store, script)
    early = script.suspend(FIRST)
    assert one(store, early).refusal is Refusal.NOT_ISSUED
    assert one(store, script.issue(FIRST, customer=ANNA, device=PHONE)).accepted
    assert one(store, early).accepted


def test_a_refused_use_is_kept_and_answered_the_same_again(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    use = script.use(FIRST, device=TABLET)
    first = one(store, use)
    again = one(store, use)
    assert first.refusal is again.refusal is Refusal.WRONG_DEVICE
    assert (again.repeated, again.position) == (True, first.position)
    assert sum(isinstance(event.event, credential.UseRefused) for event in store.stream(FIRST)) == 1


def test_a_command_twice_in_a_batch_is_carried_out_once(store: EventStore) -> None:
    command = Script().enroll(ANNA)
    first, again = execute(store, [command, command])
    assert (first.repeated, again.repeated) == (False, True)
    assert again.position == first.position == store.last_position() == 1


def test_one_id_for_two_commands_of_a_batch_refuses_the_second(store: EventStore) -> None:
    script = Script()
    first = script.enroll(ANNA)
    other = script.command(script.enroll(BORAM).request, command_id=first.command_id)
    assert [outcome.refusal for outcome in execute(store, [first, other])] == [None, Refusal.COMMAND_ID_REUSED]


# --- Imports.


def test_a_whole_append_is_all_or_nothing(store: EventStore) -> None:
    store.append([enrolling(ANNA)])
    appended = store.append([enrolling(BORAM), enrolling(ANNA)], whole=True, progress=progress(before=0, done=2))
    assert appended.left_out == {0, 1}
    assert (store.last_position(), store.import_progress(FILE)) == (1, None)
    appended = store.append([enrolling(BORAM)], whole=True, progress=progress(before=0, done=1))
    assert (store.last_position(), store.import_progress(FILE)) == (2, ("facts", 1, False))


def test_a_batch_with_progress_that_goes_stale_is_decided_again_and_appended_whole(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    meddled = Meddled(store, lambda: one(store, script.suspend(FIRST)))
    batch = [script.enroll(SECOND), script.resume(FIRST)]
    outcomes = execute(meddled, batch, progress=progress(before=0, done=2, finished=True))
    assert [len(each.left_out) for each in meddled.appended] == [2, 0]
    assert all(outcome.accepted for outcome in outcomes)
    assert store.import_progress(FILE) == ("facts", 2, True)


def test_a_refusal_in_a_batch_with_progress_leaves_nothing_of_it(store: EventStore) -> None:
    script = Script()
    batch = [script.enroll(ANNA), script.suspend(FIRST)]
    with pytest.raises(RefusedInWhole):
        execute(store, batch, progress=progress(before=0, done=2))
    assert (store.last_position(), store.import_progress(FILE)) == (0, None)


def test_a_command_twice_in_a_batch_with_progress_is_carried_out_once(store: EventStore) -> None:
    command = Script().enroll(ANNA)
    first, again = execute(store, [command, command], progress=progress(before=0, done=2))
    assert (first.repeated, again.repeated, store.last_position()) == (False, True, 1)


@pytest.mark.parametrize("stale_before", [0, 1, 3], ids=["from the start", "behind", "ahead"])
def test_progress_that_is_not_where_the_ledger_holds_it_appends_nothing(store: EventStore, stale_before: int) -> None:
    store.append([enrolling(ANNA)], whole=True, progress=progress(before=0, done=2))
    with pytest.raises(Unavailable):
        store.append([enrolling(BORAM)], whole=True, progress=progress(before=stale_before, done=4))
    assert (store.last_position(), store.import_progress(FILE)) == (1, ("facts", 2, False))
    store.append([enrolling(BORAM)], whole=True, progress=progress(before=2, done=4, finished=True))
    assert (store.last_position(), store.import_progress(FILE)) == (2, ("facts", 4, True))


def test_progress_of_a_file_that_is_unknown_begins_at_its_first_line(store: EventStore) -> None:
    with pytest.raises(Unavailable):
        store.append([enrolling(ANNA)], whole=True, progress=progress(before=5, done=6))
    assert (store.last_position(), store.import_progress(FILE)) == (0, None)


def test_a_file_is_not_imported_on_with_other_options(store: EventStore) -> None:
    store.append([], whole=True, progress=progress(before=0, done=2))
    with pytest.raises(Unavailable):
        store.append([enrolling(ANNA)], whole=True, progress=progress(before=2, done=3, options="uses"))
    assert (store.last_position(), store.import_progress(FILE)) == (0, ("facts", 2, False))


# --- Holding the book.


def test_from_the_third_attempt_on_the_book_is_held(store: EventStore) -> None:
    script = Script()
    with_credential(store, script)
    meddled = Meddled(store, lambda: one(store, script.suspend(FIRST)), lambda: one(store, script.resume(FIRST)))
    used = one(meddled, script.use(FIRST, device=PHONE))
    assert [len(each.left_out) for each in meddled.appended] == [1, 1, 0]
    assert meddled.held_at_append == [False, False, True]
    assert used.accepted
    assert used.position == store.last_position()


def test_what_is_appended_while_the_book_is_held_is_undone_by_a_failure_in_postgresql(
    postgres_store: PostgresEventStore,
) -> None:
    with suppress(ZeroDivisionError), postgres_store.locked():
        postgres_store.append([enrolling(ANNA)])
        raise ZeroDivisionError
    assert (postgres_store.last_position(), postgres_store.stream(ANNA)) == (0, [])


def test_nobody_else_appends_to_a_held_book_in_postgresql(
    postgres_store: PostgresEventStore, ledger_dsn: str, keys: Keys
) -> None:
    other = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
    other.connection.execute("SET lock_timeout = '10ms'")
    with postgres_store.locked():
        with pytest.raises(Unavailable):
            other.append([enrolling(BORAM)])
        with pytest.raises(Unavailable), other.locked():
            raise AssertionError
        assert postgres_store.append([enrolling(ANNA)]).positions == {0: 1}
    assert other.append([enrolling(BORAM)]).positions == {0: 2}
    other.close()


def test_nobody_else_appends_to_a_held_book_in_memory(memory_store: MemoryEventStore) -> None:
    other = Thread(target=lambda: memory_store.append([enrolling(BORAM)]))
    with memory_store.locked():
        other.start()
        other.join(timeout=0.05)
        assert other.is_alive()
        assert memory_store.append([enrolling(ANNA)]).positions == {0: 1}
    other.join()
    assert [event.stream for event in read_all(memory_store)] == [ANNA, BORAM]


# --- Outages.


def kill_connection(store: PostgresEventStore, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [store.connection.info.backend_pid])


def test_an_append_whose_connection_broke_leaves_the_outcome_unknown(
    postgres_store: PostgresEventStore, ledger_dsn: str
) -> None:
    kill_connection(postgres_store, ledger_dsn)
    with pytest.raises(OutcomeUnknown):
        postgres_store.append([enrolling(ANNA)])


def test_a_load_whose_connection_broke_may_be_tried_again(postgres_store: PostgresEventStore, ledger_dsn: str) -> None:
    kill_connection(postgres_store, ledger_dsn)
    with pytest.raises(Unavailable):
        postgres_store.last_position()


def test_a_connection_that_breaks_at_the_commit_of_a_held_book_leaves_the_outcome_unknown(
    postgres_store: PostgresEventStore, ledger_dsn: str
) -> None:
    def append_and_break() -> None:
        with postgres_store.locked():
            postgres_store.append([enrolling(ANNA)])
            kill_connection(postgres_store, ledger_dsn)

    with pytest.raises(OutcomeUnknown):
        append_and_break()


# --- Rights and secrets.


@pytest.fixture
def superuser(ledger_dsn: str, postgres_store: PostgresEventStore) -> Iterator[psycopg.Connection]:
    with_credential(postgres_store, Script())
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sealbook.events SET version = 9 WHERE position = 1",
        "DELETE FROM sealbook.events WHERE position = 1",
        "TRUNCATE sealbook.events",
    ],
    ids=["update", "delete", "truncate"],
)
def test_not_even_the_superuser_changes_an_event(superuser: psycopg.Connection, change: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        superuser.execute(change.encode())


@pytest.mark.parametrize("table", LEDGER_TABLES)
@pytest.mark.parametrize(
    "change", ["INSERT INTO {} SELECT * FROM {}", "DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET {column} = NULL"]
)
def test_the_application_writes_no_ledger_table_by_itself(
    superuser: psycopg.Connection, table: str, change: str
) -> None:
    columns = superuser.execute(f"SELECT * FROM sealbook.{table} LIMIT 0".encode()).description or []
    statement = change.replace("{column}", columns[0].name).replace("{}", f"sealbook.{table}")
    superuser.execute("SET ROLE sealbook_app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        superuser.execute(statement.encode())


def test_every_table_of_the_ledger_is_among_those_that_the_application_may_not_write(
    superuser: psycopg.Connection,
) -> None:
    rows = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'sealbook'").fetchall()
    assert {table for (table,) in rows} == {*LEDGER_TABLES, *OPERATIONAL_TABLES, "tracking"}


def test_how_far_a_process_manager_has_read_is_kept_by_its_name(store: EventStore) -> None:
    assert store.tracked("cascades") == 0
    store.track("cascades", 3)
    store.track("cascades", 7)
    assert (store.tracked("cascades"), store.tracked("another")) == (7, 0)


def test_no_name_shows_in_a_repr_or_in_what_a_refusal_says(store: EventStore) -> None:
    script = Script()
    command = script.enroll(ANNA, name("Anna Kim 900101"))
    one(store, command)
    refused = one(store, script.enroll(BORAM, name("Anna Kim 900101")))
    shown = [command, name("Anna Kim 900101"), refused, *store.named(NameKind.CUSTOMER), *read_all(store)]
    assert "Anna" not in repr(shown)


def test_no_name_shows_when_the_database_refuses_it(postgres_store: PostgresEventStore, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True) as superuser:
        superuser.execute("DROP TABLE sealbook.names")
    with pytest.raises(psycopg.Error) as failure:
        postgres_store.append([enrolling(ANNA, named=name("Anna Kim 900101"))])
    assert "Anna" not in str(failure.value)
