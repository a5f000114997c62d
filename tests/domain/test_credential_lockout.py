"""Lockout: wrong proofs in a row lock, over all channels; identification unlocks, but not for ever."""

import pytest

from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    Command,
    Event,
    Locked,
    RecordLock,
    RecordRefusal,
    RequestRenewal,
    ResetRequired,
    Resynchronize,
    Revoked,
    Settle,
    Suspended,
    Unlock,
    Unlocked,
    Use,
    fact_of,
)
from sealbook.domain.credential.standing import Lockout
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    GRACE_END,
    GRACE_G,
    ISSUE,
    LAST_INSTANT,
    MOBILE,
    OTHER_PHONE,
    PHONE,
    REQUEST_R,
    SOON,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    expired,
    issued_under,
    kinds_with,
    kst,
    refused,
    used,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
LOCKED = Locked(at=SUMMER, for_good=False)
LOCKED_FOR_GOOD = Locked(at=SUMMER, for_good=True)
UNLOCKED = Unlocked(at=SOON, evidence="branch 7")
WRONG = Use(at=SOON, proven=False)


def wrong_proofs(count: int) -> Event:
    """The last of so many wrong proofs in a row."""
    return refused(SUMMER, Refusal.BAD_PROOF, failures=count)


# --- What locks: five wrong proofs until the holder is identified, ten for good.


@pytest.mark.parametrize(
    ("before", "locks"),
    [
        pytest.param((), (), id="the first"),
        pytest.param((wrong_proofs(3),), (), id="the fourth"),
        pytest.param((wrong_proofs(4),), (Locked(at=SOON, for_good=False),), id="the fifth"),
    ],
)
def test_the_fifth_wrong_proof_in_a_row_locks(before: tuple[Event, ...], locks: tuple[Event, ...]) -> None:
    failures = credential_after(ISSUED, *before).lockout.failures + 1

    given(ISSUED, *before, policies=BOOK).when(WRONG).then(refused(SOON, Refusal.BAD_PROOF, failures=failures), *locks)


@pytest.mark.parametrize(
    ("before", "locks"),
    [
        pytest.param(5, (), id="the sixth"),
        pytest.param(8, (), id="the ninth"),
        pytest.param(9, (Locked(at=SOON, for_good=True),), id="the tenth"),
    ],
)
def test_wrong_proofs_while_locked_count_on_until_it_is_for_good(before: int, locks: tuple[Event, ...]) -> None:
    given(ISSUED, wrong_proofs(before), LOCKED, policies=BOOK).when(WRONG).then(
        refused(SOON, Refusal.LOCKED, failures=before + 1), *locks
    )


def test_what_is_locked_for_good_is_not_locked_again() -> None:
    given(ISSUED, wrong_proofs(10), LOCKED_FOR_GOOD, policies=BOOK).when(WRONG).then(
        refused(SOON, Refusal.LOCKED, failures=11)
    )


def test_one_count_goes_over_all_channels() -> None:
    over_the_phone = refused(SUMMER, Refusal.BAD_PROOF, channel="phone", failures=4)

    given(ISSUED, over_the_phone, policies=BOOK).when(Use(at=SOON, channel="web", proven=False)).then(
        refused(SOON, Refusal.BAD_PROOF, channel="web", failures=5), Locked(at=SOON, for_good=False)
    )


def test_each_kind_has_limits_of_its_own() -> None:
    strict = kinds_with(MOBILE, lockout={"soft": 1, "hard": 2})

    given(ISSUED, policies=BOOK, kinds=strict).when(WRONG).then(
        refused(SOON, Refusal.BAD_PROOF, failures=1), Locked(at=SOON, for_good=False)
    )
    given(ISSUED, wrong_proofs(1), policies=BOOK, kinds=strict).when(WRONG).then(
        refused(SOON, Refusal.BAD_PROOF, failures=2), Locked(at=SOON, for_good=True)
    )


def test_a_use_that_passes_sets_the_count_to_nought() -> None:
    assert credential_after(ISSUED, wrong_proofs(4), used(SOON, qualifies=False)) == credential_after(ISSUED)


