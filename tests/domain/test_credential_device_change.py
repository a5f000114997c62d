"""A changed device: a reset after an update, and a move to another phone."""

import pytest

from sealbook.domain.credential import (
    Attestation,
    Command,
    CompleteReset,
    Event,
    KeyAttested,
    Locked,
    Move,
    Moved,
    RequireReset,
    ResetCompleted,
    ResetRequired,
    Revoked,
    Suspended,
    Use,
    UseEvidence,
    fact_of,
)
from sealbook.domain.credential.standing import LastProof
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, StorageLevel
from tests.domain.examples import (
    BOOK,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    OTHER_PHONE,
    PHONE,
    SOON,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
    refused,
    used,
)
from tests.scenario import given

ISSUED, ENDLESS = issued_under(USE_D, device=PHONE), issued_under(FOREVER_N)
REQUIRED = ResetRequired(at=SUMMER)
SAFE = Attestation(level=StorageLevel.TRUSTED_ENVIRONMENT, digest="d1")


def complete(
    *, evidence: str | None = "phone 7", attestation: Attestation | None = SAFE, key_rolled: bool = False
) -> CompleteReset:
    return CompleteReset(at=SOON, evidence=evidence, key_rolled=key_rolled, attestation=attestation)


def completed(*, key_rolled: bool = False, level: StorageLevel = SAFE.level) -> ResetCompleted:
    return ResetCompleted(at=SOON, evidence="phone 7", key_rolled=key_rolled, level=level, digest="d1")


# --- A reset.


def test_a_reset_is_required() -> None:
    given(ISSUED, policies=BOOK).when(RequireReset(at=SUMMER)).then(REQUIRED)


def test_requiring_a_reset_again_does_nothing() -> None:
    given(ISSUED, REQUIRED, policies=BOOK).when(RequireReset(at=SOON)).then()


def test_until_the_reset_no_use_passes() -> None:
    given(ISSUED, REQUIRED, policies=BOOK).when(Use(at=SOON, device=PHONE)).then(refused(SOON, Refusal.RESET_REQUIRED))
    given(ISSUED, REQUIRED, completed(), policies=BOOK).when(Use(at=SOON, device=PHONE)).then(used(SOON))


@pytest.mark.parametrize("key_rolled", [False, True], ids=["the same key", "a new key"])
@pytest.mark.parametrize("level", [StorageLevel.TRUSTED_ENVIRONMENT, StorageLevel.SECURE_ELEMENT])
def test_a_reset_is_completed_by_an_attested_key(level: StorageLevel, key_rolled: bool) -> None:
    attested = Attestation(level=level, digest="d1")

    given(ISSUED, REQUIRED, policies=BOOK).when(complete(attestation=attested, key_rolled=key_rolled)).then(
        completed(key_rolled=key_rolled, level=level)
    )


@pytest.mark.parametrize(
    "attestation",
    [None, Attestation(level=StorageLevel.SOFTWARE, digest="d1"), Attestation(level=StorageLevel.NONE, digest="d1")],
    ids=["not attested", "in software", "nowhere"],
)
def test_a_key_that_is_not_safe_completes_no_reset(attestation: Attestation | None) -> None:
    given(ISSUED, REQUIRED, policies=BOOK).when(complete(attestation=attestation)).then_refused(Refusal.ATTESTATION)
    given(ISSUED, REQUIRED, policies=BOOK).when(complete(attestation=attestation, evidence=None)).then_refused(
        Refusal.ATTESTATION
    )


@pytest.mark.parametrize("evidence", [None, ""])
def test_a_reset_asks_for_a_verification_of_the_phone(evidence: str | None) -> None:
    given(ISSUED, REQUIRED, policies=BOOK).when(complete(evidence=evidence)).then_refused(Refusal.EVIDENCE)


def test_completing_a_reset_that_nobody_requires_does_nothing() -> None:
    given(ISSUED, policies=BOOK).when(complete()).then()
    given(ISSUED, REQUIRED, completed(), policies=BOOK).when(complete()).then()


