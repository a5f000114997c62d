"""An imported history: what the rules refuse is kept without effect, and what was seen elsewhere decides nothing."""

from dataclasses import replace

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    Erase,
    Event,
    Expired,
    ExpiryObserved,
    Fact,
    FactNotApplied,
    Issue,
    ObjectToRenewal,
    ObserveExpiry,
    ObserveRenewal,
    RecordRefusal,
    RenewalObjectionLodged,
    RenewalObserved,
    ReportLoss,
    RequestRenewal,
    RequireReset,
    Resume,
    Resumed,
    Revoke,
    Revoked,
    SendExpiryNotice,
    Settle,
    SetUnlockMethod,
    SignalClone,
    Suspend,
    Suspended,
    SwitchPolicy,
    UnlinkId,
    Use,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import PolicyRef, RenewalCause, SwitchMode, UnlockMethod
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    ID_1,
    ISSUE,
    KINDS,
    LATER,
    PERSON,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    issued_under,
    kst,
    refused,
    used,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
REVOKED = Revoked(at=SUMMER, reason=None)
ELSEWHERE = kst("2027-10-02")


def not_applied(fact: str) -> FactNotApplied:
    return FactNotApplied(at=SUMMER, fact=fact, reason=Refusal.ALREADY_FINAL, switch_to=None, mode=None)


@pytest.mark.parametrize("adopted", [False, True], ids=["told", "adopted"])
@pytest.mark.parametrize(
    ("command", "event"),
    [
        (ObserveRenewal(at=SUMMER, expires_at=ELSEWHERE), RenewalObserved(at=SUMMER, expires_at=ELSEWHERE)),
        (ObserveExpiry(at=SUMMER), ExpiryObserved(at=SUMMER)),
    ],
    ids=["a renewal", "an expiry"],
)
def test_what_another_system_saw_is_recorded(
    command: ObserveRenewal | ObserveExpiry, event: Event, adopted: bool
) -> None:
    given(ISSUED, policies=BOOK).when(Adopt(fact=command) if adopted else command).then(event)
    given(ISSUED, REVOKED, policies=BOOK).when(Adopt(fact=command) if adopted else command).then(event)


