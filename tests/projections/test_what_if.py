"""What would have become of these histories under another policy?"""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings

from sealbook.domain import credential, customer
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    Expired,
    ExpiryObserved,
    Fact,
    FactNotApplied,
    Issue,
    ObjectToRenewal,
    ObserveExpiry,
    ObserveRenewal,
    PolicySwitched,
    RecordRefusal,
    RenewalObjectionLodged,
    RenewalObserved,
    Renewed,
    RequestRenewal,
    Resume,
    Resumed,
    Revoke,
    Revoked,
    Settle,
    Suspend,
    Suspended,
    SwitchPolicy,
    Use,
    UseRefused,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import HolderKind, HolderSubkind, Kind, PolicyRef, RenewalCause, SwitchMode
from sealbook.projections.renewal_eligibility import AutoRenewal
from sealbook.projections.validity import ValidityState
from sealbook.projections.what_if import (
    NOT_ISSUED,
    Answer,
    History,
    Replayed,
    Scenario,
    answer,
    by_the_clock,
    decisions,
    facts_of,
    replay,
    under,
)
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    ELIGIBLE,
    END,
    GRACE_END,
    GRACE_G,
    ISSUE,
    KINDS,
    LATER,
    NEVER_NV,
    OTHER_PHONE,
    PERSON,
    PHONE,
    REQUEST_R,
    SUMMER,
    USE_D,
    book_with,
    by_renewal,
    document,
    issued_under,
    kst,
    refused,
    used,
)
from tests.domain.test_replay_against_oracle import Written, histories
from tests.domain.test_replay_against_oracle import document as read
from tests.domain.test_replay_against_oracle import fact as fact_written
from tests.projections.records import log

ISSUED = issued_under(USE_D)
ISSUE_D = Issue(
    at=ISSUE,
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    holder=HolderKind.PERSONAL,
    policy=USE_D.ref,
)


def history_of(*facts: Fact, issue: Issue = ISSUE_D) -> History:
    return History(name="C1", issue=issue, facts=facts)


# --- The facts in what was recorded.


def facts_in(*events: Event) -> Sequence[Fact]:
    history = facts_of(log(ISSUED, *events), name="C1")
    assert history is not None
    return history.facts


def not_applied(fact: str, policy: PolicyRef | None = None, mode: SwitchMode | None = None) -> FactNotApplied:
    return FactNotApplied(at=SUMMER, fact=fact, reason=Refusal.ALREADY_FINAL, switch_to=policy, mode=mode)


def switched(*, automatic: bool) -> PolicySwitched:
    return PolicySwitched(
        at=SUMMER, policy=CLOCK_X.ref, mode=SwitchMode.RESTART, automatic=automatic, bounds=ISSUED.bounds
    )


def turned_away(reason: Refusal) -> UseRefused:
    return refused(SUMMER, reason, channel="web", purpose="login")


USE_AGAIN = Use(at=SUMMER, channel="web", purpose="login")
RENEWED_BOUNDS = by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025)
SWITCH = SwitchPolicy(at=SUMMER, policy=CLOCK_X.ref, mode=SwitchMode.RESTART)


