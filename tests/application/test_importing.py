"""Adopting a history over the store in memory: exactly once, in the file's own order, or not at all."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import questions
from sealbook.application.commands import Command, Request
from sealbook.application.importing import LINES_A_BATCH, LineError, OtherOptions, Row
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Issued, PolicySwitched, Suspend
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind
from tests.application.branch import Branch, apply
from tests.application.lines import Desk, Written, fact, given_policies, names_of_events, use
from tests.domain.examples import document

ISSUED_AT, USED_AT, LATE = "2024-03-15T10:00:00+09:00", "2025-06-01T09:00:00+09:00", "2029-01-01T00:00:00+09:00"
C1, A_2 = Name(NameKind.CREDENTIAL, "C1"), Name(NameKind.CREDENTIAL, "A#2")
LIFE = (fact("issued", ISSUED_AT), fact("used", USED_AT))


@pytest.fixture
def desk(memory_store: MemoryEventStore) -> Desk:
    return Desk(memory_store)


def issue_of(store: MemoryEventStore, credential: str) -> Issued:
    event = store.stream(questions.find(store, credential, kinds=[NameKind.CREDENTIAL]))[0].event
    assert isinstance(event, Issued)
    return event


def meanwhile(store: MemoryEventStore, request: Request) -> None:
    """Another writer's command."""
    (outcome,) = execute(store, [Command(request=request, command_id=None, actor="another", channel="app")])
    assert outcome.accepted


def many(first: int, count: int, name: str = "C1") -> list[Written]:
    """A use a minute."""
    begin = datetime(2024, 4, 1, tzinfo=UTC)
    return [fact("used", (begin + timedelta(minutes=first + n)).isoformat(), name) for n in range(count)]


# --- Facts


