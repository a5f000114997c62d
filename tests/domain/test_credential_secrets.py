"""The seed of the codes: one generation is in force, the next takes its place, and a code of another tells nothing."""

import pytest

from sealbook.domain.credential import (
    Adopt,
    Event,
    Locked,
    Revoked,
    SecretSet,
    SetSecret,
    Suspended,
    Use,
    UseEvidence,
    fact_of,
)
from sealbook.domain.credential.standing import LastProof
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    OTHER_PHONE,
    SOON,
    SUMMER,
    credential_after,
    expired,
    issued_under,
    refused,
    used,
)
from tests.scenario import given

CODES = issued_under(FOREVER_N, kind=Kind.MOBILE_OTP)
FIRST = SecretSet(at=ISSUE, generation=1)
SECOND = SecretSet(at=SUMMER, generation=2)
LATE = used(SUMMER, evidence=UseEvidence(timecode=100, drift_steps=-1))
SUSPENDED = Suspended(at=SUMMER, reason=None)
LOCKED = Locked(at=SUMMER, for_good=False)
REVOKED = Revoked(at=SUMMER, reason=None)


# --- Which seed is in force.


def test_an_issue_brings_no_seed() -> None:
    assert credential_after(CODES).secret_generation == 0


@pytest.mark.parametrize(
    ("history", "generation"),
    [((CODES,), 1), ((CODES, FIRST), 2), ((CODES, FIRST, SECOND), 3)],
    ids=["the first", "the second", "the third"],
)
def test_a_seed_takes_the_place_of_the_one_before(history: tuple[Event, ...], generation: int) -> None:
    taken = SecretSet(at=SOON, generation=generation)

    given(*history, policies=BOOK).when(SetSecret(at=SOON, generation=generation)).then(taken)
    assert credential_after(*history, taken).secret_generation == generation


@pytest.mark.parametrize("generation", [-1, 0, 1, 3])
def test_only_the_next_generation_is_set(generation: int) -> None:
    given(CODES, FIRST, policies=BOOK).when(SetSecret(at=SOON, generation=generation)).then_refused(
        Refusal.SECRET_GENERATION
    )


@pytest.mark.parametrize("condition", [SUSPENDED, LOCKED], ids=lambda event: type(event).__name__)
def test_a_seed_is_set_while_the_credential_cannot_be_used(condition: Event) -> None:
    given(CODES, condition, policies=BOOK).when(SetSecret(at=SOON, generation=1)).then(SecretSet(at=SOON, generation=1))


def test_a_credential_that_has_ended_takes_no_seed() -> None:
    given(CODES, REVOKED, policies=BOOK).when(SetSecret(at=SOON, generation=1)).then_refused(Refusal.ALREADY_FINAL)


def test_a_credential_takes_a_seed_until_its_grace_is_over() -> None:
    history = (issued_under(GRACE_G, kind=Kind.MOBILE_OTP), expired(GRACE_G, grace_until=GRACE_END))

    given(*history, policies=BOOK).when(SetSecret(at=APRIL_2026, generation=1)).then(
        SecretSet(at=APRIL_2026, generation=1)
    )
    given(*history, policies=BOOK).when(SetSecret(at=GRACE_END, generation=1)).then_refused(Refusal.ALREADY_FINAL)


def test_the_clock_of_a_new_seed_is_not_known_and_its_codes_count_on() -> None:
    assert credential_after(CODES, FIRST, LATE, SECOND).last_proof == LastProof(timecode=100, drift_steps=0)


def test_a_code_of_a_step_that_was_used_is_a_replay_whichever_seed_it_came_of() -> None:
    again = Use(at=AUTUMN_2025, evidence=UseEvidence(timecode=100), generation=2)

    given(CODES, FIRST, LATE, SECOND, policies=BOOK).when(again).then(refused(AUTUMN_2025, Refusal.REPLAY))


def test_a_seed_leaves_the_counter_and_the_wrong_proofs() -> None:
    before = (CODES, used(ISSUE, evidence=UseEvidence(counter=7)), refused(SUMMER, Refusal.BAD_PROOF, failures=4))
    after = credential_after(*before, FIRST)

    assert after.last_proof.counter == 7
    assert after.lockout == credential_after(*before).lockout


# --- Which seed a code was checked with.


@pytest.mark.parametrize(
    ("history", "generation"),
    [((CODES,), 0), ((CODES, FIRST), 1), ((CODES, FIRST, SECOND), 2), ((CODES, FIRST, SECOND), None)],
    ids=["none yet", "the first", "the second", "not told"],
)
def test_a_code_of_the_seed_in_force_passes(history: tuple[Event, ...], generation: int | None) -> None:
    evidence = UseEvidence(timecode=100)

    given(*history, policies=BOOK).when(Use(at=SOON, evidence=evidence, generation=generation)).then(
        used(SOON, evidence=evidence)
    )


@pytest.mark.parametrize("proven", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("generation", [0, 1, 3])
def test_a_code_of_another_seed_is_neither_taken_nor_counted(generation: int, proven: bool) -> None:
    use = Use(at=SOON, evidence=UseEvidence(timecode=100), generation=generation, proven=proven)

    given(CODES, FIRST, SECOND, policies=BOOK).when(use).then_refused(Refusal.SECRET_GENERATION)


@pytest.mark.parametrize("condition", [SUSPENDED, LOCKED, REVOKED], ids=lambda event: type(event).__name__)
def test_a_code_of_another_seed_tells_nothing_in_any_state(condition: Event) -> None:
    use = Use(at=SOON, device=OTHER_PHONE, generation=2)

    given(CODES, FIRST, condition, policies=BOOK).when(use).then_refused(Refusal.SECRET_GENERATION)


def test_a_wrong_code_of_the_seed_in_force_counts() -> None:
    given(CODES, FIRST, policies=BOOK).when(Use(at=SOON, generation=1, proven=False)).then(
        refused(SOON, Refusal.BAD_PROOF, failures=1)
    )


# --- Replay.


def test_the_seed_has_no_part_in_a_renewal() -> None:
    assert fact_of(FIRST) is None


def test_the_fact_of_a_use_says_nothing_of_the_seed() -> None:
    assert fact_of(LATE) == Use(at=SUMMER)


def test_a_replay_does_not_ask_which_seed_it_was() -> None:
    given(CODES, FIRST, policies=BOOK).when(Adopt(fact=Use(at=SOON, generation=7))).then(used(SOON))


def test_a_history_does_not_tell_of_seeds() -> None:
    with pytest.raises(TypeError, match="a history does not tell of SetSecret"):
        given(CODES, policies=BOOK).when(Adopt(fact=SetSecret(at=SOON, generation=1))).then()