FACTS_OF = [
    pytest.param(used(SUMMER, channel="web", purpose="login", qualifies=False), [USE_AGAIN], id="used"),
    pytest.param(turned_away(Refusal.EXPIRED), [USE_AGAIN], id="refused for the expiry"),
    pytest.param(turned_away(Refusal.SUSPENDED), [USE_AGAIN], id="refused for the suspension"),
    pytest.param(turned_away(Refusal.REVOKED), [USE_AGAIN], id="refused for the revocation"),
    pytest.param(
        turned_away(Refusal.REPORTED),
        [RecordRefusal(at=SUMMER, channel="web", purpose="login", failures=0)],
        id="refused elsewhere",
    ),
    pytest.param(
        turned_away(Refusal.WRONG_DEVICE),
        [RecordRefusal(at=SUMMER, channel="web", purpose="login", failures=0)],
        id="refused for its device",
    ),
    pytest.param(
        Renewed(at=SUMMER, policy=USE_D.ref, bounds=RENEWED_BOUNDS), [RequestRenewal(at=SUMMER)], id="renewed"
    ),
    pytest.param(Suspended(at=SUMMER, reason="lost"), [Suspend(at=SUMMER, reason="lost")], id="suspended"),
    pytest.param(Resumed(at=SUMMER, evidence=None), [Resume(at=SUMMER)], id="resumed"),
    pytest.param(Revoked(at=SUMMER, reason="lost"), [Revoke(at=SUMMER, reason="lost")], id="revoked"),
    pytest.param(RenewalObjectionLodged(at=SUMMER), [ObjectToRenewal(at=SUMMER)], id="objected to"),
    pytest.param(switched(automatic=False), [SWITCH], id="switched by an officer"),
    pytest.param(
        RenewalObserved(at=SUMMER, expires_at=END), [ObserveRenewal(at=SUMMER, expires_at=END)], id="renewal seen"
    ),
    pytest.param(ExpiryObserved(at=SUMMER), [ObserveExpiry(at=SUMMER)], id="expiry seen"),
    pytest.param(not_applied("suspended"), [Suspend(at=SUMMER)], id="a suspension not applied"),
    pytest.param(not_applied("resumed"), [Resume(at=SUMMER)], id="a resumption not applied"),
    pytest.param(not_applied("revoked"), [Revoke(at=SUMMER)], id="a revocation not applied"),
    pytest.param(not_applied("renewal_requested"), [RequestRenewal(at=SUMMER)], id="a request not applied"),
    pytest.param(not_applied("renewal_objected"), [ObjectToRenewal(at=SUMMER)], id="an objection not applied"),
    pytest.param(not_applied("policy_switched", CLOCK_X.ref, SwitchMode.RESTART), [SWITCH], id="a switch not applied"),
    # What a use brought about is left out: another policy may decide otherwise.
    pytest.param(
        AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=RENEWED_BOUNDS),
        [],
        id="renewed by a use",
    ),
    pytest.param(
        AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.GRACE, bounds=RENEWED_BOUNDS),
        [],
        id="renewed in the grace",
    ),
    # Of what the clock decided, that it was consulted is left.
    pytest.param(
        AutoRenewed(at=END, policy=CLOCK_X.ref, cause=RenewalCause.EXPIRY, bounds=RENEWED_BOUNDS),
        [Settle(at=END)],
        id="renewed by the clock",
    ),
    pytest.param(Expired(at=END, policy=USE_D.ref, grace_until=END), [Settle(at=END)], id="expired"),
    pytest.param(switched(automatic=True), [Settle(at=SUMMER)], id="switched by an announcement"),
]


@pytest.mark.parametrize(("event", "facts"), FACTS_OF)
def test_an_event_is_the_fact_that_it_came_of(event: Event, facts: list[Fact]) -> None:
    assert facts_in(event) == facts


@pytest.mark.parametrize("fact", ["issued", "policy_switched"])
def test_a_fact_of_an_unknown_kind_is_an_error(fact: str) -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        facts_in(not_applied(fact))


def test_the_issue_is_read_without_its_device() -> None:
    recorded = log(issued_under(USE_D, device=PHONE))

    assert facts_of(recorded, name="C1") == History(name="C1", issue=ISSUE_D, facts=[])


def test_a_reissue_keeps_what_it_replaces() -> None:
    reissued = dataclasses.replace(ISSUED, replaces=OTHER_PHONE, old_end=END, provenance="bank A")
    history = facts_of(log(reissued), name="C1")

    assert history is not None
    assert (history.issue.replaces, history.issue.old_end, history.issue.provenance) == (OTHER_PHONE, END, "bank A")


def test_without_an_issue_there_is_no_history() -> None:
    assert facts_of(log(), name="C1") is None


def test_events_of_other_aggregates_are_left_out() -> None:
    enrolled = customer.Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)

    assert facts_of(log(enrolled), name="C1") is None


# --- A scenario.


def test_a_policy_applies_from_the_beginning() -> None:
    changed = under(history_of(Use(at=SUMMER)), Scenario(policy=CLOCK_X))

    assert changed.issue.policy == CLOCK_X.ref
    assert changed.facts == (Use(at=SUMMER),)


