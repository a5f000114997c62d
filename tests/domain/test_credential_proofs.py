"""What came with a use: each code and counter passes once, and a counter that goes back shows a copy."""

from dataclasses import astuple

import pytest

from sealbook.domain.credential import (
    CloneSuspected,
    Event,
    Locked,
    ResetCompleted,
    Resynchronize,
    Resynchronized,
    Suspended,
    Use,
    UseEvidence,
    fact_of,
)
from sealbook.domain.credential.standing import LastProof
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, StorageLevel, SuspensionReason
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    FOREVER_N,
    ISSUE,
    OTP,
    SUMMER,
    credential_after,
    issued_under,
    kinds_with,
    refused,
    used,
)
from tests.scenario import given

SIGNING = issued_under(FOREVER_N)
CODES = issued_under(FOREVER_N, kind=Kind.MOBILE_OTP)
COUNTED_7 = used(ISSUE, evidence=UseEvidence(counter=7))
CODE_100 = used(ISSUE, evidence=UseEvidence(timecode=100))


def use_with(evidence: UseEvidence) -> Use:
    return Use(at=SUMMER, evidence=evidence)


# --- One-time codes.


@pytest.mark.parametrize(("timecode", "passes"), [(99, False), (100, False), (101, True)])
def test_a_code_passes_once_and_none_before_it(timecode: int, passes: bool) -> None:
    evidence = UseEvidence(timecode=timecode)
    expected = used(SUMMER, evidence=evidence) if passes else refused(SUMMER, Refusal.REPLAY)

    given(CODES, CODE_100, policies=BOOK).when(use_with(evidence)).then(expected)


