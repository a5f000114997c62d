"""The one write path: order within a batch, refusals, command ids, batches that are taken whole."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.batch import ATTEMPTS_UNLOCKED, Append, LetGo, Load, Reply, steps
from sealbook.application.commands import Command
from sealbook.application.ledger import KnownPolicies, Outcome, RefusedInWhole, execute
from sealbook.application.ports import Appended, Group, ImportProgress, Loaded
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.catalogue import event_name
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind
from tests.commands import FEBRUARY, JANUARY, MARCH, Script
from tests.domain.examples import document

ALICE, BOB, PHONE, OTHER_PHONE, HELD = (UUID(int=number) for number in range(1, 6))


@pytest.fixture
def script() -> Script:
    return Script(seed=1)


def step(before: int, after: int) -> ImportProgress:
    return ImportProgress(digest=b"file", options="x", lines_done_before=before, lines_done=after, finished=False)


def life(script: Script, customer: UUID = ALICE, phone: UUID = PHONE, held: UUID = HELD) -> list[Command]:
    return [script.enroll(customer), script.register(phone), script.issue(held, customer=customer, device=phone)]


def refusals(outcomes: Sequence[Outcome]) -> list[Refusal | None]:
    return [outcome.refusal for outcome in outcomes]


def test_each_command_of_a_batch_sees_what_those_before_it_did(memory_store: MemoryEventStore, script: Script) -> None:
    outcomes = execute(
        memory_store, [script.adopt_policy(), *life(script), script.use(HELD, device=PHONE), script.suspend(HELD)]
    )

    assert all(outcome.accepted for outcome in outcomes)
    assert memory_store.last_position() == sum(len(outcome.events) for outcome in outcomes)


def test_commands_are_decided_in_the_order_in_which_they_are_given(
    memory_store: MemoryEventStore, script: Script
) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script)])

    outcomes = execute(memory_store, [script.suspend(HELD), script.use(HELD, device=PHONE), script.resume(HELD)])

    assert refusals(outcomes) == [None, Refusal.SUSPENDED, None]


def test_an_outcome_tells_the_position_of_its_last_event(memory_store: MemoryEventStore, script: Script) -> None:
    *_, issued = execute(memory_store, [script.adopt_policy(), *life(script)])

    assert issued.position is not None
    (recorded,) = memory_store.read(after=issued.position - 1, limit=1)
    assert (recorded.stream, event_name(recorded.event)) == (ALICE, "customer.device_slot_taken")


def test_a_refused_command_touches_nothing_else(memory_store: MemoryEventStore, script: Script) -> None:
    outcomes = execute(memory_store, [script.enroll(ALICE), script.enroll(ALICE), script.enroll(BOB)])

    assert refusals(outcomes) == [None, Refusal.DUPLICATE, None]
    assert [outcome.position for outcome in outcomes] == [1, None, 2]


def test_a_request_over_several_streams_that_is_refused_leaves_none_of_its_events(
    memory_store: MemoryEventStore, script: Script
) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script), script.register(OTHER_PHONE)])
    before = memory_store.last_position()

    # The other device would have been bound before the slot is found to be taken.
    second_kind = script.issue(UUID(int=9), customer=ALICE, device=OTHER_PHONE, kind=Kind.MOBILE_OTP, at=MARCH)
    (second,) = execute(memory_store, [second_kind])

    assert second.refusal is Refusal.DEVICE_SLOT
    assert memory_store.last_position() == before
    assert len(memory_store.stream(OTHER_PHONE)) == 1


def test_what_a_refused_command_noted_is_not_seen_by_the_next(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script), script.register(OTHER_PHONE), script.enroll(BOB)])

    outcomes = execute(
        memory_store,
        [
            script.issue(UUID(int=9), customer=ALICE, device=OTHER_PHONE, kind=Kind.MOBILE_OTP, at=MARCH),
            script.issue(UUID(int=10), customer=BOB, device=OTHER_PHONE, at=MARCH),
        ],
    )

    assert refusals(outcomes) == [Refusal.DEVICE_SLOT, None]


def test_a_refused_use_is_recorded_and_answered_with_its_reason(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script)])

    (outcome,) = execute(memory_store, [script.use(HELD, device=OTHER_PHONE)])

    assert outcome.refusal is Refusal.WRONG_DEVICE
    assert outcome.position == memory_store.last_position()


# --- Command ids


def test_the_same_command_twice_is_carried_out_once(memory_store: MemoryEventStore, script: Script) -> None:
    command = script.enroll(ALICE)
    (first,) = execute(memory_store, [command])

    (second,) = execute(memory_store, [command])

    assert (second.repeated, second.position, second.stream) == (True, first.position, ALICE)
    assert memory_store.last_position() == 1


def test_the_same_command_twice_in_one_batch_is_carried_out_once(
    memory_store: MemoryEventStore, script: Script
) -> None:
    command = script.enroll(ALICE)

    outcomes = execute(memory_store, [command, command])

    assert [(outcome.repeated, outcome.position) for outcome in outcomes] == [(False, 1), (True, 1)]


def test_a_command_id_with_other_content_is_refused(memory_store: MemoryEventStore, script: Script) -> None:
    first = script.enroll(ALICE)
    execute(memory_store, [first])
    other = Command(
        request=script.enroll(BOB).request, command_id=first.command_id, actor=first.actor, channel=first.channel
    )

    (outcome,) = execute(memory_store, [other])

    assert outcome.refusal is Refusal.COMMAND_ID_REUSED
    assert memory_store.last_position() == 1


def test_two_names_that_differ_in_nothing_else_are_other_content(
    memory_store: MemoryEventStore, script: Script
) -> None:
    shared = UUID(int=77)
    first = script.command(script.register(PHONE).request, command_id=shared)
    second = script.command(script.register(OTHER_PHONE).request, command_id=shared)

    assert refusals(execute(memory_store, [first, second])) == [None, Refusal.COMMAND_ID_REUSED]


def test_a_refusal_that_left_no_event_is_not_kept(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.adopt_policy(), script.enroll(ALICE)])
    issue = script.issue(HELD, customer=ALICE, device=PHONE)
    (early,) = execute(memory_store, [issue])

    execute(memory_store, [script.register(PHONE)])
    (late,) = execute(memory_store, [issue])

    assert (early.refusal, late.refusal, late.repeated) == (Refusal.DEVICE_STATE, None, False)


def test_a_recorded_refusal_is_the_answer_to_a_repetition(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script), script.suspend(HELD)])
    attempt = script.use(HELD, device=PHONE)
    (first,) = execute(memory_store, [attempt])
    execute(memory_store, [script.resume(HELD)])

    (second,) = execute(memory_store, [attempt])

    assert (second.repeated, second.refusal, second.position) == (True, Refusal.SUSPENDED, first.position)


# --- Batches that are taken whole


def test_a_whole_batch_with_a_refused_command_writes_nothing(memory_store: MemoryEventStore, script: Script) -> None:
    with pytest.raises(RefusedInWhole) as refused:
        execute(memory_store, [script.enroll(ALICE), script.enroll(ALICE)], progress=step(0, 2))

    assert (refused.value.index, refused.value.code) == (1, Refusal.DUPLICATE)
    assert memory_store.last_position() == 0
    assert memory_store.import_progress(b"file") is None


def test_a_whole_batch_takes_a_recorded_refusal(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.adopt_policy(), *life(script), script.suspend(HELD)])

    outcomes = execute(memory_store, [script.use(HELD, device=PHONE)], progress=step(0, 1))

    assert refusals(outcomes) == [Refusal.SUSPENDED]
    assert memory_store.import_progress(b"file") == ("x", 1, False)


def test_progress_alone_is_written_too(memory_store: MemoryEventStore) -> None:
    assert execute(memory_store, [], progress=step(0, 0)) == []

    assert memory_store.import_progress(b"file") == ("x", 0, False)


# --- Groups, and other writers


class Watched(MemoryEventStore):
    """A store that tells the groups of each append, and lets another writer in just before the next ones."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: datetime.now(UTC))
        self.appends: list[list[list[int]]] = []
        self.meanwhile: list[Command] = []
        self._others_turn = False

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        if not self._others_turn:
            self.appends.append([list(group.commands) for group in groups])
            if self.meanwhile:
                self._others_turn = True
                execute(self, [self.meanwhile.pop(0)])
                self._others_turn = False
        return super().append(groups, whole=whole, progress=progress)


