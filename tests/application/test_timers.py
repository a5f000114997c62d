"""What comes due: at its moment, once, and however late the timers run."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.cascades import derived_id
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.ports import EventStore
from sealbook.application.requests import ApplyForCredential, OnPolicy, ReportLoss
from sealbook.application.timers import Timers, run_timers
from sealbook.domain import credential, policy
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import event_name
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies
from sealbook.domain.values import Kind, SwitchMode
from tests.commands import A_YEAR_LATER, FEBRUARY, JANUARY, MARCH, Script

PERSON, PHONE, HELD = UUID(int=1), UUID(int=3), UUID(int=4)
END = datetime.fromisoformat("2026-02-11T00:00:00+09:00")
"""Two years by end of day after the issue in February 2024."""
DAY = timedelta(days=1)


@pytest.fixture
def script() -> Script:
    return Script(seed=9)


@pytest.fixture
def store(memory_store: MemoryEventStore, script: Script) -> MemoryEventStore:
    told(memory_store, script.adopt_policy(), script.enroll(PERSON), script.register(PHONE))
    return memory_store


def told(store: EventStore, *commands: Command) -> None:
    assert all(outcome.accepted for outcome in execute(store, commands))


def issue(store: EventStore, script: Script) -> None:
    told(store, script.issue(HELD, customer=PERSON, device=PHONE))


def run(store: EventStore, until: datetime) -> int:
    return run_timers(store, kinds=preset_kinds(), until=until)


def story(store: EventStore, stream: UUID = HELD) -> list[str]:
    return [event_name(each.event).removeprefix("credential.") for each in store.stream(stream)]


def test_a_lapse_is_recorded_at_the_end_itself_however_late(store: EventStore, script: Script) -> None:
    issue(store, script)

    assert run(store, END - MICROSECOND) == 1  # a notice, for a day is left
    assert run(store, END + 300 * DAY) == 1

    expired = store.stream(HELD)[-1].event
    assert (event_name(expired), expired.at) == ("credential.expired", END)
    assert event_name(store.stream(PERSON)[-1].event) == "customer.credential_closed"


def test_notices_come_thirty_seven_and_one_days_before_the_end(store: EventStore, script: Script) -> None:
    issue(store, script)
    runs = [END - days * DAY for days in (31, 30, 29, 8, 7, 6, 2, 1)]

    assert [run(store, at) for at in runs] == [0, 1, 0, 0, 1, 0, 0, 1]

    sent = [each.event for each in store.stream(HELD) if isinstance(each.event, credential.ExpiryNoticeSent)]
    assert [(notice.lead, notice.expires_at - notice.at) for notice in sent] == [
        ("P30D", 30 * DAY),
        ("P7D", 7 * DAY),
        ("P1D", 1 * DAY),
    ]


def test_a_notice_that_comes_too_late_is_not_sent(store: EventStore, script: Script) -> None:
    issue(store, script)

    run(store, END - 3 * DAY)
    run(store, END)

    assert story(store) == ["issued", "key_attested", "expiry_notice_sent", "expired"]


def test_a_notice_bears_the_moment_at_which_it_was_sent(store: EventStore, script: Script) -> None:
    issue(store, script)
    late = END - 25 * DAY

    run(store, late)

    assert store.stream(HELD)[-1].event == credential.ExpiryNoticeSent(at=late, expires_at=END, lead="P30D")


def test_a_suspension_that_lasts_too_long_ends_in_a_revocation(store: EventStore, script: Script) -> None:
    issue(store, script)
    told(store, script.command(ReportLoss(at=MARCH, lost=HELD)))
    limit = MARCH + 90 * DAY

    assert run(store, limit - MICROSECOND) == 0
    assert run(store, limit) == 1

    assert store.stream(HELD)[-1].event == credential.Revoked(at=limit, reason="key_compromise")


@pytest.mark.parametrize(
    ("reason", "revoked_for"),
    [
        ("requested", "cessation_of_operation"),
        (None, "cessation_of_operation"),
        ("customer_restricted", "privilege_withdrawn"),
        ("clone_suspected", "key_compromise"),
    ],
)
def test_the_revocation_says_what_the_suspension_was_for(
    store: EventStore, script: Script, reason: str | None, revoked_for: str
) -> None:
    issue(store, script)
    told(store, script.on(HELD, credential.Suspend(at=MARCH, reason=reason)))

    run(store, A_YEAR_LATER)

    revoked = store.stream(HELD)[-1].event
    assert isinstance(revoked, credential.Revoked)
    assert revoked.reason == revoked_for


def test_an_application_is_given_up_when_its_time_is_over(store: EventStore, script: Script) -> None:
    apply = ApplyForCredential(
        at=MARCH, credential=HELD, name=None, customer=PERSON, kind=Kind.KB_MOBILE_CERTIFICATE, device=PHONE
    )
    told(store, script.command(apply))
    limit = MARCH + 7 * DAY

    assert run(store, limit - MICROSECOND) == 0
    assert run(store, limit) == 1
    assert run(store, A_YEAR_LATER) == 0

    assert store.stream(HELD)[-1].event == credential.ApplicationAbandoned(at=limit, timed_out=True)
    assert event_name(store.stream(PERSON)[-1].event) == "customer.credential_closed"


def with_notice(renew_on: str) -> RenewalPolicy:
    written = {"policy_id": "LN", "validity": "P2Y", "eligible_after": "P1Y", "notice_lead": "P35D"}
    return RenewalPolicy.model_validate({**written, "renew_on": renew_on})


@pytest.mark.parametrize(
    ("renew_on", "planned"),
    [("use", datetime.fromisoformat("2025-02-11T00:00:00+09:00")), ("expiry", END)],
)
def test_a_renewal_is_announced_before_it_may_come(
    store: EventStore, script: Script, renew_on: str, planned: datetime
) -> None:
    adopt = OnPolicy(
        policy_id="LN", stream=UUID(int=99), command=policy.Adopt(at=JANUARY, document=with_notice(renew_on))
    )
    issue(store, script)
    switch = credential.SwitchPolicy(at=MARCH, policy=with_notice(renew_on).ref, mode=SwitchMode.KEEP)
    told(store, script.command(adopt), script.on(HELD, switch))

    assert run(store, planned - 36 * DAY) == 0
    assert run(store, planned - 35 * DAY) == 1
    assert run(store, planned - 34 * DAY) == 0

    sent = store.stream(HELD)[-1].event
    assert sent == credential.RenewalNoticeSent(at=planned - 35 * DAY, planned_at=planned)


def test_the_end_of_a_grace_closes_the_credential_at_its_customer(store: EventStore, script: Script) -> None:
    adopt = OnPolicy(
        policy_id="G30", stream=UUID(int=98), command=policy.Adopt(at=JANUARY, document=preset_policies()["G30"])
    )
    issue(store, script)
    switch = credential.SwitchPolicy(at=MARCH, policy=preset_policies()["G30"].ref, mode=SwitchMode.KEEP)
    told(store, script.command(adopt), script.on(HELD, switch))

    run(store, END + 29 * DAY)
    assert event_name(store.stream(PERSON)[-1].event) != "customer.credential_closed"
    run(store, END + 31 * DAY)

    closed = store.stream(PERSON)[-1].event
    assert (event_name(closed), closed.at) == ("customer.credential_closed", END + 30 * DAY)


def test_timers_twice_are_once(store: EventStore, script: Script) -> None:
    issue(store, script)
    run(store, END + DAY)
    before = store.last_position()

    assert run(store, END + DAY) == 0
    assert store.last_position() == before


def test_timers_that_stay_see_what_is_new(store: EventStore, script: Script) -> None:
    timers = Timers(store, preset_kinds())
    assert timers.run(until=FEBRUARY) == 0

    issue(store, script)

    assert timers.run(until=END) == 1
    assert story(store)[-1] == "expired"


def test_a_run_for_the_past_sends_its_notices_now(store: EventStore, script: Script) -> None:
    issue(store, script)
    now = END - 5 * DAY

    assert run_timers(store, kinds=preset_kinds(), until=END - 20 * DAY, now=now) == 1
    assert store.stream(HELD)[-1].event.at == now


def test_a_run_for_the_past_sends_no_notice_of_what_has_passed(store: EventStore, script: Script) -> None:
    issue(store, script)

    assert run_timers(store, kinds=preset_kinds(), until=END - 20 * DAY, now=END + DAY) == 0


def test_what_cannot_be_carried_out_keeps_nobody_waiting_and_is_asked_again(store: EventStore, script: Script) -> None:
    issue(store, script)
    other, somebody, somewhere = (UUID(int=number) for number in (5, 6, 7))
    told(store, script.enroll(somebody), script.register(somewhere))
    told(store, script.issue(other, customer=somebody, device=somewhere))
    timers, due_at = Timers(store, preset_kinds()), END - 30 * DAY
    # Somebody has used the command id that is the notice's.
    key = f"{HELD} SendExpiryNotice P30D {due_at.astimezone(UTC).isoformat()} {FEBRUARY.isoformat()}"
    told(store, script.command(script.on(HELD, credential.Suspend(at=MARCH)).request, command_id=derived_id(key)))
    told(store, script.on(HELD, credential.Resume(at=MARCH, evidence="seen")))

    assert timers.run(until=END - 29 * DAY) == 1
    assert timers.run(until=END - 28 * DAY) == 0
    assert story(store)[-1] == "resumed"
    assert story(store, other)[-1] == "expiry_notice_sent"
    assert list(timers.overlooked()) == []

    assert timers.run(until=END - 7 * DAY) == 2
    assert story(store)[-1] == "expiry_notice_sent"


def test_a_policy_that_came_during_a_run_is_known_to_it(store: EventStore, script: Script) -> None:
    issue(store, script)
    told(store, script.on(HELD, credential.Suspend(at=MARCH)))
    adopt = OnPolicy(
        policy_id="X", stream=UUID(int=97), command=policy.Adopt(at=JANUARY, document=preset_policies()["X"])
    )
    switch = credential.SwitchPolicy(at=MARCH, policy=preset_policies()["X"].ref, mode=SwitchMode.RESTART)
    batches = list[int]()

    def meanwhile() -> None:
        # The first batch is of the cascades; by the second, the run has read the policies.
        batches.append(1)
        if len(batches) == 2:
            told(store, script.command(adopt), script.on(HELD, switch))

    timers = Timers(store, preset_kinds(), advanced=meanwhile)
    assert timers.run(until=MARCH + 90 * DAY) == 1
    assert story(store)[-2:] == ["policy_switched", "revoked"]


def test_after_a_switch_of_policy_the_new_end_is_told(store: EventStore, script: Script) -> None:
    issue(store, script)
    run(store, END - 20 * DAY)
    switch = credential.SwitchPolicy(at=END - 15 * DAY, policy=preset_policies()["D"].ref, mode=SwitchMode.RECOMPUTE)
    told(store, script.on(HELD, switch))

    assert run(store, END - 10 * DAY) == 1
    assert story(store)[-1] == "expiry_notice_sent"