def test_a_reset_that_is_completed_leaves_nothing_but_the_place_of_the_key() -> None:
    attested = KeyAttested(at=ISSUE, level=SAFE.level, digest="d0")

    assert credential_after(ISSUED, REQUIRED, completed()) == credential_after(ISSUED, attested)


def test_a_reset_says_where_the_key_is_kept() -> None:
    attested = KeyAttested(at=ISSUE, level=StorageLevel.SECURE_ELEMENT, digest="d0")

    assert credential_after(ISSUED, attested, REQUIRED, completed()).storage is StorageLevel.TRUSTED_ENVIRONMENT


@pytest.mark.parametrize(
    ("key_rolled", "last"),
    [
        pytest.param(False, LastProof(timecode=100, counter=7, drift_steps=1), id="the same key"),
        pytest.param(True, LastProof(timecode=100), id="a new key"),
    ],
)
def test_a_new_key_counts_anew_but_no_code_comes_again(key_rolled: bool, last: LastProof) -> None:
    before = used(ISSUE, evidence=UseEvidence(timecode=100, counter=7, drift_steps=1))

    assert credential_after(ISSUED, before, REQUIRED, completed(key_rolled=key_rolled)).last_proof == last


# --- A move.


def test_a_credential_whose_key_is_in_the_cloud_moves_to_another_phone() -> None:
    cloud = issued_under(USE_D, device=PHONE, kind=Kind.FINANCIAL_CERTIFICATE)
    moved = Moved(at=SUMMER, device=OTHER_PHONE)

    given(cloud, policies=BOOK).when(Move(at=SUMMER, device=OTHER_PHONE)).then(moved)
    given(cloud, moved, policies=BOOK).when(Use(at=SOON, device=OTHER_PHONE)).then(used(SOON))
    given(cloud, moved, policies=BOOK).when(Use(at=SOON, device=PHONE)).then(refused(SOON, Refusal.WRONG_DEVICE))


@pytest.mark.parametrize("kind", [Kind.MOBILE_OTP, Kind.KB_MOBILE_CERTIFICATE, Kind.JOINT_UNIVERSAL])
def test_a_credential_whose_key_is_in_the_phone_stays_there(kind: Kind) -> None:
    held = issued_under(USE_D, device=PHONE, kind=kind)

    given(held, policies=BOOK).when(Move(at=SUMMER, device=OTHER_PHONE)).then_refused(Refusal.ATTESTATION)


@pytest.mark.parametrize("kind", [Kind.FINANCIAL_CERTIFICATE, Kind.KB_MOBILE_CERTIFICATE])
def test_moving_to_where_it_is_does_nothing(kind: Kind) -> None:
    held = issued_under(USE_D, device=PHONE, kind=kind)

    given(held, policies=BOOK).when(Move(at=SUMMER, device=PHONE)).then()


# --- When.

COMMANDS: list[Command] = [RequireReset(at=GRACE_END), Move(at=GRACE_END, device=PHONE), complete()]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_what_was_revoked_is_neither_reset_nor_moved(command: Command) -> None:
    revoked = Revoked(at=SUMMER, reason=None)

    given(ISSUED, REQUIRED, revoked, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


def test_what_has_lapsed_for_good_is_not_reset() -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(RequireReset(at=GRACE_END)).then_refused(Refusal.ALREADY_FINAL)


@pytest.mark.parametrize(
    "since",
    [Suspended(at=SUMMER, reason=None), Locked(at=SUMMER, for_good=False), expired(GRACE_G, grace_until=GRACE_END)],
    ids=["suspended", "locked", "in its grace"],
)
def test_a_reset_is_required_and_completed_whatever_else_stands(since: Event) -> None:
    given(ENDLESS, since, policies=BOOK).when(RequireReset(at=SUMMER)).then(REQUIRED)
    given(ENDLESS, since, REQUIRED, policies=BOOK).when(complete()).then(completed())


@pytest.mark.parametrize(
    "event", [REQUIRED, completed(), Moved(at=SUMMER, device=OTHER_PHONE)], ids=lambda event: type(event).__name__
)
def test_a_changed_device_has_no_part_in_a_renewal(event: Event) -> None:
    assert fact_of(event) is None