def test_a_policy_applies_from_the_switch_on() -> None:
    before, after = Use(at=SUMMER), Use(at=END)
    scenario = Scenario(policy=CLOCK_X, switch_at=AUTUMN_2025, mode=SwitchMode.RECOMPUTE)
    changed = under(history_of(before, after), scenario)

    switch = SwitchPolicy(at=AUTUMN_2025, policy=CLOCK_X.ref, mode=SwitchMode.RECOMPUTE)
    assert changed == history_of(before, switch, after)


def test_a_switch_comes_before_a_fact_of_its_instant() -> None:
    changed = under(history_of(Use(at=SUMMER)), Scenario(policy=CLOCK_X, switch_at=SUMMER))

    assert [type(fact) for fact in changed.facts] == [SwitchPolicy, Use]


@pytest.mark.parametrize(
    "switch_at", [ISSUE, ISSUE - MICROSECOND, ISSUE - timedelta(days=1)], ids=["at the switch", "just after", "after"]
)
def test_what_is_issued_after_the_switch_is_under_the_policy_from_its_issue(switch_at: datetime) -> None:
    changed = under(history_of(Use(at=SUMMER)), Scenario(policy=CLOCK_X, switch_at=switch_at))

    assert changed.issue.policy == CLOCK_X.ref
    assert changed.facts == (Use(at=SUMMER),)


def test_a_switch_leaves_the_bounds_unless_it_says_otherwise() -> None:
    assert Scenario(policy=CLOCK_X).mode is SwitchMode.KEEP


@pytest.mark.parametrize("switch_at", [None, SUMMER], ids=["from the beginning", "from a switch on"])
@pytest.mark.parametrize("limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["kind", "holder"])
def test_whom_the_policy_does_not_concern_stays_as_it_was(limit: dict[str, object], switch_at: datetime | None) -> None:
    history = history_of(Use(at=SUMMER))

    assert under(history, Scenario(policy=document("L", **limit), switch_at=switch_at)) is history


def test_a_switch_loses_no_fact_that_was_learned_late() -> None:
    first, late, last = Use(at=AUTUMN_2025), Suspend(at=SUMMER), Resume(at=END)
    changed = under(history_of(first, late, last), Scenario(policy=CLOCK_X, switch_at=ELIGIBLE))

    facts = [fact for fact in changed.facts if not isinstance(fact, SwitchPolicy)]
    assert sorted(facts, key=lambda fact: fact.at) == [late, first, last]


# --- A replay.


def test_a_replay_derives_the_decisions() -> None:
    replayed = replay(history_of(Use(at=AUTUMN_2025)), policies=BOOK, as_of=LATER)

    assert [type(event).__name__ for event in replayed.events] == ["Issued", "Used", "AutoRenewed", "Expired"]
    assert replayed.renewed_at == (AUTUMN_2025,)
    assert replayed.lapses == 1
    assert replayed.refused == 0


@pytest.mark.parametrize(
    ("as_of", "events"),
    [
        pytest.param(ISSUE - MICROSECOND, 0, id="before the issue"),
        pytest.param(ISSUE, 1, id="at the issue"),
        pytest.param(SUMMER - MICROSECOND, 1, id="before the fact"),
        pytest.param(SUMMER, 2, id="at the fact"),
        pytest.param(END - MICROSECOND, 2, id="before the end"),
        pytest.param(END, 3, id="at the end"),
    ],
)
def test_a_replay_stops_at_its_moment(as_of: datetime, events: int) -> None:
    assert len(replay(history_of(Use(at=SUMMER)), policies=BOOK, as_of=as_of).events) == events


def test_a_replay_counts_the_uses_that_it_refused_itself() -> None:
    history = history_of(RecordRefusal(at=SUMMER), Use(at=END), Use(at=LATER))

    assert replay(history, policies=BOOK, as_of=LATER).refused == 2


def test_a_replay_counts_renewals_of_every_cause() -> None:
    issue = Issue(at=ISSUE, customer=PERSON, kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL, policy=REQUEST_R.ref)
    asked = kst("2026-03-01")
    switch = SwitchPolicy(at=asked, policy=GRACE_G.ref, mode=SwitchMode.RECOMPUTE)
    back = kst("2028-03-10")
    history = history_of(RequestRenewal(at=asked), switch, Use(at=back), issue=issue)

    assert replay(history, policies=BOOK, as_of=LATER).renewed_at == (asked, back)


def test_a_replay_begins_with_an_issue_that_the_policy_allows() -> None:
    others = document("L", kinds=["mobile_otp"])
    issue = Issue(
        at=ISSUE,
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=others.ref,
    )

    with pytest.raises(Refused, match="does not concern"):
        replay(history_of(issue=issue), policies=book_with(others), as_of=LATER)


# --- The answer.


def answered(history: History, as_of: datetime) -> Answer:
    return answer(replay(history, policies=BOOK, as_of=as_of), policies=BOOK, as_of=as_of)


def test_before_the_issue_the_answer_is_that() -> None:
    assert answered(history_of(), ISSUE - MICROSECOND) == NOT_ISSUED


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        pytest.param(
            SUMMER,
            Answer(
                state=ValidityState.ACTIVE,
                expires_at=END,
                eligible_from=ELIGIBLE,
                auto_renewal=AutoRenewal.NOT_YET,
                renewed_at=(),
            ),
            id="in the first year",
        ),
        pytest.param(
            AUTUMN_2025,
            Answer(
                state=ValidityState.ACTIVE,
                expires_at=kst("2027-10-02"),
                eligible_from=kst("2026-10-02"),
                auto_renewal=AutoRenewal.NOT_YET,
                renewed_at=(AUTUMN_2025,),
            ),
            id="renewed",
        ),
        pytest.param(
            LATER,
            Answer(
                state=ValidityState.EXPIRED,
                expires_at=kst("2027-10-02"),
                eligible_from=kst("2026-10-02"),
                auto_renewal=AutoRenewal.NOT_APPLICABLE,
                renewed_at=(AUTUMN_2025,),
            ),
            id="expired",
        ),
    ],
)
def test_the_answer_is_as_of_its_moment(as_of: datetime, expected: Answer) -> None:
    assert answered(history_of(Use(at=AUTUMN_2025)), as_of) == expected


