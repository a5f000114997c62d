"""The same history by other ways: memory or PostgreSQL, the ledger or a facts file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application import questions
from sealbook.application.histories import histories_of_facts, histories_of_ledger
from sealbook.application.import_forms import Policies
from sealbook.application.ports import EventStore
from sealbook.application.simulation import Recorded, Row, Summary, WhatIf
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind
from sealbook.projections.what_if import Scenario
from tests.application.lines import Desk, Lines, Written
from tests.domain.test_replay_against_oracle import document, histories, policies
from tests.oracle import PRESETS

Case = tuple[list[dict[str, Any]], dict[str, Any], dict[str, dict[str, Any]], datetime]
CERTIFICATE = Kind.KB_MOBILE_CERTIFICATE
LATER = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """A case as a facts file, under policies of its own names."""

    lines: Sequence[Written]
    policies: Policies
    as_of: datetime
    number: int


def told(case: Case, number: int = 0) -> Told:
    facts, policy, others, as_of = case
    main, other = document(policy, f"main-{number}"), document(others["other"], f"other-{number}")
    named = {each.policy_id: each for each in (main, other)}
    lines = [_line(each, f"C{number}", other) for each in facts]
    return Told(lines=lines, policies=Policies(given=main, otherwise=main, named=named), as_of=as_of, number=number)


def _line(fact: Mapping[str, Any], credential: str, other: RenewalPolicy) -> Written:
    line = {**fact, "at": fact["at"].isoformat(), "credential": credential}
    return line | ({"policy": other.policy_id} if "policy" in fact else {})


def imported(store: EventStore, history: Told) -> list[RecordedEvent]:
    """The events of an import."""
    before = store.last_position()
    desk = Desk(store, policies=history.policies, ids=count(history.number * 1000))
    desk.facts(*history.lines)
    return store.read(after=before, limit=1000)


def asked(
    recorded: Sequence[Recorded], history: Told, book: PolicyBook, *, under: RenewalPolicy
) -> tuple[WhatIf, list[Row], Summary]:
    run = WhatIf(
        scenarios={"asked": Scenario(policy=under)},
        policies=PolicyBook({**book.policies, **PolicyBook.of(under).policies}),
        as_of=history.as_of,
    )
    rows = list(run.run(recorded))
    return run, rows, run.summaries["asked"]


def both_ways(history: Told, *, under: RenewalPolicy) -> WhatIf:
    """A what-if over the ledger, which is checked against one over the facts."""
    store = MemoryEventStore(clock=lambda: LATER)
    imported(store, history)
    ledger, facts = (
        histories_of_ledger(store),
        histories_of_facts(Lines(history.lines).rows(), policies=history.policies, kind=CERTIFICATE),
    )

    by_ledger, rows, summary = asked(ledger, history, questions.policies(store), under=under)
    _, rows_of_facts, summary_of_facts = asked(
        facts, history, PolicyBook.of(*history.policies.named.values()), under=under
    )

    assert rows == rows_of_facts
    assert (summary.renewals, summary.lapses, summary.refused_uses) == (
        summary_of_facts.renewals,
        summary_of_facts.lapses,
        summary_of_facts.refused_uses,
    )
    assert summary.changed == summary_of_facts.changed
    return by_ledger


@settings(max_examples=150, deadline=None)
@given(histories())
def test_the_ledger_and_the_facts_give_the_same_answers_under_the_policy_in_force(case: Case) -> None:
    history = told(case)
    in_force = history.policies.given.model_copy(update={"policy_id": "asked"})

    run = both_ways(history, under=in_force)

    assert run.check.differing == 0


def objected_twice() -> Case:
    """The first objection ends with a renewal on request that only the other policy grants."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    facts = [
        {"at": at("2024-03-15"), "fact": "issued"},
        {"at": at("2024-04-01"), "fact": "renewal_objected"},
        {"at": at("2025-03-01"), "fact": "renewal_requested"},
        {"at": at("2025-04-01"), "fact": "renewal_objected"},
        {"at": at("2025-05-01"), "fact": "policy_switched", "policy": "other", "mode": "keep"},
        {"at": at("2026-03-10"), "fact": "used"},
    ]
    return facts, PRESETS["D"], {"other": PRESETS["D"] | {"eligible_after": "P1M"}}, at("2026-03-11")


@settings(max_examples=300, deadline=None)
@given(histories(), policies())
@example(objected_twice(), PRESETS["J1"] | {"eligible_after": "P1M"})
def test_the_ledger_and_the_facts_give_the_same_answers_under_another_policy(
    case: Case, another: dict[str, Any]
) -> None:
    both_ways(told(case), under=document(another, "asked"))


NUMBERS = count(1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=histories())
def test_memory_and_postgresql_record_the_same_events(postgres_store: PostgresEventStore, case: Case) -> None:
    # One database for all examples: each is told of another credential, under policies of its own.
    history = told(case, next(NUMBERS))

    in_memory = imported(MemoryEventStore(clock=lambda: LATER), history)
    in_postgres = imported(postgres_store, history)

    def said(events: Sequence[RecordedEvent]) -> list[tuple[object, ...]]:
        return [
            (each.stream, each.version, each.actor, each.channel, each.command_id, each.caused_by, each.event)
            for each in events
        ]

    assert said(in_postgres) == said(in_memory)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=histories(), as_of=st.datetimes(datetime(2019, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (the zone is given beside)
def test_memory_and_postgresql_answer_alike_at_any_moment(
    postgres_store: PostgresEventStore, case: Case, as_of: datetime
) -> None:
    number = next(NUMBERS)
    history = told(case, number)
    memory = MemoryEventStore(clock=lambda: LATER)
    for store in (memory, postgres_store):
        imported(store, history)

    shown = [questions.show(store, f"C{number}", as_of=as_of, known_at=None) for store in (memory, postgres_store)]

    assert shown[0].expiry == shown[1].expiry
    assert shown[0].eligibility == shown[1].eligibility
    assert shown[0].validity.state is shown[1].validity.state