@pytest.mark.parametrize(
    "event",
    [
        RenewalObserved(at=SUMMER, expires_at=ELSEWHERE),
        ExpiryObserved(at=SUMMER),
        FactNotApplied(at=SUMMER, fact="resumed", reason=Refusal.ALREADY_FINAL, switch_to=None, mode=None),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_decides_nothing_leaves_the_state_alone(event: Event) -> None:
    assert credential_after(ISSUED, event) == credential_after(ISSUED)


@pytest.mark.parametrize(
    ("fact", "events"),
    [
        (Use(at=SUMMER), [used(SUMMER)]),
        (RecordRefusal(at=SUMMER), [refused(SUMMER, Refusal.REPORTED)]),
        (Suspend(at=SUMMER, reason="lost"), [Suspended(at=SUMMER, reason="lost")]),
        (Resume(at=SUMMER), []),
        (Revoke(at=SUMMER), [REVOKED]),
        (ObjectToRenewal(at=SUMMER), [RenewalObjectionLodged(at=SUMMER)]),
        (Settle(at=SUMMER), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fact_that_the_rules_allow_has_its_effect(fact: Fact, events: list[Event]) -> None:
    given(ISSUED, policies=BOOK).when(Adopt(fact=fact)).then(*events)


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (Suspend(at=AUTUMN_2025), "suspended"),
        (Resume(at=AUTUMN_2025), "resumed"),
        (Revoke(at=AUTUMN_2025), "revoked"),
        (RequestRenewal(at=AUTUMN_2025), "renewal_requested"),
        (ObjectToRenewal(at=AUTUMN_2025), "renewal_objected"),
    ],
)
def test_a_fact_that_the_rules_refuse_is_kept_without_effect(fact: Fact, name: str) -> None:
    given(ISSUED, REVOKED, policies=BOOK).when(Adopt(fact=fact)).then(
        FactNotApplied(at=AUTUMN_2025, fact=name, reason=Refusal.ALREADY_FINAL, switch_to=None, mode=None)
    )


@pytest.mark.parametrize(
    ("before", "policy", "reason"),
    [
        pytest.param((REVOKED,), CLOCK_X.ref, Refusal.ALREADY_FINAL, id="revoked"),
        pytest.param((), PolicyRef("unknown", 1), Refusal.NO_POLICY, id="to a policy that is not known"),
    ],
)
def test_a_switch_that_the_rules_refuse_is_kept_with_its_policy(
    before: tuple[Event, ...], policy: PolicyRef, reason: Refusal
) -> None:
    switch = SwitchPolicy(at=AUTUMN_2025, policy=policy, mode=SwitchMode.RESTART)

    given(ISSUED, *before, policies=BOOK).when(Adopt(fact=switch)).then(
        FactNotApplied(
            at=AUTUMN_2025,
            fact="policy_switched",
            reason=reason,
            switch_to=policy,
            mode=SwitchMode.RESTART,
        )
    )


def test_a_use_that_the_rules_refuse_is_an_event_of_its_own() -> None:
    given(ISSUED, REVOKED, policies=BOOK).when(Adopt(fact=Use(at=AUTUMN_2025))).then(
        refused(AUTUMN_2025, Refusal.REVOKED)
    )


def test_the_clock_decides_before_a_fact_is_adopted() -> None:
    given(ISSUED, policies=BOOK).when(Adopt(fact=Suspend(at=LATER))).then(
        Expired(at=END, policy=USE_D.ref, grace_until=END),
        FactNotApplied(at=LATER, fact="suspended", reason=Refusal.ALREADY_FINAL, switch_to=None, mode=None),
    )


def test_an_adopted_use_renews_as_any_other() -> None:
    bounds = by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025)

    given(ISSUED, policies=BOOK).when(Adopt(fact=Use(at=AUTUMN_2025))).then(
        used(AUTUMN_2025),
        AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=bounds),
    )


def test_a_suspension_that_is_adopted_can_be_lifted() -> None:
    given(ISSUED, Suspended(at=SUMMER, reason=None), policies=BOOK).when(Adopt(fact=Resume(at=AUTUMN_2025))).then(
        Resumed(at=AUTUMN_2025, evidence=None)
    )


def test_an_adopted_command_speaks_of_the_moment_of_its_fact() -> None:
    assert Adopt(fact=Use(at=AUTUMN_2025)).at == AUTUMN_2025


def test_objecting_again_is_kept_for_it_might_be_the_first_of_its_period() -> None:
    objected = RenewalObjectionLodged(at=SUMMER)

    given(ISSUED, objected, policies=BOOK).when(Adopt(fact=ObjectToRenewal(at=AUTUMN_2025))).then(
        RenewalObjectionLodged(at=AUTUMN_2025)
    )


def test_an_issue_is_adopted_without_a_key_that_was_attested_here() -> None:
    issue = Issue(at=ISSUE, customer=PERSON, kind=ISSUED.kind, holder=ISSUED.holder, policy=USE_D.ref)

    given(policies=BOOK).when(Adopt(fact=issue)).then(ISSUED)
    assert Adopt(fact=issue).at == ISSUE


@pytest.mark.parametrize(
    ("history", "code"),
    [((), Refusal.NOT_ISSUED), ((ISSUED,), Refusal.BACK_IN_TIME)],
    ids=["before the issue is known", "before the issue"],
)
def test_a_history_begins_with_its_issue(history: tuple[Event, ...], code: Refusal) -> None:
    given(*history, policies=BOOK).when(Adopt(fact=Use(at=ISSUE - MICROSECOND))).then_refused(code)


@pytest.mark.parametrize(
    "fact",
    [
        ReportLoss(at=SUMMER),
        SignalClone(at=SUMMER, evidence="two phones"),
        RequireReset(at=SUMMER),
        SendExpiryNotice(at=SUMMER, lead="P30D"),
        SetUnlockMethod(at=SUMMER, method=UnlockMethod.PIN),
        UnlinkId(at=SUMMER, bank_id=ID_1),
        Erase(at=SUMMER, basis="retention over"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_history_does_not_tell_of_what_has_no_part_in_a_renewal(fact: Fact) -> None:
    with pytest.raises(TypeError, match=f"does not tell of {type(fact).__name__}$"):
        credential.decide(credential_after(ISSUED), Adopt(fact=fact), BOOK, KINDS)


# --- Replay.


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        (RenewalObserved(at=SUMMER, expires_at=ELSEWHERE), ObserveRenewal(at=SUMMER, expires_at=ELSEWHERE)),
        (ExpiryObserved(at=SUMMER), ObserveExpiry(at=SUMMER)),
        (not_applied("suspended"), Suspend(at=SUMMER)),
        (not_applied("resumed"), Resume(at=SUMMER)),
        (not_applied("revoked"), Revoke(at=SUMMER)),
        (not_applied("renewal_requested"), RequestRenewal(at=SUMMER)),
        (not_applied("renewal_objected"), ObjectToRenewal(at=SUMMER)),
        (
            replace(not_applied("policy_switched"), switch_to=CLOCK_X.ref, mode=SwitchMode.RESTART),
            SwitchPolicy(at=SUMMER, policy=CLOCK_X.ref, mode=SwitchMode.RESTART),
        ),
    ],
)
def test_a_fact_that_had_no_effect_is_a_fact_for_a_replay(event: Event, fact: Fact) -> None:
    assert fact_of(event) == fact


@pytest.mark.parametrize(
    "event",
    [
        not_applied("unheard_of"),
        replace(not_applied("policy_switched"), switch_to=CLOCK_X.ref),
        replace(not_applied("policy_switched"), mode=SwitchMode.KEEP),
    ],
    ids=["a fact of no kind", "a switch without a mode", "a switch without a policy"],
)
def test_a_kind_of_fact_that_nobody_recorded_is_an_error(event: FactNotApplied) -> None:
    with pytest.raises(ValueError, match=f"unknown kind: '{event.fact}'"):
        fact_of(event)
