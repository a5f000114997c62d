"""Will a credential renew by itself, and what is still missing?"""

from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    AutoRenewed,
    Locked,
    PolicySwitched,
    RenewalObjectionLodged,
    ResetRequired,
    Revoked,
    Suspended,
)
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import RenewalCause, SwitchMode
from sealbook.projections.moment import credential_at
from sealbook.projections.renewal_eligibility import (
    AutoRenewal,
    Block,
    Reason,
    RenewalEligibility,
    renewal_eligibility,
)
from tests.domain.examples import (
    AUTUMN_2025,
    CLOCK_X,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    NEVER_NV,
    REQUEST_R,
    SUMMER,
    USE_D,
    WINTER_2026,
    book_with,
    by_renewal,
    document,
    issued_under,
    kst,
    used,
)
from tests.projections.records import log

SUSPENDED = Suspended(at=AUTUMN_2025, reason=None)
OBJECTED = RenewalObjectionLodged(at=AUTUMN_2025)
REVOKED = Revoked(at=AUTUMN_2025, reason=None)
LOCKED = Locked(at=AUTUMN_2025, for_good=False)


def eligibility(policy: RenewalPolicy, *history: Event, as_of: datetime = WINTER_2026) -> RenewalEligibility:
    book = book_with(policy)
    moment = credential_at(log(issued_under(policy), *history), as_of=as_of, policies=book)
    return renewal_eligibility(moment, book)


def test_an_earned_renewal_is_told_in_full() -> None:
    assert eligibility(CLOCK_X, used(SUMMER), used(AUTUMN_2025)) == RenewalEligibility(
        status=AutoRenewal.EARNED,
        reason=None,
        blocked_by=(),
        eligible_from=ELIGIBLE,
        will_renew_at=END,
        qualifying_uses=2,
        first_use=SUMMER,
        last_use=AUTUMN_2025,
        decided_under=CLOCK_X.ref,
    )


def test_before_the_issue_it_does_not_apply() -> None:
    found = eligibility(USE_D, as_of=ISSUE - MICROSECOND)

    assert (found.status, found.reason, found.decided_under) == (AutoRenewal.NOT_APPLICABLE, Reason.NOT_ISSUED, None)


RENEWED_ONCE = AutoRenewed(
    at=AUTUMN_2025,
    policy=USE_D.ref,
    cause=RenewalCause.USE,
    bounds=by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025),
)


@pytest.mark.parametrize(
    ("policy", "history", "as_of", "reason"),
    [
        pytest.param(USE_D, (REVOKED,), WINTER_2026, Reason.REVOKED, id="revoked"),
        pytest.param(NEVER_NV, (), WINTER_2026, Reason.POLICY_NEVER, id="the policy never renews"),
        pytest.param(REQUEST_R, (), WINTER_2026, Reason.POLICY_REQUEST, id="the policy renews on request"),
        pytest.param(document("M1", max_renewals=1), (RENEWED_ONCE,), WINTER_2026, Reason.MAX_REACHED, id="none left"),
        pytest.param(USE_D, (), END, Reason.EXPIRED, id="expired"),
        pytest.param(GRACE_G, (), GRACE_END, Reason.EXPIRED, id="expired, its grace over"),
        pytest.param(NEVER_NV, (REVOKED,), WINTER_2026, Reason.REVOKED, id="revoked comes first"),
        pytest.param(NEVER_NV, (), END, Reason.POLICY_NEVER, id="the policy comes before the expiry"),
        pytest.param(document("M0", max_renewals=0), (), END, Reason.MAX_REACHED, id="none left, then expired"),
    ],
)
def test_it_does_not_apply(policy: RenewalPolicy, history: tuple[Event, ...], as_of: datetime, reason: Reason) -> None:
    found = eligibility(policy, *history, as_of=as_of)

    assert (found.status, found.reason) == (AutoRenewal.NOT_APPLICABLE, reason)
    assert found.will_renew_at is None


