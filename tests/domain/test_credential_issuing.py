"""Issue: the first period, and what must come before everything else."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import Calendar
from sealbook.domain.credential import (
    Adopt,
    Command,
    Issue,
    Issued,
    ObjectToRenewal,
    ObserveExpiry,
    ObserveRenewal,
    RecordRefusal,
    RequestRenewal,
    Resume,
    Revoke,
    Settle,
    Suspend,
    Suspended,
    SwitchPolicy,
    Use,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import HolderKind, Kind, PolicyRef, SwitchMode
from tests.domain.examples import (
    BOOK,
    ELIGIBLE,
    END,
    FOREVER_N,
    ISSUE,
    NEVER_NV,
    OTHER_PHONE,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    book_with,
    document,
    issued_under,
)
from tests.scenario import given


def issue(policy: RenewalPolicy = USE_D) -> Issue:
    return Issue(
        at=ISSUE,
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=policy.ref,
    )


def first_bounds(expires_at: datetime | None, eligible_from: datetime | None) -> Bounds:
    return Bounds(
        base=ISSUE,
        anchor=ISSUE,
        expires_at=expires_at,
        eligible_from=eligible_from,
        calendar=Calendar.END_OF_DAY,
        by_renewal=False,
    )


@pytest.mark.parametrize(
    ("policy", "bounds"),
    [
        pytest.param(USE_D, first_bounds(END, ELIGIBLE), id="two years, eligible after one"),
        pytest.param(NEVER_NV, first_bounds(END, None), id="two years, never eligible"),
        pytest.param(FOREVER_N, first_bounds(None, None), id="without end"),
    ],
)
def test_the_policy_sets_the_bounds_of_the_first_period(policy: RenewalPolicy, bounds: Bounds) -> None:
    given(policies=BOOK).when(issue(policy)).then(
        Issued(
            at=ISSUE,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            holder=HolderKind.PERSONAL,
            policy=policy.ref,
            bounds=bounds,
            device=None,
            replaces=None,
            old_end=None,
            provenance=None,
        )
    )


def test_without_a_validity_there_is_no_eligibility() -> None:
    bare = document("B", validity=None, renew_on="never", eligible_after="P1Y")

    assert issued_under(bare).bounds == first_bounds(None, None)


def test_the_device_and_the_provenance_are_kept() -> None:
    bound = replace(issue(), device=PHONE, provenance="bank A")

    given(policies=BOOK).when(bound).then(replace(issued_under(USE_D), device=PHONE, provenance="bank A"))


def test_a_credential_is_issued_once() -> None:
    given(issued_under(USE_D), policies=BOOK).when(issue()).then_refused(Refusal.ALREADY_ISSUED)


@pytest.mark.parametrize(
    "limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["another kind", "another holder"]
)
def test_a_policy_that_does_not_concern_it_issues_nothing(limit: dict[str, object]) -> None:
    policy = document("L", **limit)

    given(policies=book_with(policy)).when(issue(policy)).then_refused(Refusal.NOT_ELIGIBLE)


def test_a_policy_that_is_not_known_issues_nothing() -> None:
    given(policies=BOOK).when(issue(document("unknown"))).then_refused(Refusal.NO_POLICY)


KEEP = document("K", reissue_validity="keep")
OLD_END = ISSUE + timedelta(days=100)


@pytest.mark.parametrize(
    ("policy", "old_end", "expires_at"),
    [
        pytest.param(KEEP, OLD_END, OLD_END, id="the old end is kept"),
        pytest.param(KEEP, None, END, id="the old one had no end left to keep"),
        pytest.param(KEEP, ISSUE, END, id="the old one ends at the issue"),
        pytest.param(USE_D, OLD_END, END, id="a fresh period"),
    ],
)
def test_a_reissue_has_the_end_that_the_policy_says(
    policy: RenewalPolicy, old_end: datetime | None, expires_at: datetime
) -> None:
    again = replace(issue(policy), replaces=OTHER_PHONE, old_end=old_end)
    bounds = first_bounds(expires_at, ELIGIBLE)
    expected = replace(issued_under(policy), bounds=bounds, replaces=OTHER_PHONE, old_end=old_end)

    given(policies=book_with(KEEP)).when(again).then(expected)


COMMANDS_AFTER_THE_ISSUE: list[Command] = [
    Use(at=SUMMER),
    RecordRefusal(at=SUMMER),
    RequestRenewal(at=SUMMER),
    ObjectToRenewal(at=SUMMER),
    SwitchPolicy(at=SUMMER, policy=PolicyRef("D", 1), mode=SwitchMode.KEEP),
    Settle(at=SUMMER),
    Suspend(at=SUMMER),
    Resume(at=SUMMER),
    Revoke(at=SUMMER),
    ObserveRenewal(at=SUMMER),
    ObserveExpiry(at=SUMMER),
    Adopt(fact=Use(at=SUMMER)),
]


@pytest.mark.parametrize("command", COMMANDS_AFTER_THE_ISSUE, ids=lambda command: type(command).__name__)
def test_nothing_comes_before_the_issue(command: Command) -> None:
    given(policies=BOOK).when(command).then_refused(Refusal.NOT_ISSUED)


@pytest.mark.parametrize("command", COMMANDS_AFTER_THE_ISSUE, ids=lambda command: type(command).__name__)
def test_nothing_speaks_of_a_moment_before_the_issue(command: Command) -> None:
    later = issued_under(USE_D, at=SUMMER + timedelta(microseconds=1))

    given(later, policies=BOOK).when(command).then_refused(Refusal.BACK_IN_TIME)


def test_the_instant_of_the_issue_is_within_the_validity() -> None:
    given(issued_under(USE_D, at=SUMMER), policies=BOOK).when(Settle(at=SUMMER)).then()


def test_a_history_begins_with_the_issue() -> None:
    with pytest.raises(Refused, match="has not been issued"):
        credential.fold([Suspended(at=SUMMER, reason=None)])
