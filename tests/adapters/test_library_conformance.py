"""The library's own conformance cases against our recorders, and what its Application sees of our log."""

import os
from collections.abc import Collection, Iterator
from itertools import islice
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from eventsourcing.utils import Environment

from sealbook.adapters.eventstore.library import Ledger, LedgerEvent, LedgerFactory
from sealbook.adapters.eventstore.library_recorder import LedgerProcessRecorder, LedgerRecorder, SharedStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.port import Keys
from sealbook.application.names import Name
from sealbook.application.ports import LedgerDamaged, Loaded, NewEvent, read_all
from sealbook.domain import customer
from sealbook.domain.catalogue import Event, event_name
from sealbook.domain.errors import Refused
from sealbook.domain.values import HolderSubkind
from tests.commands import FEBRUARY, JANUARY, KIND, MARCH, Script, name

ANNA, PHONE, FIRST, SECOND = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)


class OverPostgres:
    """Gives a case recorders over a ledger of its own."""

    factory: LedgerFactory

    @pytest.fixture(autouse=True)
    def _ledger(self, postgres_store: PostgresEventStore) -> Iterator[None]:
        shared = SharedStore(postgres_store, randomness=os.urandom)
        self.factory = LedgerFactory(shared)
        yield
        # The cases do not wait for their reading threads: closed in turn, the connection is in nobody's hands.
        with shared.held() as store:
            store.close()


