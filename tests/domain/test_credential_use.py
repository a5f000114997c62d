"""Use: what passes, and what counts."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Event,
    Expired,
    RecordRefusal,
    Resumed,
    Revoked,
    Suspended,
    Use,
    refusal_of_use,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX, RenewalPolicy
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    ELIGIBLE,
    END,
    GRACE_END,
    GRACE_G,
    ISSUE,
    LAST_INSTANT,
    NEVER_NV,
    OTHER_PHONE,
    PHONE,
    SUMMER,
    USE_D,
    book_with,
    credential_after,
    document,
    expired,
    issued_under,
    refused,
    used,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)


def lapsed(policy: RenewalPolicy, grace_until: datetime = END) -> Expired:
    return expired(policy, grace_until=grace_until)


# --- What passes.


def test_a_use_within_the_validity_is_recorded() -> None:
    given(ISSUED, policies=BOOK).when(Use(at=SUMMER)).then(used(SUMMER))


def test_a_use_at_the_instant_of_the_issue_passes() -> None:
    given(ISSUED, policies=BOOK).when(Use(at=ISSUE)).then(used(ISSUE))


def test_the_last_microsecond_is_within_the_validity() -> None:
    never = issued_under(NEVER_NV)

    given(never, policies=BOOK).when(Use(at=LAST_INSTANT)).then(used(LAST_INSTANT))


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        pytest.param(Suspended(at=SUMMER, reason=None), Refusal.SUSPENDED, id="suspended"),
        pytest.param(Revoked(at=SUMMER, reason=None), Refusal.REVOKED, id="revoked"),
    ],
)
def test_a_use_is_refused_when_the_credential_is_not_usable(since: Event, reason: Refusal) -> None:
    given(ISSUED, since, policies=BOOK).when(Use(at=AUTUMN_2025)).then(refused(AUTUMN_2025, reason))


def test_a_use_at_the_expiry_instant_is_refused_and_the_lapse_recorded() -> None:
    given(ISSUED, policies=BOOK).when(Use(at=END)).then(lapsed(USE_D), refused(END, Refusal.EXPIRED))


def test_a_use_passes_again_once_the_suspension_is_lifted() -> None:
    suspension = (Suspended(at=SUMMER, reason=None), Resumed(at=SUMMER, evidence=None))

    given(ISSUED, *suspension, policies=BOOK).when(Use(at=SUMMER)).then(used(SUMMER))


@pytest.mark.parametrize(
    ("at", "passes"),
    [
        pytest.param(SUMMER - MICROSECOND, True, id="before the suspension"),
        pytest.param(SUMMER, False, id="at the suspension"),
        pytest.param(AUTUMN_2025 - MICROSECOND, False, id="before it is lifted"),
        pytest.param(AUTUMN_2025, True, id="when it is lifted"),
    ],
)
def test_a_use_of_the_time_of_a_suspension_is_refused_whenever_it_is_told(at: datetime, passes: bool) -> None:
    suspension = (Suspended(at=SUMMER, reason=None), Resumed(at=AUTUMN_2025, evidence=None))
    now = credential_after(ISSUED, *suspension)

    assert refusal_of_use(now, at, device=None) is (None if passes else Refusal.SUSPENDED)


def test_a_use_of_the_time_of_a_suspension_does_not_end_the_grace() -> None:
    grace = issued_under(GRACE_G)
    lapse = expired(GRACE_G, grace_until=GRACE_END)
    suspension = (Suspended(at=END, reason=None), Resumed(at=APRIL_2026, evidence=None))
    history = (grace, lapse, *suspension)

    given(*history, policies=BOOK).when(Use(at=APRIL_2026 - MICROSECOND)).then(
        refused(APRIL_2026 - MICROSECOND, Refusal.EXPIRED)
    )
    assert credential_after(*history).held_at(END)


@pytest.mark.parametrize(
    ("bound", "device", "passes"),
    [
        pytest.param(PHONE, PHONE, True, id="the bound device"),
        pytest.param(PHONE, OTHER_PHONE, False, id="another device"),
        pytest.param(PHONE, None, False, id="no device told"),
        pytest.param(None, PHONE, False, id="a device that was never bound"),
    ],
)
def test_a_use_comes_from_the_bound_device(bound: UUID | None, device: UUID | None, passes: bool) -> None:
    issued = issued_under(USE_D, device=bound)
    expected = used(SUMMER) if passes else refused(SUMMER, Refusal.WRONG_DEVICE)

    given(issued, policies=BOOK).when(Use(at=SUMMER, device=device)).then(expected)


@pytest.mark.parametrize(
    "history",
    [pytest.param((), id="active"), pytest.param((Revoked(at=SUMMER, reason=None),), id="revoked")],
)
def test_a_use_that_another_system_refused_is_recorded_whatever_the_state(history: tuple[Event, ...]) -> None:
    given(ISSUED, *history, policies=BOOK).when(RecordRefusal(at=SUMMER, channel="web")).then(
        refused(SUMMER, Refusal.REPORTED, channel="web")
    )


# --- What counts.


LOGIN = document("L", purposes=["login"])


@pytest.mark.parametrize(
    ("policy", "channel", "purpose", "counts"),
    [
        pytest.param(USE_D, "app", None, True, id="the app"),
        pytest.param(USE_D, "app", "transfer", True, id="the app, for whatever purpose"),
        pytest.param(USE_D, "web", None, False, id="the web"),
        pytest.param(LOGIN, "app", "login", True, id="a purpose that counts"),
        pytest.param(LOGIN, "app", "transfer", False, id="a purpose that does not"),
        pytest.param(LOGIN, "app", None, True, id="no purpose told"),
    ],
)
def test_a_use_counts_by_its_channel_and_purpose(
    policy: RenewalPolicy, channel: str, purpose: str | None, counts: bool
) -> None:
    use = Use(at=SUMMER, channel=channel, purpose=purpose)

    given(issued_under(policy), policies=book_with(LOGIN)).when(use).then(
        used(SUMMER, qualifies=counts, channel=channel, purpose=purpose)
    )


def test_a_use_that_does_not_count_leaves_the_state_alone() -> None:
    assert credential_after(ISSUED, used(SUMMER, qualifies=False)) == credential_after(ISSUED)


def test_uses_are_counted_with_the_first_and_the_latest() -> None:
    uses = credential_after(ISSUED, used(SUMMER), used(ELIGIBLE), used(AUTUMN_2025)).term.uses

    assert (uses.count, uses.since_eligible, uses.first) == (3, 2, SUMMER)
    assert uses.recent == (SUMMER, ELIGIBLE, AUTUMN_2025)


def test_a_use_that_is_learned_late_is_counted_in_its_place() -> None:
    uses = credential_after(ISSUED, used(SUMMER), used(ELIGIBLE), used(ISSUE)).term.uses

    assert (uses.first, uses.recent) == (ISSUE, (ISSUE, SUMMER, ELIGIBLE))


def test_only_the_latest_uses_are_kept_one_by_one() -> None:
    moments = [SUMMER + timedelta(days=day) for day in range(LOOK_BACK_USES_MAX + 5)]
    uses = credential_after(ISSUED, *map(used, moments)).term.uses

    assert uses.recent == tuple(moments[5:])
    assert (uses.count, uses.first) == (LOOK_BACK_USES_MAX + 5, SUMMER)