@pytest.mark.parametrize(("drift", "passes"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_a_step_beside_passes_within_the_window(drift: int, passes: bool) -> None:
    evidence = UseEvidence(timecode=100, drift_steps=drift)
    expected = used(SUMMER, evidence=evidence) if passes else refused(SUMMER, Refusal.BAD_PROOF)

    given(CODES, policies=BOOK).when(use_with(evidence)).then(expected)


@pytest.mark.parametrize(("drift", "passes"), [(3, False), (4, True), (5, True), (6, True), (7, False)])
def test_the_window_lies_around_the_drift_that_was_seen_last(drift: int, passes: bool) -> None:
    evidence = UseEvidence(timecode=101, drift_steps=drift)
    expected = used(SUMMER, evidence=evidence) if passes else refused(SUMMER, Refusal.BAD_PROOF)
    synchronised = Resynchronized(at=ISSUE, timecode=100, drift_steps=5)

    given(CODES, synchronised, policies=BOOK).when(use_with(evidence)).then(expected)


def test_the_kind_says_how_wide_the_window_is() -> None:
    early = UseEvidence(timecode=100, drift_steps=1)
    narrow = kinds_with(OTP, one_time_code={"window_steps": 0})

    given(CODES, policies=BOOK, kinds=narrow).when(use_with(early)).then(refused(SUMMER, Refusal.BAD_PROOF))


def test_a_code_says_how_far_the_clock_is_off() -> None:
    late = used(SUMMER, evidence=UseEvidence(timecode=101, drift_steps=-1))

    assert credential_after(CODES, CODE_100, late).last_proof == LastProof(timecode=101, drift_steps=-1)


def test_a_use_without_a_code_leaves_the_last_code_and_the_drift() -> None:
    late = used(ISSUE, evidence=UseEvidence(timecode=100, drift_steps=-1))
    vouched_for = (used(SUMMER), used(SUMMER, evidence=UseEvidence(relying_party="gov24")))

    assert credential_after(CODES, late, *vouched_for).last_proof == LastProof(timecode=100, drift_steps=-1)


# --- Resynchronization.

SYNCHRONISED = Resynchronized(at=SUMMER, timecode=101, drift_steps=4)


def test_two_codes_in_a_row_tell_how_far_the_clock_is_off() -> None:
    given(CODES, CODE_100, policies=BOOK).when(Resynchronize(at=SUMMER, timecode=101, drift_steps=4)).then(SYNCHRONISED)
    assert credential_after(CODES, CODE_100, SYNCHRONISED).last_proof == LastProof(timecode=101, drift_steps=4)


def test_the_first_codes_ever_may_resynchronize() -> None:
    given(CODES, policies=BOOK).when(Resynchronize(at=SUMMER, timecode=101, drift_steps=4)).then(SYNCHRONISED)


@pytest.mark.parametrize("timecode", [99, 100])
def test_codes_that_were_accepted_do_not_resynchronize(timecode: int) -> None:
    given(CODES, CODE_100, policies=BOOK).when(Resynchronize(at=SUMMER, timecode=timecode, drift_steps=4)).then_refused(
        Refusal.REPLAY
    )


def test_a_code_that_resynchronized_is_used_up() -> None:
    evidence = UseEvidence(timecode=101, drift_steps=4)

    given(CODES, SYNCHRONISED, policies=BOOK).when(Use(at=AUTUMN_2025, evidence=evidence)).then(
        refused(AUTUMN_2025, Refusal.REPLAY)
    )


def test_a_resynchronization_leaves_the_counter() -> None:
    assert credential_after(SIGNING, COUNTED_7, SYNCHRONISED).last_proof.counter == 7


def test_a_resynchronization_has_no_part_in_a_renewal() -> None:
    assert fact_of(SYNCHRONISED) is None


# --- Counters of signatures.


def test_a_counter_that_grows_passes() -> None:
    evidence = UseEvidence(counter=8)

    given(SIGNING, COUNTED_7, policies=BOOK).when(use_with(evidence)).then(used(SUMMER, evidence=evidence))
    assert credential_after(SIGNING, COUNTED_7, used(SUMMER, evidence=evidence)).last_proof == LastProof(counter=8)


@pytest.mark.parametrize("counter", [0, 6, 7])
def test_a_counter_that_does_not_grow_shows_a_copy(counter: int) -> None:
    given(SIGNING, COUNTED_7, policies=BOOK).when(use_with(UseEvidence(counter=counter))).then(
        refused(SUMMER, Refusal.REPLAY),
        CloneSuspected(at=SUMMER, evidence=None),
        Suspended(at=SUMMER, reason=SuspensionReason.CLONE_SUSPECTED),
    )


def test_a_code_that_comes_again_shows_no_copy() -> None:
    given(CODES, CODE_100, policies=BOOK).when(use_with(UseEvidence(timecode=100))).then(
        refused(SUMMER, Refusal.REPLAY)
    )


def test_a_counter_of_nought_says_that_the_device_keeps_none() -> None:
    none_kept = UseEvidence(counter=0)

    given(SIGNING, used(ISSUE, evidence=none_kept), policies=BOOK).when(use_with(none_kept)).then(
        used(SUMMER, evidence=none_kept)
    )
    assert credential_after(SIGNING, used(ISSUE, evidence=none_kept)).last_proof == LastProof()


def test_a_use_without_a_counter_leaves_the_last_one() -> None:
    without = used(SUMMER, evidence=UseEvidence(relying_party="gov24"))

    assert credential_after(SIGNING, COUNTED_7, without).last_proof == LastProof(counter=7)


def test_a_wrong_proof_with_an_old_counter_shows_nothing() -> None:
    guess = Use(at=SUMMER, proven=False, evidence=UseEvidence(counter=1))

    given(SIGNING, COUNTED_7, policies=BOOK).when(guess).then(refused(SUMMER, Refusal.BAD_PROOF, failures=1))


def test_an_old_counter_of_a_locked_credential_shows_nothing() -> None:
    locked = Locked(at=ISSUE, for_good=False)

    given(SIGNING, COUNTED_7, locked, policies=BOOK).when(use_with(UseEvidence(counter=7))).then(
        refused(SUMMER, Refusal.LOCKED)
    )


def test_a_key_that_was_rolled_counts_anew() -> None:
    rolled = ResetCompleted(at=ISSUE, evidence="7", key_rolled=True, level=StorageLevel.SECURE_ELEMENT, digest="d")
    evidence = UseEvidence(counter=1)

    given(SIGNING, COUNTED_7, rolled, policies=BOOK).when(use_with(evidence)).then(used(SUMMER, evidence=evidence))


# --- Forms of proof.


@pytest.mark.parametrize(
    ("issue", "evidence"),
    [
        pytest.param(SIGNING, UseEvidence(timecode=100), id="a code where signatures are taken"),
        pytest.param(CODES, UseEvidence(counter=8), id="a signature where codes are taken"),
        pytest.param(CODES, UseEvidence(timecode=100, counter=8), id="a signature beside a code"),
    ],
)
def test_a_proof_is_of_a_form_that_the_kind_takes(issue: Event, evidence: UseEvidence) -> None:
    given(issue, policies=BOOK).when(use_with(evidence)).then(refused(SUMMER, Refusal.BAD_PROOF))


@pytest.mark.parametrize(
    "before",
    [(SIGNING, COUNTED_7), (CODES, CODE_100)],
    ids=["after a signature", "after a code"],
)
def test_a_use_that_is_vouched_for_is_no_replay(before: tuple[Event, ...]) -> None:
    vouched_for = UseEvidence(relying_party="gov24")

    given(*before, policies=BOOK).when(use_with(vouched_for)).then(used(SUMMER, evidence=vouched_for))


@pytest.mark.parametrize("issue", [SIGNING, CODES], ids=["signatures", "codes"])
def test_without_evidence_the_caller_vouches_for_the_proof(issue: Event) -> None:
    given(issue, policies=BOOK).when(Use(at=SUMMER)).then(used(SUMMER))
    given(issue, policies=BOOK).when(use_with(UseEvidence())).then(used(SUMMER, evidence=UseEvidence()))


def test_what_is_not_told_of_a_use_is_not_known() -> None:
    assert astuple(UseEvidence()) == (None, 0, None, None, None, None, None)