def test_commands_on_streams_apart_are_groups_of_their_own(script: Script) -> None:
    store = Watched()

    execute(store, [script.enroll(ALICE), script.enroll(BOB), script.register(PHONE)])

    assert store.appends == [[[0], [1], [2]]]


def test_commands_that_share_a_moved_stream_stand_or_fall_together(script: Script) -> None:
    store = Watched()

    execute(store, [script.adopt_policy(), *life(script), script.enroll(BOB)])

    assert store.appends == [[[0, 1, 2, 3], [4]]]


def test_a_stream_that_all_only_read_links_nothing(script: Script) -> None:
    store = Watched()
    execute(store, [script.adopt_policy(), *life(script), *life(script, BOB, OTHER_PHONE, UUID(int=9))])
    store.appends.clear()

    execute(store, [script.use(HELD, device=PHONE), script.use(UUID(int=9), device=OTHER_PHONE)])

    assert store.appends == [[[0], [1]]]


def test_what_became_stale_is_decided_again_and_the_rest_is_not(script: Script) -> None:
    store = Watched()
    execute(store, [script.adopt_policy(), *life(script)])
    store.appends.clear()
    store.meanwhile.append(Script(seed=2).suspend(HELD, at=FEBRUARY))

    outcomes = execute(store, [script.use(HELD, device=PHONE), script.enroll(BOB)])

    assert refusals(outcomes) == [Refusal.SUSPENDED, None]
    assert store.appends == [[[0], [1]], [[0]]]