def test_another_policy_gives_another_answer() -> None:
    history = history_of(Use(at=SUMMER), Use(at=AUTUMN_2025))
    never = answered(under(history, Scenario(policy=NEVER_NV)), END)
    clock = answered(under(history, Scenario(policy=CLOCK_X)), END)

    assert (never.state, never.expires_at) == (ValidityState.EXPIRED, END)
    assert (clock.state, clock.renewed_at) == (ValidityState.ACTIVE, (END,))


def test_a_use_that_was_refused_might_have_passed() -> None:
    graced = under(history_of(Use(at=APRIL_2026)), Scenario(policy=GRACE_G))

    assert APRIL_2026 < GRACE_END
    assert answered(history_of(Use(at=APRIL_2026)), APRIL_2026).state is ValidityState.EXPIRED
    assert answered(graced, APRIL_2026).renewed_at == (APRIL_2026,)


# --- The decisions.


def test_decisions_are_what_a_policy_concluded() -> None:
    renewed = AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=RENEWED_BOUNDS)
    requested = Renewed(at=AUTUMN_2025, policy=USE_D.ref, bounds=RENEWED_BOUNDS)
    expired = Expired(at=END, policy=USE_D.ref, grace_until=END)
    concluded = (renewed, requested, expired, turned_away(Refusal.EXPIRED))
    facts = (ISSUED, Suspended(at=SUMMER, reason=None), ExpiryObserved(at=SUMMER), turned_away(Refusal.REPORTED))

    assert decisions((*facts, *concluded)) == concluded


def test_a_use_refused_for_its_device_is_no_decision_of_a_policy() -> None:
    recorded = (issued_under(USE_D, device=PHONE), turned_away(Refusal.WRONG_DEVICE))
    history = facts_of(log(*recorded), name="C1")
    assert history is not None

    assert decisions(recorded) == decisions(replay(history, policies=BOOK, as_of=SUMMER).events)


