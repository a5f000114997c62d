"""Issue: the first period, the key, and what must come before everything else."""

from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import Calendar
from sealbook.domain.credential import (
    Adopt,
    Attestation,
    Command,
    Credential,
    Event,
    Issue,
    KeyAttested,
    Settle,
    Suspended,
    Use,
    Used,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds, Term
from sealbook.domain.values import HolderKind, Kind, StorageLevel
from tests.domain.applications import (
    APPLYING,
    ATTESTATION,
    COMPLETE,
    CONFIRMED,
    ID_DONE,
    PHONE_DONE,
    PROVEN,
    minute,
    on_a_credential,
)
from tests.domain.examples import (
    BOOK,
    ELIGIBLE,
    END,
    FOREVER_N,
    ISSUE,
    MOBILE,
    NEVER_NV,
    OTHER_PHONE,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    book_with,
    credential_after,
    document,
    issued_under,
    kinds_with,
)
from tests.scenario import given

AT_THE_COUNTER = Issue(
    at=ISSUE,
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    holder=HolderKind.PERSONAL,
    policy=USE_D.ref,
    attestation=ATTESTATION,
)
KEY = KeyAttested(at=ISSUE, level=StorageLevel.TRUSTED_ENVIRONMENT, digest="a1")
COMPLETED = replace(issued_under(USE_D, at=COMPLETE.at, device=PHONE), identified_at=CONFIRMED.at)


def first_bounds(expires_at: datetime | None, eligible_from: datetime | None) -> Bounds:
    return Bounds(
        base=ISSUE,
        anchor=ISSUE,
        expires_at=expires_at,
        eligible_from=eligible_from,
        calendar=Calendar.END_OF_DAY,
        by_renewal=False,
    )


# --- At the counter, or in a history: no application precedes the issue


@pytest.mark.parametrize(
    ("policy", "bounds"),
    [
        pytest.param(USE_D, first_bounds(END, ELIGIBLE), id="two years, eligible after one"),
        pytest.param(NEVER_NV, first_bounds(END, None), id="two years, never eligible"),
        pytest.param(FOREVER_N, first_bounds(None, None), id="without end"),
    ],
)
def test_the_policy_sets_the_bounds_of_the_first_period(policy: RenewalPolicy, bounds: Bounds) -> None:
    given(policies=BOOK).when(replace(AT_THE_COUNTER, policy=policy.ref)).then(
        replace(issued_under(policy), bounds=bounds), KEY
    )


def test_without_a_validity_there_is_no_eligibility() -> None:
    bare = document("B", validity=None, renew_on="never", eligible_after="P1Y")

    assert issued_under(bare).bounds == first_bounds(None, None)


def test_what_was_seen_and_what_the_issuer_calls_it_are_kept() -> None:
    seen = replace(
        AT_THE_COUNTER,
        device=PHONE,
        provenance="bank A",
        reference="serial-1",
        evidence="branch-1",
        identified_at=minute(3),
    )
    issued = replace(
        issued_under(USE_D, device=PHONE),
        provenance="bank A",
        reference="serial-1",
        evidence="branch-1",
        identified_at=minute(3),
    )

    given(policies=BOOK).when(seen).then(issued, KEY)


def test_a_credential_of_a_history_comes_without_a_key() -> None:
    given(policies=BOOK).when(Adopt(fact=replace(AT_THE_COUNTER, attestation=None))).then(issued_under(USE_D))


def test_a_credential_is_issued_once() -> None:
    given(issued_under(USE_D), policies=BOOK).when(AT_THE_COUNTER).then_refused(Refusal.ALREADY_ISSUED)
    given(issued_under(USE_D), policies=BOOK).when(Adopt(fact=AT_THE_COUNTER)).then_refused(Refusal.ALREADY_ISSUED)


@pytest.mark.parametrize(
    "limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["another kind", "another holder"]
)
def test_a_policy_that_does_not_concern_it_issues_nothing(limit: dict[str, object]) -> None:
    policy = document("L", **limit)

    given(policies=book_with(policy)).when(replace(AT_THE_COUNTER, policy=policy.ref)).then_refused(
        Refusal.NOT_ELIGIBLE
    )


def test_a_policy_for_this_kind_and_holder_issues_it() -> None:
    policy = document("L", kinds=["kb_mobile_certificate"], holders=["personal"])

    given(policies=book_with(policy)).when(replace(AT_THE_COUNTER, policy=policy.ref)).then(issued_under(policy), KEY)


def test_a_policy_that_is_not_known_issues_nothing() -> None:
    given(policies=BOOK).when(replace(AT_THE_COUNTER, policy=document("unknown").ref)).then_refused(Refusal.NO_POLICY)


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
    again = replace(AT_THE_COUNTER, policy=policy.ref, replaces=OTHER_PHONE, old_end=old_end)
    bounds = first_bounds(expires_at, ELIGIBLE)
    expected = replace(issued_under(policy), bounds=bounds, replaces=OTHER_PHONE, old_end=old_end)

    given(policies=book_with(KEEP)).when(again).then(expected, KEY)


# --- After an application


def test_the_issue_follows_the_last_step_and_its_key_is_attested_in_the_same_breath() -> None:
    given(*PROVEN, policies=BOOK).when(COMPLETE).then(COMPLETED, replace(KEY, at=COMPLETE.at))


@pytest.mark.parametrize("history", [APPLYING, PHONE_DONE, ID_DONE], ids=["phone", "document", "account"])
def test_nothing_is_issued_while_a_step_is_due(history: tuple[Event, ...]) -> None:
    given(*history, policies=BOOK).when(COMPLETE).then_refused(Refusal.STEP_ORDER)


@pytest.mark.parametrize(
    "other",
    [
        replace(COMPLETE, customer=OTHER_PHONE),
        replace(COMPLETE, kind=Kind.MOBILE_OTP),
        replace(COMPLETE, holder=HolderKind.CORPORATE),
        replace(COMPLETE, device=OTHER_PHONE),
    ],
    ids=["customer", "kind", "holder", "device"],
)
def test_nothing_is_issued_but_what_was_applied_for(other: Issue) -> None:
    given(*PROVEN, policies=BOOK).when(other).then_refused(Refusal.MISMATCH)


def test_a_credential_is_usable_from_the_instant_of_its_issue() -> None:
    used = Used(at=COMPLETE.at, channel="app", purpose=None, qualifies=True, evidence=None)

    given(*PROVEN, COMPLETED, policies=BOOK).when(Use(at=COMPLETE.at, device=PHONE)).then(used)


def test_the_credential_knows_its_holder_its_device_and_when_its_holder_was_identified() -> None:
    assert credential_after(*PROVEN, COMPLETED) == Credential(
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        issued_at=COMPLETE.at,
        policy=USE_D.ref,
        policy_since=COMPLETE.at,
        term=Term(bounds=COMPLETED.bounds),
        device=PHONE,
        identified_at=minute(3),
    )


# --- The key

LEVELS = list(StorageLevel)
"""From the weakest to the strongest."""


@pytest.mark.parametrize("level_min", LEVELS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_key_is_kept_at_the_level_of_the_kind_or_better(level: StorageLevel, level_min: StorageLevel) -> None:
    kinds = kinds_with(MOBILE, storage={"level_min": level_min})
    scenario = given(*PROVEN, policies=BOOK, kinds=kinds)
    outcome = scenario.when(replace(COMPLETE, attestation=Attestation(level=level, digest="a2")))

    if LEVELS.index(level) < LEVELS.index(level_min):
        outcome.then_refused(Refusal.ATTESTATION)
    else:
        outcome.then(COMPLETED, KeyAttested(at=COMPLETE.at, level=level, digest="a2"))


@pytest.mark.parametrize("level_min", LEVELS[1:])
def test_nothing_is_issued_without_an_attested_key_where_the_device_keeps_it(level_min: StorageLevel) -> None:
    kinds = kinds_with(MOBILE, storage={"level_min": level_min})

    given(*PROVEN, policies=BOOK, kinds=kinds).when(replace(COMPLETE, attestation=None)).then_refused(
        Refusal.ATTESTATION
    )


def test_a_key_in_the_cloud_needs_no_attestation() -> None:
    kind = Kind.FINANCIAL_CERTIFICATE
    in_the_cloud = Issue(at=ISSUE, customer=PERSON, kind=kind, holder=HolderKind.PERSONAL, policy=USE_D.ref)

    given(policies=BOOK).when(in_the_cloud).then(issued_under(USE_D, kind=kind))


def test_of_a_key_the_ledger_keeps_its_level_and_a_digest_and_never_the_key() -> None:
    assert credential_after(*PROVEN, COMPLETED, KEY).storage is StorageLevel.TRUSTED_ENVIRONMENT
    assert [each.name for each in fields(KeyAttested)] == ["at", "level", "digest"]


# --- Before and beside the issue

COMMANDS_AFTER_THE_ISSUE: list[Command] = [*on_a_credential(SUMMER), Settle(at=SUMMER), Adopt(fact=Use(at=SUMMER))]


@pytest.mark.parametrize("command", COMMANDS_AFTER_THE_ISSUE, ids=lambda command: type(command).__name__)
def test_nothing_comes_before_the_issue(command: Command) -> None:
    given(policies=BOOK).when(command).then_refused(Refusal.NOT_ISSUED)


@pytest.mark.parametrize(
    "command",
    [*COMMANDS_AFTER_THE_ISSUE, replace(AT_THE_COUNTER, at=SUMMER)],
    ids=lambda command: type(command).__name__,
)
def test_nothing_speaks_of_a_moment_before_the_issue(command: Command) -> None:
    later = issued_under(USE_D, at=SUMMER + timedelta(microseconds=1))

    given(later, policies=BOOK).when(command).then_refused(Refusal.BACK_IN_TIME)


def test_the_instant_of_the_issue_is_within_the_validity() -> None:
    given(issued_under(USE_D, at=SUMMER), policies=BOOK).when(Settle(at=SUMMER)).then()


@pytest.mark.parametrize("event", [Suspended(at=SUMMER, reason=None), KEY], ids=["suspended", "key attested"])
def test_a_history_begins_with_the_application_or_the_issue(event: Event) -> None:
    with pytest.raises(Refused, match="has not been issued"):
        credential.fold([event])