def test_a_name_that_was_taken_meanwhile_is_refused_and_nothing_is_written_twice(script: Script) -> None:
    store = Watched()
    store.meanwhile.append(Script(seed=2).register(PHONE))

    (outcome,) = execute(store, [script.register(PHONE)])

    assert outcome.refusal is Refusal.DEVICE_TAKEN
    assert store.last_position() == 1


def test_a_command_that_was_carried_out_meanwhile_is_answered_from_there(script: Script) -> None:
    store = Watched()
    command = script.enroll(ALICE)
    store.meanwhile.append(command)

    (outcome,) = execute(store, [command])

    assert (outcome.repeated, outcome.position, store.last_position()) == (True, 1, 1)


def test_a_command_that_loses_twice_is_decided_a_third_time(script: Script) -> None:
    others = Script(seed=2)
    store = Watched()
    execute(store, [script.adopt_policy(), *life(script)])
    store.appends.clear()
    store.meanwhile += [others.suspend(HELD), others.resume(HELD)]

    (outcome,) = execute(store, [script.use(HELD, device=PHONE)])

    assert outcome.accepted
    assert store.appends == [[[0]], [[0]], [[0]]]


# --- Policies that a writer knows


def test_a_policy_that_has_moved_since_a_writer_knew_it_decides_as_it_is_now(
    memory_store: MemoryEventStore, script: Script
) -> None:
    known = KnownPolicies()
    execute(memory_store, [script.adopt_policy(), *life(script)], known=known)
    assert known.heads
    begins = (FEBRUARY + timedelta(days=9)).isoformat()
    later = document("D", version=2, applies_to="keep", announced_at=JANUARY.isoformat(), effective_from=begins)
    announce = policy.Announce(at=JANUARY, document=later)
    execute(memory_store, [script.command(OnPolicy(policy_id="D", stream=script.new_id(), command=announce))])

    (used,) = execute(memory_store, [script.use(HELD, device=PHONE)], known=known)

    assert [event_name(each) for each in used.events] == ["credential.policy_switched", "credential.used"]
    assert used.attempts == 2


def test_a_policy_that_was_rolled_back_is_not_known(script: Script) -> None:
    known = KnownPolicies()
    work = steps([script.adopt_policy()], kinds=None, known=known, kept_of=bytes)
    reply: Reply = None
    while not isinstance(step := work.send(reply), Append):
        reply = Loaded(heads={}, names={}, outcomes={}) if isinstance(step, Load) else None
    nothing = Appended(recorded_at=MARCH, positions={}, left_out=frozenset({0}), stale={}, taken={}, outcomes={})
    for _ in range(ATTEMPTS_UNLOCKED):
        step = work.send(nothing)
        while not isinstance(step, Append):
            step = work.send(Loaded(heads={}, names={}, outcomes={}) if isinstance(step, Load) else None)

    held = work.send(replace(nothing, positions={0: 1}, left_out=frozenset()))

    # The book is held: what was appended is durable only when it is let go.
    assert isinstance(held, LetGo)
    assert not known.heads