@pytest.mark.parametrize(
    ("since", "use", "reason"),
    [
        pytest.param((), Use(at=SOON, device=OTHER_PHONE, proven=False), Refusal.WRONG_DEVICE, id="another device"),
        pytest.param((LOCKED,), Use(at=SOON, device=OTHER_PHONE, proven=False), Refusal.LOCKED, id="and it is locked"),
        pytest.param((LOCKED,), Use(at=SOON, device=PHONE), Refusal.LOCKED, id="a right proof while locked"),
        pytest.param(
            (Suspended(at=SUMMER, reason=None),),
            Use(at=SOON, device=PHONE, proven=False),
            Refusal.SUSPENDED,
            id="suspended",
        ),
        pytest.param(
            (ResetRequired(at=SUMMER),),
            Use(at=SOON, device=PHONE, proven=False),
            Refusal.RESET_REQUIRED,
            id="a reset is required",
        ),
        pytest.param((), RecordRefusal(at=SOON), Refusal.REPORTED, id="refused elsewhere"),
    ],
)
def test_only_a_wrong_proof_from_the_bound_device_counts(
    since: tuple[Event, ...], use: Use | RecordRefusal, reason: Refusal
) -> None:
    history = (issued_under(USE_D, device=PHONE), wrong_proofs(4), *since)

    given(*history, policies=BOOK).when(use).then(refused(SOON, reason, failures=4))


def test_a_limit_that_was_lowered_locks_at_the_next_wrong_proof_and_not_before() -> None:
    lowered = kinds_with(MOBILE, lockout={"soft": 2})
    other_fault = Use(at=SOON, device=OTHER_PHONE)

    given(ISSUED, wrong_proofs(4), policies=BOOK, kinds=lowered).when(other_fault).then(
        refused(SOON, Refusal.WRONG_DEVICE, failures=4)
    )
    given(ISSUED, wrong_proofs(4), policies=BOOK, kinds=lowered).when(WRONG).then(
        refused(SOON, Refusal.BAD_PROOF, failures=5), Locked(at=SOON, for_good=False)
    )


# --- What unlocks.


def test_an_identification_unlocks_and_the_count_begins_anew() -> None:
    history = (ISSUED, wrong_proofs(5), LOCKED)

    given(*history, policies=BOOK).when(Unlock(at=SOON, evidence="branch 7")).then(UNLOCKED)
    assert credential_after(*history, UNLOCKED) == credential_after(ISSUED)


@pytest.mark.parametrize("evidence", [None, ""])
def test_nothing_but_an_identification_unlocks(evidence: str | None) -> None:
    given(ISSUED, LOCKED, policies=BOOK).when(Unlock(at=SOON, evidence=evidence)).then_refused(Refusal.EVIDENCE)


def test_unlocking_what_is_not_locked_does_nothing() -> None:
    given(ISSUED, wrong_proofs(4), policies=BOOK).when(Unlock(at=SOON, evidence=None)).then()


@pytest.mark.parametrize("evidence", [None, "branch 7"])
def test_nothing_unlocks_what_is_locked_for_good(evidence: str | None) -> None:
    given(ISSUED, LOCKED, LOCKED_FOR_GOOD, policies=BOOK).when(Unlock(at=SOON, evidence=evidence)).then_refused(
        Refusal.PERMANENT
    )


@pytest.mark.parametrize("event", [LOCKED, LOCKED_FOR_GOOD], ids=["until identified", "for good"])
def test_a_lock_leaves_the_count(event: Locked) -> None:
    lockout = credential_after(ISSUED, wrong_proofs(5), event).lockout

    assert lockout == Lockout(failures=5, locked=True, for_good=event.for_good)