def test_a_history_becomes_its_customer_its_credential_and_its_decisions(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    result = desk.facts(*LIFE)

    assert (result.lines, result.events, result.skipped, result.resumed_at) == (2, 5, 0, 0)
    assert names_of_events(memory_store) == [
        "customer.enrolled",
        "customer.credential_opened",
        "credential.issued",
        "credential.used",
        "credential.auto_renewed",
    ]


def test_events_happen_at_the_times_of_the_file_and_carry_where_they_came_from(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    desk.facts(*LIFE)

    issued = issue_of(memory_store, "C1")
    assert (issued.at, issued.provenance) == (datetime.fromisoformat(ISSUED_AT), "a test")
    assert {recorded.actor for recorded in memory_store.read(after=0, limit=10)} == {"importer"}


def test_a_second_run_adds_nothing(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(*LIFE)
    before = memory_store.last_position()

    again = desk.facts(*LIFE)

    assert (again.lines, again.events, again.resumed_at) == (0, 0, 2)
    assert memory_store.last_position() == before


def test_the_same_file_with_other_options_is_refused(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(*LIFE)
    before = memory_store.last_position()

    with pytest.raises(OtherOptions, match="use the same ones"):
        desk.facts(*LIFE, kind=Kind.MOBILE_OTP)

    desk.policies = given_policies(preset_policies()["X"])
    with pytest.raises(OtherOptions):
        desk.facts(*LIFE)
    assert memory_store.last_position() == before


@pytest.mark.parametrize(
    ("bad", "number"),
    [
        (fact("used", "2024-03-15T09:59:59+09:00"), 3),
        (fact("issued", LATE), 3),
        (fact("used", LATE, "C2"), 3),
        (fact("policy_switched", LATE, policy="nowhere"), 3),
        (fact("used", "noon"), 3),
        ("not a JSON object on one line", 3),
    ],
    ids=["back in time", "second issue", "fact before issue", "unknown policy", "no time", "no JSON"],
)
def test_a_bad_line_stops_the_import_before_anything_is_written(
    desk: Desk, memory_store: MemoryEventStore, bad: Written | str, number: int
) -> None:
    with pytest.raises(LineError) as stopped:
        desk.facts(*LIFE, bad, fact("used", LATE))

    assert stopped.value.number == number
    assert memory_store.last_position() == 0


def test_a_bad_line_late_in_a_long_file_leaves_nothing_of_the_batches_before(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    with pytest.raises(LineError):
        desk.facts(LIFE[0], *many(0, LINES_A_BATCH), fact("used", LATE, "C2"))

    assert memory_store.last_position() == 0


def test_bad_lines_may_be_set_aside_and_the_rest_goes_in(desk: Desk, memory_store: MemoryEventStore) -> None:
    aside: list[tuple[int, str]] = []

    def skip(row: Row, reason: str) -> None:
        aside.append((row.number, reason))

    result = desk.facts("broken", *LIFE, fact("used", LATE, "C2"), fact("revoked", USED_AT), skip=skip)

    assert [number for number, _ in aside] == [1, 4]
    assert (result.lines, result.skipped) == (3, 2)
    assert names_of_events(memory_store)[-2:] == ["credential.revoked", "customer.credential_closed"]


def test_what_the_rules_refuse_is_kept_without_effect_and_counted(desk: Desk) -> None:
    result = desk.facts(LIFE[0], fact("suspended", LATE), fact("used", LATE), fact("renewal_requested", LATE))

    assert result.facts_not_applied == Counter(suspended=1, renewal_requested=1)
    assert result.uses_refused == Counter({Refusal.EXPIRED: 1})


def test_a_continuation_finds_the_credential_that_the_ledger_knows(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(LIFE[0])

    result = desk.facts(LIFE[1], fact("revoked", LATE, customer="C1"))

    assert result.lines == 2
    assert names_of_events(memory_store).count("credential.issued") == 1


def test_a_continuation_does_not_go_back_in_time_against_the_ledger(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(*LIFE)
    before = memory_store.last_position()

    with pytest.raises(LineError, match="line 1: C1 goes back in time: what came before is of 2025-06-01"):
        desk.facts(fact("suspended", "2025-05-31T00:00:00Z"))
    assert memory_store.last_position() == before


def test_what_the_ledger_has_is_not_issued_again_by_another_file(desk: Desk) -> None:
    desk.facts(*LIFE)

    with pytest.raises(LineError, match="C1 is issued already"):
        desk.facts(fact("issued", LATE))


def test_a_continuation_does_not_move_a_credential_to_another_customer(desk: Desk) -> None:
    desk.facts(fact("issued", ISSUED_AT, customer="P1"))

    with pytest.raises(LineError, match="another customer"):
        desk.facts(fact("used", USED_AT, customer="P2"))


def test_a_fact_of_what_is_only_applied_for_is_a_bad_line(desk: Desk, branch: Branch) -> None:
    branch.told(replace(apply(), name=C1))

    with pytest.raises(LineError, match="line 1: the application is not finished"):
        desk.facts(fact("used", LATE))


class Killed(Exception):
    """Whatever ends a run from outside."""


def kill(_done: int, total: int | None = None) -> None:
    """End a run once it has written a batch."""
    if total is not None:
        raise Killed


def test_a_run_that_was_cut_off_is_resumed_where_it_stood(desk: Desk, memory_store: MemoryEventStore) -> None:
    history = (LIFE[0], *many(0, LINES_A_BATCH + 200))
    with pytest.raises(Killed):
        desk.facts(*history, advanced=kill)

    result = desk.facts(*history)

    assert (result.resumed_at, result.lines) == (LINES_A_BATCH, 201)
    assert names_of_events(memory_store).count("credential.used") == LINES_A_BATCH + 200


def test_a_continuation_that_was_cut_off_is_resumed_too(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(LIFE[0])
    continuation = many(0, LINES_A_BATCH + 200)
    with pytest.raises(Killed):
        desk.facts(*continuation, advanced=kill)

    result = desk.facts(*continuation)

    assert (result.resumed_at, result.lines) == (LINES_A_BATCH, 200)
    assert names_of_events(memory_store).count("credential.used") == LINES_A_BATCH + 200


def test_what_others_write_between_two_batches_counts_in_the_second(desk: Desk, memory_store: MemoryEventStore) -> None:
    history = (LIFE[0], *many(0, LINES_A_BATCH + 200))
    between = datetime.fromisoformat("2024-04-01T16:38:30Z")

    def suspend(done: int, total: int | None = None) -> None:
        if total is not None and done == LINES_A_BATCH:
            meanwhile(memory_store, OnCredential(credential=C1, command=Suspend(at=between, reason="theirs")))

    result = desk.facts(*history, advanced=suspend)

    assert result.uses_refused == Counter({Refusal.SUSPENDED: 201})


def test_how_far_it_is_is_told_first_of_the_check_and_then_of_the_import(desk: Desk) -> None:
    told: list[tuple[int, int | None]] = []

    def advanced(done: int, total: int | None = None) -> None:
        told.append((done, total))

    desk.facts(LIFE[0], *many(0, LINES_A_BATCH), advanced=advanced)

    full, last = LINES_A_BATCH, LINES_A_BATCH + 1
    assert told == [(full, None), (last, None), (full, last), (last, last)]


def test_credentials_of_one_customer_are_one_enrollment(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(fact("issued", ISSUED_AT, "C1", customer="P1"), fact("issued", USED_AT, "C2", customer="P1"))

    assert names_of_events(memory_store).count("customer.enrolled") == 1


# --- Policies


def test_kinds_that_the_given_policy_does_not_concern_get_the_default(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    desk.policies = given_policies(document("OTP", kinds=["mobile_otp"]))

    desk.facts(fact("issued", ISSUED_AT, "C1"), fact("issued", ISSUED_AT, "C2", kind="mobile_otp"))

    assert [issue_of(memory_store, each).policy.policy_id for each in ("C1", "C2")] == ["D", "OTP"]


def test_a_policy_for_companies_concerns_no_adopted_customer(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.policies = given_policies(document("FIRMS", holders=["corporate"]))

    desk.facts(*LIFE)

    assert issue_of(memory_store, "C1").policy.policy_id == "D"


def test_only_the_policies_that_are_needed_are_adopted(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.facts(LIFE[0], fact("policy_switched", USED_AT, policy="X", mode="restart"))

    assert set(questions.policies(memory_store).policies) == {"D", "X"}
    (switched,) = (
        each.event for each in memory_store.read(after=0, limit=99) if isinstance(each.event, PolicySwitched)
    )
    assert (switched.policy.policy_id, switched.mode) == ("X", "restart")


def test_a_policy_that_the_ledger_has_with_other_content_is_refused(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.policies = given_policies(document("OURS"))
    desk.facts(*LIFE)
    before = memory_store.last_position()

    desk.policies = given_policies(document("OURS", validity="P5Y"))
    with pytest.raises(Refused) as refused:
        desk.facts(fact("issued", ISSUED_AT, "C2"))

    assert refused.value.code is Refusal.POLICY_VERSION
    assert memory_store.last_position() == before


# --- Uses


def test_the_first_attempt_is_the_enrollment_the_issue_and_a_use(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.uses(use("A", ISSUED_AT))

    assert names_of_events(memory_store) == [
        "customer.enrolled",
        "customer.credential_opened",
        "credential.issued",
        "credential.used",
    ]


def test_an_attempt_after_the_end_is_refused_and_recorded(desk: Desk, memory_store: MemoryEventStore) -> None:
    result = desk.uses(use("A", ISSUED_AT), use("A", LATE))

    assert result.uses_refused == Counter({Refusal.EXPIRED: 1})
    assert names_of_events(memory_store)[-3:] == [
        "credential.expired",
        "credential.use_refused",
        "customer.credential_closed",
    ]


def test_with_reissue_a_new_credential_takes_over_and_the_old_stays_expired(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    desk.uses(use("A", ISSUED_AT), use("A", LATE), reissue=True)

    late = datetime.fromisoformat(LATE)
    assert issue_of(memory_store, "A#2").replaces == questions.find(memory_store, "A", kinds=[NameKind.CREDENTIAL])
    states = [questions.show(memory_store, each, as_of=late, known_at=None).validity.state for each in ("A", "A#2")]
    assert states == ["expired", "active"]


def test_a_second_run_of_a_uses_file_adds_nothing(desk: Desk, memory_store: MemoryEventStore) -> None:
    attempts = [use("A", ISSUED_AT), use("B", USED_AT), use("A", LATE)]
    desk.uses(*attempts, reissue=True)
    before = memory_store.last_position()

    assert desk.uses(*attempts, reissue=True).events == 0
    assert memory_store.last_position() == before
    with pytest.raises(OtherOptions):
        desk.uses(*attempts, reissue=False)


def test_attempts_do_not_go_back_in_time_against_the_ledger(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.uses(use("A", USED_AT))
    before = memory_store.last_position()

    with pytest.raises(LineError, match="A goes back in time"):
        desk.uses(use("A", ISSUED_AT))
    assert memory_store.last_position() == before


def test_attempts_after_the_end_do_not_go_back_in_time_either(desk: Desk, memory_store: MemoryEventStore) -> None:
    desk.uses(use("A", ISSUED_AT), use("A", LATE))
    before = memory_store.last_position()

    with pytest.raises(LineError, match="A goes back in time"):
        desk.uses(use("A", "2028-01-01T00:00:00Z"))
    assert memory_store.last_position() == before


def test_attempts_to_use_one_kind_are_not_recorded_on_a_credential_of_another(
    desk: Desk, memory_store: MemoryEventStore
) -> None:
    desk.uses(use("A", ISSUED_AT), use("A", LATE))
    certificate = questions.find(memory_store, "A", kinds=[NameKind.CREDENTIAL])
    before = memory_store.stream(certificate)

    with suppress(LineError):
        desk.uses(use("A", "2029-02-01T00:00:00Z"), kind=Kind.MOBILE_OTP)

    assert memory_store.stream(certificate) == before


def test_a_line_is_not_refused_for_what_the_ledger_held_a_batch_ago(desk: Desk, memory_store: MemoryEventStore) -> None:
    # A customer who bears the name that a reissue would take, and gives it back before it does.
    first = [use("A", ISSUED_AT), use("A#2", ISSUED_AT)]
    filling = [use("B", ISSUED_AT)] * (LINES_A_BATCH - len(first))

    def give_back(done: int, total: int | None = None) -> None:
        if total is not None and done == LINES_A_BATCH:
            # No command does this; an erasure may one day.
            del vars(memory_store)["_names"][A_2]

    result = desk.uses(*first, *filling, use("A", LATE), reissue=True, advanced=give_back)

    assert (result.lines, result.skipped) == (LINES_A_BATCH + 1, 0)
    assert issue_of(memory_store, "A#2").replaces == questions.find(memory_store, "A", kinds=[NameKind.CREDENTIAL])


def test_a_line_that_only_the_ledger_refuses_is_set_aside_and_not_counted_as_in(desk: Desk) -> None:
    # A customer who bears the name that a reissue would take.
    attempts = [use("A", ISSUED_AT), use("A#2", ISSUED_AT), use("A", LATE)]
    aside: list[int] = []

    def skip(row: Row, _reason: str) -> None:
        aside.append(row.number)

    result = desk.uses(*attempts, reissue=True, skip=skip)

    assert aside == [3]
    assert (result.lines, result.skipped) == (2, 1)