def test_it_does_not_apply_without_eligibility() -> None:
    # A switch that keeps the bounds brings a policy that renews to a credential that has none.
    switch = PolicySwitched(
        at=SUMMER, policy=USE_D.ref, mode=SwitchMode.KEEP, automatic=False, bounds=issued_under(FOREVER_N).bounds
    )

    assert eligibility(FOREVER_N, switch).reason is Reason.NO_ELIGIBILITY


TWICE_X2 = document("X2", renew_on="expiry", min_uses=2)


@pytest.mark.parametrize(
    ("policy", "history", "as_of", "status"),
    [
        pytest.param(USE_D, (), ELIGIBLE - MICROSECOND, AutoRenewal.NOT_YET, id="not eligible yet"),
        pytest.param(CLOCK_X, (), ELIGIBLE - MICROSECOND, AutoRenewal.NOT_YET, id="nor by the clock"),
        pytest.param(USE_D, (), ELIGIBLE, AutoRenewal.AWAITING_USE, id="eligible, awaiting a use"),
        pytest.param(CLOCK_X, (used(SUMMER),), ELIGIBLE, AutoRenewal.AWAITING_USE, id="used only before"),
        pytest.param(CLOCK_X, (used(ELIGIBLE),), ELIGIBLE, AutoRenewal.EARNED, id="earned"),
        pytest.param(TWICE_X2, (used(ELIGIBLE),), WINTER_2026, AutoRenewal.AWAITING_USE, id="one use too few"),
        pytest.param(CLOCK_X, (used(AUTUMN_2025),), END, AutoRenewal.NOT_YET, id="renewed by the clock"),
        pytest.param(GRACE_G, (), END, AutoRenewal.GRACE, id="in its grace"),
        pytest.param(GRACE_G, (), GRACE_END - MICROSECOND, AutoRenewal.GRACE, id="at the end of its grace"),
    ],
)
def test_where_it_stands(
    policy: RenewalPolicy, history: tuple[Event, ...], as_of: datetime, status: AutoRenewal
) -> None:
    found = eligibility(policy, *history, as_of=as_of)

    assert (found.status, found.reason) == (status, None)


@pytest.mark.parametrize(
    ("history", "blocks"),
    [
        pytest.param((), (), id="nothing"),
        pytest.param((SUSPENDED,), (Block.SUSPENSION,), id="a suspension"),
        pytest.param((OBJECTED,), (Block.OBJECTION,), id="an objection"),
        pytest.param((LOCKED,), (Block.LOCK,), id="a lock"),
        pytest.param((OBJECTED, LOCKED, SUSPENDED), (Block.SUSPENSION, Block.LOCK, Block.OBJECTION), id="all"),
    ],
)
def test_what_stands_in_the_way_is_told_beside_the_status(
    history: tuple[Event, ...], blocks: tuple[Block, ...]
) -> None:
    found = eligibility(CLOCK_X, used(ELIGIBLE), *history)

    assert (found.status, found.blocked_by) == (AutoRenewal.EARNED, blocks)
    assert found.will_renew_at == (None if blocks else END)


@pytest.mark.parametrize(
    ("policy", "uses", "blocked_by"),
    [(USE_D, (), (Block.RESET,)), (CLOCK_X, (), (Block.RESET,)), (CLOCK_X, (used(ELIGIBLE),), ())],
    ids=["a use has to renew it", "a use is missing", "the clock renews it"],
)
def test_what_has_to_be_set_up_again_is_in_the_way_of_uses_only(
    policy: RenewalPolicy, uses: tuple[Event, ...], blocked_by: tuple[Block, ...]
) -> None:
    found = eligibility(policy, *uses, ResetRequired(at=AUTUMN_2025))

    assert found.blocked_by == blocked_by
    assert found.will_renew_at == (END if uses else None)


def test_only_the_clock_renews_at_a_known_moment() -> None:
    assert eligibility(USE_D, as_of=ELIGIBLE).will_renew_at is None


def test_without_uses_none_is_told() -> None:
    found = eligibility(USE_D)

    assert (found.qualifying_uses, found.first_use, found.last_use) == (0, None, None)
