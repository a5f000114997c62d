"""What-ifs: the check of the factual replay, the switch in each mode, and what is counted."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import questions
from sealbook.application.histories import histories_of_facts, histories_of_ledger
from sealbook.application.importing import LineError
from sealbook.application.ledger import execute
from sealbook.application.simulation import Recorded, Row, WhatIf
from sealbook.domain.policy import PolicyBook
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind, SwitchMode
from sealbook.projections.validity import ValidityState
from sealbook.projections.what_if import Scenario
from tests.application.lines import Desk, Lines, Written, fact, given_policies
from tests.commands import FEBRUARY, Script
from tests.domain.examples import document, kst

ISSUED_AT, USED_AT = "2024-03-15T10:00:00+09:00", "2025-06-01T09:00:00+09:00"
LIFE = (fact("issued", ISSUED_AT), fact("used", USED_AT))
AS_OF = kst("2028-01-01")
CERTIFICATE = Kind.KB_MOBILE_CERTIFICATE


def from_file(*written: Written | str) -> list[Recorded]:
    return histories_of_facts(Lines(written).rows(), policies=given_policies(), kind=CERTIFICATE)


def ask(histories: Sequence[Recorded], **scenarios: Scenario) -> tuple[WhatIf, list[Row]]:
    asked = [scenario.policy for scenario in scenarios.values()]
    book = {**given_policies().named, **{each.policy_id: each for each in asked}}
    run = WhatIf(scenarios=scenarios, policies=PolicyBook.of(*book.values()), as_of=AS_OF)
    return run, list(run.run(histories))


def under(policy_id: str) -> Scenario:
    return Scenario(policy=preset_policies()[policy_id])


# --- Histories


def test_histories_come_in_the_order_of_first_appearance() -> None:
    histories = from_file(fact("issued", USED_AT, "C2"), *LIFE, fact("used", USED_AT, "C2"))

    assert [(each.history.name, len(each.history.facts)) for each in histories] == [("C2", 1), ("C1", 1)]


def test_histories_of_the_ledger_bear_the_names_of_their_credentials(memory_store: MemoryEventStore) -> None:
    Desk(memory_store).facts(fact("issued", USED_AT, "C2", customer="P"), *LIFE)

    assert [each.history.name for each in histories_of_ledger(memory_store)] == ["C2", "C1"]


def test_a_credential_without_a_name_is_called_by_its_id(memory_store: MemoryEventStore) -> None:
    script = Script()
    customer, phone, held = script.new_id(), script.new_id(), script.new_id()
    issue = script.issue(held, customer=customer, device=phone)
    execute(memory_store, [script.adopt_policy(), script.enroll(customer), script.register(phone), issue])

    (history,) = histories_of_ledger(memory_store)

    assert history.history.name == str(held)


@pytest.mark.parametrize(
    "bad",
    ["no JSON", fact("used", ISSUED_AT, "C9"), fact("issued", USED_AT), fact("policy_switched", USED_AT, policy="?")],
    ids=["broken", "before issue", "second issue", "unknown policy"],
)
def test_a_bad_line_stops_a_what_if_with_its_number(bad: Written | str) -> None:
    with pytest.raises(LineError) as stopped:
        from_file(*LIFE, bad)

    assert stopped.value.number == 3


# --- The check of the factual replay


def test_the_check_agrees_where_the_ledger_decided_by_the_same_rules(memory_store: MemoryEventStore) -> None:
    Desk(memory_store).facts(*LIFE, fact("used", "2027-12-01T00:00:00Z"))

    run, _ = ask(histories_of_ledger(memory_store), X=under("X"))

    assert run.check.agrees
    assert (run.check.credentials, run.check.differing) == (1, 0)
    assert run.check.recorded == run.check.replayed
    assert set(run.check.recorded) == {"AutoRenewed", "Expired", "UseRefused"}


def test_what_time_alone_decided_and_nobody_recorded_is_no_difference(memory_store: MemoryEventStore) -> None:
    Desk(memory_store).facts(*LIFE)

    run, _ = ask(histories_of_ledger(memory_store), X=under("X"))

    assert run.check.agrees
    assert run.check.replayed - run.check.recorded == {"Expired": 1}


@pytest.mark.parametrize(
    ("observed", "agrees"),
    [
        (fact("renewed", USED_AT), True),
        (fact("renewed", "2025-06-01T09:00:01+09:00"), False),
        (fact("expired", "2027-06-02T00:00:00+09:00"), True),
        (fact("expired", "2027-06-01T00:00:00+09:00"), False),
        (fact("renewed", "2029-06-01T09:00:01+09:00"), True),
    ],
    ids=["renewed at the use", "a second later", "expired at the bound", "a day early", "after the moment asked about"],
)
def test_the_check_compares_what_another_system_observed(observed: Written, agrees: bool) -> None:
    run, _ = ask(from_file(*LIFE, observed), X=under("X"))

    assert run.check.agrees is agrees


def test_observations_in_the_ledger_are_compared_as_well(memory_store: MemoryEventStore) -> None:
    Desk(memory_store).facts(*LIFE, fact("renewed", "2025-06-02T00:00:00Z"))

    run, _ = ask(histories_of_ledger(memory_store), X=under("X"))

    assert (run.check.agrees, run.check.differing) == (False, 0)
    assert (run.check.observed_renewals, run.check.observed_renewals_replayed) == (1, 0)


# --- Scenarios


def test_a_policy_applies_from_the_beginning() -> None:
    _, (row,) = ask(from_file(*LIFE), NV=under("NV"))

    assert (row.policy, row.credential) == ("NV", "C1")
    assert (row.answer.state, row.answer.renewed_at) == (ValidityState.EXPIRED, ())
    assert row.answer.expires_at == kst("2026-03-16")


@pytest.mark.parametrize(
    ("mode", "expires_at"),
    [
        (SwitchMode.KEEP, kst("2026-03-16")),
        (SwitchMode.RESTART, kst("2030-02-02")),
        (SwitchMode.RECOMPUTE, kst("2029-03-16")),
    ],
)
def test_a_switch_applies_from_its_moment_on_in_its_mode(mode: SwitchMode, expires_at: datetime) -> None:
    five_years = document("LONG", validity="P5Y", renew_on="never")
    scenario = Scenario(policy=five_years, switch_at=kst("2025-02-01T12:00"), mode=mode)

    _, (row,) = ask(from_file(fact("issued", ISSUED_AT)), LONG=scenario)

    assert row.answer.expires_at == expires_at


def test_what_came_before_the_switch_was_decided_under_the_policy_in_force() -> None:
    scenario = Scenario(policy=preset_policies()["NV"], switch_at=kst("2025-06-02"))

    _, (row,) = ask(from_file(*LIFE), NV=scenario)

    assert row.answer.renewed_at == (kst("2025-06-01T09:00"),)


def test_a_credential_that_is_issued_after_the_switch_is_issued_under_the_policy() -> None:
    scenario = Scenario(policy=preset_policies()["NV"], switch_at=kst("2024-01-01"))

    _, (row,) = ask(from_file(*LIFE), NV=scenario)

    assert row.answer.expires_at == kst("2026-03-16")


def test_whom_a_policy_does_not_concern_stays_as_it_was() -> None:
    otp = document("OTP", renew_on="never", kinds=["mobile_otp"])
    written = (*LIFE, fact("issued", ISSUED_AT, "C2", kind="mobile_otp"), fact("used", USED_AT, "C2"))

    run, rows = ask(from_file(*written), OTP=Scenario(policy=otp))

    assert [len(row.answer.renewed_at) for row in rows] == [1, 0]
    assert run.summaries["OTP"].changed == 1


def test_a_switch_keeps_every_fact_also_of_a_history_that_was_learned_out_of_order(
    memory_store: MemoryEventStore,
) -> None:
    script = Script()
    customer, phone, held = script.new_id(), script.new_id(), script.new_id()
    execute(
        memory_store,
        [
            script.adopt_policy(),
            script.enroll(customer),
            script.register(phone),
            script.issue(held, customer=customer, device=phone, at=FEBRUARY),
            script.suspend(held, at=kst("2024-08-01")),
            script.use(held, device=phone, at=kst("2024-03-01")),
        ],
    )
    as_of = kst("2025-01-01")
    scenario = Scenario(policy=preset_policies()["X"], switch_at=kst("2024-06-01"))
    book = PolicyBook({**questions.policies(memory_store).policies, **PolicyBook.of(scenario.policy).policies})

    (row,) = WhatIf(scenarios={"X": scenario}, policies=book, as_of=as_of).run(histories_of_ledger(memory_store))

    assert row.answer.state is ValidityState.SUSPENDED


# --- Summaries


def test_a_summary_counts_states_renewals_lapses_refused_uses_and_changes() -> None:
    written = (
        *LIFE,
        fact("used", "2026-12-01T00:00:00Z"),
        fact("issued", "2027-12-01T00:00:00Z", "C2"),
        fact("issued", ISSUED_AT, "C3"),
        fact("revoked", USED_AT, "C3"),
    )

    run, _ = ask(from_file(*written), D=under("D"), NV=under("NV"))

    in_force, never = run.summaries["D"], run.summaries["NV"]
    assert in_force.changed == 0
    assert (in_force.renewals, in_force.lapses, in_force.refused_uses) == (2, 0, 0)
    assert (never.renewals, never.lapses, never.refused_uses, never.changed) == (0, 1, 1, 3)
    assert never.credentials == {"expired": 1, "active": 1, "revoked": 1}
    assert never.digest == preset_policies()["NV"].digest


def test_rows_come_by_credential_and_then_by_policy() -> None:
    _, rows = ask(from_file(*LIFE, fact("issued", USED_AT, "C2")), X=under("X"), N=under("N"))

    assert [(row.credential, row.policy) for row in rows] == [("C1", "X"), ("C1", "N"), ("C2", "X"), ("C2", "N")]