# --- Identity: the same facts under the same policy give the same decisions.

Case = tuple[list[Written], Written, dict[str, Written], datetime]


def written_history(case: Case) -> tuple[History, PolicyBook, datetime]:
    facts, policy, others, _ = case
    main, other = read(policy, "main"), read(others["other"], "other")
    issue = Issue(
        at=facts[0]["at"].astimezone(UTC),
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=main.ref,
    )
    told = [fact_written(each, {"other": other.ref}) for each in facts[1:]]
    return (
        History(name="C1", issue=issue, facts=told),
        PolicyBook.of(main, other),
        max(LATER, issue.at, *(each.at for each in told)),
    )


def recorded_of(history: History, book: PolicyBook, as_of: datetime) -> list[credential.Event]:
    """What a ledger records that adopts a history and settles it at the end."""
    state: credential.State = None
    recorded: list[credential.Event] = []
    adopted = [Adopt(fact=fact) for fact in (history.issue, *history.facts)]
    commands: list[credential.Command] = [*adopted, Settle(at=as_of)]
    for command in commands:
        decided = credential.decide(state, command, book, KINDS)
        state = credential.fold(decided, since=state)
        recorded.extend(decided)
    return recorded


def read_back(recorded: Sequence[credential.Event]) -> History:
    history = facts_of(log(*recorded), name="C1")
    assert history is not None
    return history


@settings(max_examples=200, deadline=None)
@given(histories())
def test_the_same_facts_under_the_same_policy_give_the_same_decisions(case: Case) -> None:
    history, book, as_of = written_history(case)
    recorded = recorded_of(history, book, as_of)
    replayed = replay(read_back(recorded), policies=book, as_of=as_of)

    assert decisions(replayed.events) == decisions(recorded)
    assert replayed == Replayed(credential=credential.issued(credential.fold(recorded)), events=replayed.events)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_what_was_recorded_under_one_policy_is_replayed_under_another(case: Case) -> None:
    history, book, as_of = written_history(case)
    scenario = Scenario(policy=book.policies["other"].versions[0])
    told = under(history, scenario)
    kept = under(read_back(recorded_of(history, book, as_of)), scenario)

    assert decisions(replay(kept, policies=book, as_of=as_of).events) == decisions(
        replay(told, policies=book, as_of=as_of).events
    )


def test_an_objection_that_changed_nothing_may_count_under_another_policy() -> None:
    # Under D the year between them renewed nothing; a policy of six months would have, so both count.
    objections = [ObjectToRenewal(at=SUMMER), ObjectToRenewal(at=ELIGIBLE)]
    recorded = recorded_of(history_of(*objections), BOOK, ELIGIBLE)

    assert read_back(recorded).facts == objections


def test_a_history_has_the_name_it_is_given() -> None:
    assert read_back([ISSUED]).name == "C1"
    assert UUID(int=1) == read_back([ISSUED]).issue.customer


@pytest.mark.parametrize(
    ("event", "alone"),
    [
        (Expired(at=END, policy=USE_D.ref, grace_until=END), True),
        (AutoRenewed(at=END, policy=CLOCK_X.ref, cause=RenewalCause.EXPIRY, bounds=RENEWED_BOUNDS), True),
        (AutoRenewed(at=END, policy=USE_D.ref, cause=RenewalCause.USE, bounds=RENEWED_BOUNDS), False),
        (used(SUMMER), False),
    ],
    ids=["a lapse", "a renewal at the end", "a renewal by a use", "a use"],
)
def test_what_time_alone_decided_may_stand_in_no_record(event: credential.Event, alone: bool) -> None:
    assert by_the_clock(event) is alone


def test_an_issue_is_no_fact_within_a_history() -> None:
    assert credential.fact_of(issued_under(USE_D)) is None


def test_an_answer_cites_the_policy_as_it_was_given() -> None:
    apart = CLOCK_X.model_copy(update={"policy_id": "X~0"})

    assert Scenario(policy=apart, given=CLOCK_X).digest == CLOCK_X.digest == Scenario(policy=CLOCK_X).digest
