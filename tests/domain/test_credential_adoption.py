"""An imported history: what the rules refuse is kept without effect, and what was seen elsewhere decides nothing."""

import pytest

from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    Event,
    Expired,
    ExpiryObserved,
    Fact,
    FactNotApplied,
    ObjectToRenewal,
    ObserveExpiry,
    ObserveRenewal,
    RecordRefusal,
    RenewalObjectionLodged,
    RenewalObserved,
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
    Used,
    UseRefused,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import PolicyRef, RenewalCause, SwitchMode
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    LATER,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    issued_under,
    kst,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
REVOKED = Revoked(at=SUMMER, reason=None)
ELSEWHERE = kst("2027-10-02")


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
        (Use(at=SUMMER), [Used(at=SUMMER, channel="app", purpose=None, qualifies=True)]),
        (
            RecordRefusal(at=SUMMER),
            [UseRefused(at=SUMMER, channel="app", purpose=None, reason=Refusal.REPORTED)],
        ),
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
        UseRefused(at=AUTUMN_2025, channel="app", purpose=None, reason=Refusal.REVOKED)
    )


def test_the_clock_decides_before_a_fact_is_adopted() -> None:
    given(ISSUED, policies=BOOK).when(Adopt(fact=Suspend(at=LATER))).then(
        Expired(at=END, policy=USE_D.ref, grace_until=END),
        FactNotApplied(at=LATER, fact="suspended", reason=Refusal.ALREADY_FINAL, switch_to=None, mode=None),
    )


def test_an_adopted_use_renews_as_any_other() -> None:
    bounds = by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025)

    given(ISSUED, policies=BOOK).when(Adopt(fact=Use(at=AUTUMN_2025))).then(
        Used(at=AUTUMN_2025, channel="app", purpose=None, qualifies=True),
        AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=bounds),
    )


def test_a_suspension_that_is_adopted_can_be_lifted() -> None:
    given(ISSUED, Suspended(at=SUMMER, reason=None), policies=BOOK).when(Adopt(fact=Resume(at=AUTUMN_2025))).then(
        Resumed(at=AUTUMN_2025)
    )


def test_an_adopted_command_speaks_of_the_moment_of_its_fact() -> None:
    assert Adopt(fact=Use(at=AUTUMN_2025)).at == AUTUMN_2025