class TestApplicationRecorder(OverPostgres, ApplicationRecorderTestCase[LedgerRecorder]):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleavingNotificationIds(OverPostgres, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LedgerRecorder:
        return self.factory.application_recorder()


class TestProcessRecorder(OverPostgres, ProcessRecorderTestCase):
    def create_recorder(self) -> LedgerProcessRecorder:
        return self.factory.process_recorder()


class TestProcessRecorderAsApplicationRecorder(OverPostgres, ApplicationRecorderTestCase[LedgerProcessRecorder]):
    def create_recorder(self) -> LedgerProcessRecorder:
        return self.factory.process_recorder()


class TestTrackingRecorder(OverPostgres, TrackingRecorderTestCase):
    def create_recorder(self) -> LedgerProcessRecorder:
        return self.factory.process_recorder()


@pytest.fixture
def ledger(postgres_store: PostgresEventStore) -> Ledger:
    return Ledger(postgres_store, randomness=os.urandom)


def saved(stream: UUID, version: int, event: Event) -> LedgerEvent:
    new = NewEvent(
        stream=stream, version=version, actor="test", channel="branch", command_id=None, caused_by=None, event=event
    )
    return LedgerEvent(new)


def enrolled(stream: UUID) -> LedgerEvent:
    return saved(stream, 1, customer.Enrolled(at=JANUARY, subkind=HolderSubkind.INDIVIDUAL, provenance=None))


def opened(stream: UUID, version: int, held: UUID) -> LedgerEvent:
    return saved(stream, version, customer.CredentialOpened(at=FEBRUARY, credential=held, kind=KIND))


def foreign(stream: UUID, version: int) -> StoredEvent:
    return StoredEvent(stream, version, "a topic of the library's", b"state")


def test_saved_and_executed_events_stand_in_one_dense_log(ledger: Ledger, postgres_store: PostgresEventStore) -> None:
    script = Script()
    ledger.execute([script.adopt_policy()])
    recordings = ledger.save(enrolled(ANNA), opened(ANNA, 2, FIRST))
    ledger.execute([script.register(PHONE), script.enroll(SECOND, name("Boram"))])
    assert [each.notification.id for each in recordings] == [2, 3]
    log = list(read_all(postgres_store))
    notifications = ledger.recorder.select_notifications(None, 10)
    assert [event.position for event in log] == [each.id for each in notifications] == [1, 2, 3, 4, 5]
    assert [each.topic for each in notifications] == [event_name(event.event) for event in log]


def test_a_saved_event_moves_the_head_that_execute_decides_on(
    ledger: Ledger, postgres_store: PostgresEventStore
) -> None:
    script = Script()
    ledger.execute([script.adopt_policy(), script.register(PHONE)])
    ledger.save(enrolled(ANNA))
    (issued,) = ledger.execute([script.issue(FIRST, customer=ANNA, device=PHONE)])
    ledger.save(opened(ANNA, 4, SECOND))
    assert issued.accepted
    head = postgres_store.load(streams=[ANNA], names=(), commands=()).heads[ANNA]
    assert head.version == 4
    assert head.state == customer.fold(
        event.event for event in postgres_store.stream(ANNA) if isinstance(event.event, customer.Event)
    )


def test_what_execute_wrote_is_read_back_through_the_library_as_it_was_written(ledger: Ledger) -> None:
    ledger.execute([Script().enroll(ANNA, name("Anna"))])
    (recorded,) = ledger.events.get(ANNA)
    (notification,) = ledger.notification_log["1,10"].items
    assert isinstance(recorded, LedgerEvent)
    assert recorded.new.event == customer.Enrolled(at=JANUARY, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
    assert ledger.mapper.to_domain_event(notification) == recorded


def test_a_stored_event_of_ours_keeps_its_salt_and_mac(ledger: Ledger) -> None:
    sealed = ledger.mapper.to_stored_event(enrolled(ANNA))
    ledger.recorder.insert_events([sealed])
    assert ledger.recorder.select_events(ANNA) == [sealed]


def test_a_save_on_a_version_that_execute_took_conflicts(ledger: Ledger) -> None:
    ledger.execute([Script().enroll(ANNA)])
    with pytest.raises(IntegrityError):
        ledger.save(enrolled(ANNA))
    assert ledger.recorder.max_notification_id() == 1


def test_a_version_that_another_writer_takes_meanwhile_conflicts(
    ledger_dsn: str, keys: Keys, postgres_store: PostgresEventStore, ledger: Ledger
) -> None:
    class Overtaken(PostgresEventStore):
        """Lets another writer save between the load and the append."""

        def load(self, *, streams: Collection[UUID], names: Collection[Name], commands: Collection[UUID]) -> Loaded:
            loaded = super().load(streams=streams, names=names, commands=commands)
            ledger.save(enrolled(ANNA))
            return loaded

    with connected(ledger_dsn) as connection:
        overtaken = Ledger(Overtaken(connection, keys=keys, randomness=os.urandom), randomness=os.urandom)
        with pytest.raises(IntegrityError, match="meanwhile"):
            overtaken.save(enrolled(ANNA))
    assert [event.stream for event in read_all(postgres_store)] == [ANNA]


def test_versions_of_one_save_must_follow_each_other(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError):
        ledger.save(enrolled(ANNA), opened(ANNA, 3, FIRST))
    assert ledger.recorder.max_notification_id() is None


def test_a_save_that_the_fold_does_not_admit_writes_nothing(ledger: Ledger) -> None:
    with pytest.raises(Refused):
        ledger.save(opened(ANNA, 1, FIRST))
    assert ledger.recorder.max_notification_id() is None


def test_events_that_are_not_of_the_catalogue_are_not_saved(ledger: Ledger) -> None:
    class Foreign:
        originator_id, originator_version = ANNA, 1

    with pytest.raises(TypeError, match="catalogue"):
        ledger.save(Foreign())


def test_a_stream_holds_events_of_the_ledger_or_of_the_library_never_both(ledger: Ledger) -> None:
    ledger.save(enrolled(ANNA))
    ledger.recorder.insert_events([foreign(PHONE, 1)])
    with pytest.raises(TypeError):
        ledger.recorder.insert_events([foreign(ANNA, 2)])
    with pytest.raises(TypeError):
        ledger.save(opened(PHONE, 2, FIRST))


def test_an_event_of_the_librarys_is_damage_where_ours_are_read(ledger: Ledger) -> None:
    ledger.recorder.insert_events([foreign(PHONE, 1)])
    (notification,) = ledger.notification_log["1,10"].items
    with pytest.raises(LedgerDamaged):
        ledger.mapper.to_domain_event(notification)


def test_the_process_environment_changes_nothing_of_how_events_are_stored(
    postgres_store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPRESSOR_TOPIC", "zlib")
    monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing.popo")
    monkeypatch.setenv("IS_SNAPSHOTTING_ENABLED", "y")
    ledger = Ledger(postgres_store, randomness=os.urandom)
    ledger.save(enrolled(ANNA))
    assert [event.stream for event in read_all(postgres_store)] == [ANNA]
    assert ledger.snapshots is None


def test_a_subscription_with_topics_passes_over_the_others(ledger: Ledger) -> None:
    script = Script()
    ledger.execute([script.enroll(script.new_id()) for _ in range(600)])
    ledger.execute([script.register(PHONE)])
    ledger.execute([script.enroll(ANNA)])
    with ledger.recorder.subscribe(topics=["device.registered"]) as subscription:
        (found,) = islice(subscription, 1)
    assert (found.id, found.originator_id) == (601, PHONE)


def test_a_topic_is_found_however_far_on_it_stands(ledger: Ledger) -> None:
    script = Script()
    ledger.execute([script.enroll(script.new_id()) for _ in range(1_200)])
    ledger.execute([script.register(PHONE)])
    assert [each.id for each in ledger.recorder.select_notifications(1, 5, topics=["device.registered"])] == [1_201]


def test_readers_of_different_names_track_apart(postgres_store: PostgresEventStore) -> None:
    shared = SharedStore(postgres_store, randomness=os.urandom)
    validity = LedgerFactory(shared, Environment("validity")).tracking_recorder()
    expiry = LedgerFactory(shared, Environment("expiry")).tracking_recorder()
    validity.insert_tracking(Tracking("Ledger", 7))
    assert validity.max_tracking_id("Ledger") == 7
    assert expiry.max_tracking_id("Ledger") is None


def test_tracking_that_was_taken_before_takes_its_events_back(postgres_store: PostgresEventStore) -> None:
    recorder = LedgerFactory(SharedStore(postgres_store, randomness=os.urandom)).process_recorder()
    recorder.insert_events([foreign(uuid4(), 1)], tracking=Tracking("upstream", 5))
    with pytest.raises(IntegrityError):
        recorder.insert_events([foreign(uuid4(), 1)], tracking=Tracking("upstream", 5))
    recorder.insert_events([foreign(uuid4(), 1)], tracking=Tracking("upstream", 6))
    assert [each.id for each in recorder.select_notifications(None, 10)] == [1, 2]


def test_the_moment_of_a_saved_event_is_its_own(ledger: Ledger, postgres_store: PostgresEventStore) -> None:
    ledger.save(enrolled(ANNA), opened(ANNA, 2, FIRST))
    assert [event.event.at for event in postgres_store.stream(ANNA)] == [JANUARY, FEBRUARY]
    assert all(event.recorded_at > MARCH for event in postgres_store.stream(ANNA))


def test_a_subscription_begun_behind_a_long_log_is_given_all_of_it_and_what_follows(ledger: Ledger) -> None:
    script = Script()
    ledger.execute([script.enroll(script.new_id()) for _ in range(1_200)])
    with ledger.recorder.subscribe(gt=3) as subscription:
        found = [each.id for each in islice(subscription, 1_197)]
        ledger.execute([script.enroll(ANNA)])
        found += [each.id for each in islice(subscription, 1)]
    assert found == list(range(4, 1_202))