COMMANDS: list[Command] = [
    Unlock(at=GRACE_END, evidence="7"),
    RecordLock(at=GRACE_END, for_good=True),
    Resynchronize(at=GRACE_END, timecode=1, drift_steps=0),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("end", [(Revoked(at=SUMMER, reason=None),), ()], ids=["revoked", "lapsed"])
def test_a_credential_that_has_ended_is_neither_locked_nor_unlocked(end: tuple[Event, ...], command: Command) -> None:
    given(issued_under(GRACE_G), LOCKED, *end, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


def test_in_its_grace_a_credential_is_unlocked() -> None:
    history = (issued_under(GRACE_G), LOCKED, expired(GRACE_G, grace_until=GRACE_END))

    given(*history, policies=BOOK).when(Unlock(at=APRIL_2026, evidence="7")).then(Unlocked(at=APRIL_2026, evidence="7"))


# --- What a lock stops.


def renewed_at_the_end() -> AutoRenewed:
    bounds = by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=LAST_INSTANT)
    return AutoRenewed(at=END, policy=CLOCK_X.ref, cause=RenewalCause.EXPIRY, bounds=bounds)


@pytest.mark.parametrize("locked", [LOCKED, LOCKED_FOR_GOOD], ids=["until identified", "for good"])
def test_a_locked_credential_does_not_renew_by_the_clock(locked: Locked) -> None:
    given(issued_under(CLOCK_X), used(AUTUMN_2025), locked, policies=BOOK).when(Settle(at=END)).then(expired(CLOCK_X))


def test_what_was_unlocked_before_the_end_renews_by_the_clock() -> None:
    history = (issued_under(CLOCK_X), LOCKED, UNLOCKED, used(AUTUMN_2025))

    given(*history, policies=BOOK).when(Settle(at=END)).then(renewed_at_the_end())


def test_at_the_end_it_is_too_late_to_unlock() -> None:
    given(issued_under(CLOCK_X), used(AUTUMN_2025), LOCKED, policies=BOOK).when(
        Unlock(at=END, evidence="7")
    ).then_refused(Refusal.ALREADY_FINAL)


def test_a_locked_credential_is_not_renewed_on_request() -> None:
    given(issued_under(REQUEST_R), LOCKED, policies=BOOK).when(RequestRenewal(at=LAST_INSTANT)).then_refused(
        Refusal.LOCKED
    )


# --- Replay.


@pytest.mark.parametrize(
    ("before", "for_good", "expected"),
    [
        pytest.param((), False, (Locked(at=SOON, for_good=False),), id="a lock"),
        pytest.param((), True, (Locked(at=SOON, for_good=True),), id="a lock for good"),
        pytest.param((LOCKED,), True, (Locked(at=SOON, for_good=True),), id="a lock that becomes one for good"),
        pytest.param((LOCKED,), False, (), id="a lock that stands"),
        pytest.param((LOCKED_FOR_GOOD,), False, (), id="a lock for good that stands"),
        pytest.param((LOCKED_FOR_GOOD,), True, (), id="a lock for good again"),
    ],
)
@pytest.mark.parametrize("adopted", [False, True], ids=["told", "adopted"])
def test_a_lock_on_record_is_taken_once(
    before: tuple[Event, ...], for_good: bool, expected: tuple[Event, ...], adopted: bool
) -> None:
    record = RecordLock(at=SOON, for_good=for_good)

    given(ISSUED, *before, policies=BOOK).when(Adopt(fact=record) if adopted else record).then(*expected)


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        (LOCKED, RecordLock(at=SUMMER, for_good=False)),
        (LOCKED_FOR_GOOD, RecordLock(at=SUMMER, for_good=True)),
        (UNLOCKED, Unlock(at=SOON, evidence="branch 7")),
    ],
)
def test_a_lock_and_its_end_are_facts(event: Event, fact: Command) -> None:
    assert fact_of(event) == fact


def test_in_a_history_wrong_proofs_lock_only_as_recorded() -> None:
    given(ISSUED, wrong_proofs(9), policies=BOOK).when(Adopt(fact=RecordRefusal(at=ISSUE))).then(
        refused(ISSUE, Refusal.REPORTED, failures=9)
    )
    given(ISSUED, wrong_proofs(9), policies=BOOK).when(Adopt(fact=RecordRefusal(at=ISSUE, failures=10))).then(
        refused(ISSUE, Refusal.REPORTED, failures=10)
    )
    given(ISSUED, wrong_proofs(9), policies=BOOK).when(Adopt(fact=RecordRefusal(at=ISSUE, failures=0))).then(
        refused(ISSUE, Refusal.REPORTED, failures=0)
    )


def test_a_lock_that_the_rules_refuse_leaves_no_trace_in_a_replay() -> None:
    revoked = Revoked(at=SUMMER, reason=None)

    given(ISSUED, revoked, policies=BOOK).when(Adopt(fact=RecordLock(at=SOON, for_good=False))).then()
