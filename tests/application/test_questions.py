"""What people ask, on both axes of time: when it was so, and when the ledger learned it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import questions
from sealbook.application.names import NameKind
from sealbook.application.questions import Standing
from sealbook.domain.catalogue import RecordedEvent, event_name
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import preset_policies
from sealbook.projections.counts import Report
from sealbook.projections.validity import ValidityState
from tests.application.lines import Desk, fact, given_policies

ISSUED_AT = datetime(2024, 3, 15, 1, tzinfo=UTC)
SUSPENDED_AT = datetime(2024, 6, 1, tzinfo=UTC)
LEARNED_FIRST, LEARNED_LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CREDENTIAL = [NameKind.CREDENTIAL]


class Clock:
    def __init__(self) -> None:
        self.now = LEARNED_FIRST

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ledger() -> MemoryEventStore:
    """Issue and use were learned first; the suspension of the year before, a month later."""
    clock = Clock()
    store = MemoryEventStore(clock=clock)
    desk = Desk(store)
    desk.facts(fact("issued", ISSUED_AT.isoformat()), fact("used", "2024-04-01T00:00:00Z"))
    clock.now = LEARNED_LATER
    desk.facts(fact("suspended", SUSPENDED_AT.isoformat()))
    desk.policies = given_policies(preset_policies()["X"])
    desk.facts(fact("issued", ISSUED_AT.isoformat(), "C2", customer="P2"))
    return store


def standing(
    store: MemoryEventStore, as_of: datetime, *, known_at: datetime | None = None, name: str = "C1"
) -> Standing:
    return questions.show(store, name, as_of=as_of, known_at=known_at)


def counts(store: MemoryEventStore, as_of: datetime, *, known_at: datetime | None = None) -> Report:
    return questions.count(store, as_of=as_of, known_at=known_at)


@pytest.mark.parametrize(
    ("as_of", "known_at", "state"),
    [
        (ISSUED_AT - SECOND, None, ValidityState.NOT_ISSUED),
        (ISSUED_AT, None, ValidityState.ACTIVE),
        (SUSPENDED_AT - SECOND, None, ValidityState.ACTIVE),
        (SUSPENDED_AT, None, ValidityState.SUSPENDED),
        (SUSPENDED_AT, LEARNED_LATER, ValidityState.SUSPENDED),
        (SUSPENDED_AT, LEARNED_LATER - SECOND, ValidityState.ACTIVE),
        (SUSPENDED_AT, LEARNED_FIRST + SECOND, ValidityState.ACTIVE),
        (SUSPENDED_AT, LEARNED_FIRST - SECOND, ValidityState.NOT_ISSUED),
        (datetime(2027, 1, 1, tzinfo=UTC), None, ValidityState.EXPIRED),
    ],
)
def test_a_credential_is_shown_as_it_was_then_by_what_was_known_then(
    ledger: MemoryEventStore, as_of: datetime, known_at: datetime | None, state: ValidityState
) -> None:
    assert standing(ledger, as_of, known_at=known_at).validity.state is state


@pytest.mark.parametrize("after", [timedelta(0), SECOND, timedelta(days=400), timedelta(days=1_500)])
def test_the_head_answers_as_the_whole_history_does(ledger: MemoryEventStore, after: timedelta) -> None:
    as_of = SUSPENDED_AT + after
    from_the_history = standing(ledger, as_of, known_at=LEARNED_LATER + SECOND)

    assert standing(ledger, as_of) == from_the_history
    assert standing(WithoutHistories(ledger), as_of) == from_the_history


class WithoutHistories(MemoryEventStore):
    """The same ledger, of which a stream gives no more than its last event."""

    def __init__(self, whole: MemoryEventStore) -> None:
        self.__dict__.update(whole.__dict__)

    def stream(self, stream: UUID, *, after: int = 0) -> list[RecordedEvent]:
        found = super().stream(stream, after=after)
        assert len(found) <= 1
        return found


def test_counts_follow_both_axes_too(ledger: MemoryEventStore) -> None:
    now, before = counts(ledger, SUSPENDED_AT), counts(ledger, SUSPENDED_AT, known_at=LEARNED_FIRST + SECOND)

    assert (now.credentials["active"], now.credentials["suspended"]) == (1, 1)
    assert (before.credentials["active"], before.credentials["suspended"]) == (1, 0)
    assert before.events == {
        "credential.issued": 1,
        "credential.used": 1,
        "customer.credential_opened": 1,
        "customer.enrolled": 1,
    }


def test_events_after_the_moment_are_not_counted(ledger: MemoryEventStore) -> None:
    assert counts(ledger, ISSUED_AT - SECOND).events == {}
    assert counts(ledger, ISSUED_AT).events["credential.issued"] == 2


def test_a_policy_is_known_from_when_it_was_recorded(ledger: MemoryEventStore) -> None:
    assert set(questions.policies(ledger, known_at=LEARNED_FIRST - SECOND).policies) <= {"D", "X"}
    known = questions.policies(ledger, known_at=LEARNED_FIRST + SECOND).policies
    assert [policy_id for policy_id, held in known.items() if held.versions] == ["D"]
    assert set(questions.policies(ledger).policies) == {"D", "X"}


def test_a_name_or_an_id_finds_the_stream(ledger: MemoryEventStore) -> None:
    stream = questions.find(ledger, "C2", kinds=CREDENTIAL)

    assert questions.find(ledger, str(stream), kinds=CREDENTIAL) == stream
    assert questions.find(ledger, "P2", kinds=[NameKind.CREDENTIAL, NameKind.CUSTOMER]) != stream


@pytest.mark.parametrize("text", ["C9", "P2", "00000000-0000-0000-0000-000000000000", ""])
def test_what_nobody_knows_is_not_found(ledger: MemoryEventStore, text: str) -> None:
    with pytest.raises(Refused) as refused:
        questions.find(ledger, text, kinds=CREDENTIAL)

    assert refused.value.code is Refusal.NOT_FOUND


def test_a_history_is_cut_on_either_axis(ledger: MemoryEventStore) -> None:
    def told(*, as_of: datetime | None = None, known_at: datetime | None = None) -> list[str]:
        entries = questions.history(ledger, "C1", kinds=CREDENTIAL, as_of=as_of, known_at=known_at)
        return [event_name(entry.recorded.event).removeprefix("credential.") for entry in entries]

    assert told() == ["issued", "used", "suspended"]
    assert told(as_of=ISSUED_AT) == ["issued"]
    assert told(known_at=LEARNED_FIRST + SECOND) == ["issued", "used"]
    assert told(known_at=LEARNED_FIRST - SECOND) == []


def test_an_id_of_something_else_is_no_credential(ledger: MemoryEventStore) -> None:
    for kind in (NameKind.CUSTOMER, NameKind.POLICY):
        for stream in ledger.named(kind).values():
            with pytest.raises(Refused) as refused:
                standing(ledger, LEARNED_LATER, name=str(stream))
            assert refused.value.code is Refusal.NOT_FOUND
