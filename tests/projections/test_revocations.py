"""Which credentials stand on a revocation list, since when, and for which reason of RFC 5280?"""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import CloneSuspected, Locked, LossReported, Resumed, Revoked, Suspended
from sealbook.domain.values import Kind, RevocationReason, SuspensionReason
from sealbook.projections.revocations import CODES, NAMES, Code, Revocation, revocations
from tests.domain.applications import APPLYING
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    END,
    ISSUE,
    LATER,
    PERSON,
    SOON,
    SUMMER,
    USE_D,
    issued_under,
)
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, ledger, log

ISSUED = replace(issued_under(USE_D), reference="serial-1")
SUSPENDED = Suspended(at=SUMMER, reason=SuspensionReason.REQUESTED)
RESUMED = Resumed(at=SOON, evidence=None)


def revoked(reason: str | None = None, *, at: datetime = SOON) -> Revoked:
    return Revoked(at=at, reason=reason)


def entries(*history: Event, as_of: datetime = AUTUMN_2025, since: datetime | None = None) -> list[Revocation]:
    return revocations(log(ISSUED, *history), as_of=as_of, policies=BOOK, since=since)


def codes(*history: Event, as_of: datetime = AUTUMN_2025, since: datetime | None = None) -> list[int]:
    return [each.code for each in entries(*history, as_of=as_of, since=since)]


def test_a_revoked_credential_is_told_in_full() -> None:
    assert entries(SUSPENDED, revoked(RevocationReason.KEY_COMPROMISE)) == [
        Revocation(
            credential=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            reference="serial-1",
            code=Code.KEY_COMPROMISE,
            name="keyCompromise",
            since=SOON,
            reason="key_compromise",
        )
    ]


@pytest.mark.parametrize(
    ("reason", "code", "name"),
    [
        (RevocationReason.UNSPECIFIED, 0, "unspecified"),
        (RevocationReason.KEY_COMPROMISE, 1, "keyCompromise"),
        (RevocationReason.AFFILIATION_CHANGED, 3, "affiliationChanged"),
        (RevocationReason.SUPERSEDED, 4, "superseded"),
        (RevocationReason.CESSATION_OF_OPERATION, 5, "cessationOfOperation"),
        (RevocationReason.PRIVILEGE_WITHDRAWN, 9, "privilegeWithdrawn"),
        ("lost", 1, "keyCompromise"),
        ("stolen", 1, "keyCompromise"),
        ("name_changed", 3, "affiliationChanged"),
        ("reissued", 4, "superseded"),
        ("deceased", 5, "cessationOfOperation"),
        ("court_order", 9, "privilegeWithdrawn"),
        ("a word of its own", 0, "unspecified"),
    ],
)
def test_a_reason_has_its_code(reason: str, code: int, name: str) -> None:
    (found,) = entries(revoked(reason))

    assert (found.code, found.name, found.reason) == (code, name, reason)


def test_every_reason_has_a_code_and_every_code_a_name() -> None:
    assert set(RevocationReason) <= CODES.keys()
    assert NAMES.keys() == set(Code)
    assert {7, 2, 10} & set(Code) == set()


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ((), Code.UNSPECIFIED),
        ((SUSPENDED,), Code.UNSPECIFIED),
        ((LossReported(at=SUMMER, lost_at=None, theft=False),), Code.KEY_COMPROMISE),
        ((LossReported(at=SUMMER, lost_at=None, theft=True),), Code.KEY_COMPROMISE),
        ((CloneSuspected(at=SUMMER, evidence="clone-1"),), Code.KEY_COMPROMISE),
        ((Locked(at=SUMMER, for_good=True),), Code.KEY_COMPROMISE),
        ((Locked(at=SUMMER, for_good=False),), Code.UNSPECIFIED),
    ],
    ids=["nothing", "held on request", "lost", "stolen", "copied", "locked for good", "locked"],
)
def test_without_a_reason_what_came_before_tells_it(before: tuple[Event, ...], code: Code) -> None:
    assert codes(*before, revoked()) == [code]


def test_what_is_held_stands_on_the_list_with_its_reason() -> None:
    (found,) = entries(SUSPENDED)

    assert (found.code, found.name, found.since, found.reason) == (6, "certificateHold", SUMMER, "requested")


@pytest.mark.parametrize("reason", SuspensionReason)
def test_every_suspension_is_a_hold(reason: SuspensionReason) -> None:
    assert codes(Suspended(at=SUMMER, reason=reason)) == [Code.CERTIFICATE_HOLD]


@pytest.mark.parametrize(
    ("history", "as_of"),
    [
        ((), AUTUMN_2025),
        ((SUSPENDED, RESUMED), AUTUMN_2025),
        ((SUSPENDED,), SUMMER - MICROSECOND),
        ((SUSPENDED,), END),
        ((Locked(at=SUMMER, for_good=True),), AUTUMN_2025),
    ],
    ids=["nothing happened", "resumed", "not held yet", "held, and expired", "locked"],
)
def test_what_is_neither_revoked_nor_held_is_not_on_the_list(history: tuple[Event, ...], as_of: datetime) -> None:
    assert entries(*history, as_of=as_of) == []


def test_a_revoked_credential_stays_on_the_list_after_its_end() -> None:
    assert codes(revoked(RevocationReason.SUPERSEDED), as_of=LATER) == [4]


def test_applications_are_on_no_list() -> None:
    log_of_both = ledger({OTHER_CREDENTIAL: APPLYING, CREDENTIAL: [ISSUED, revoked()]})
    found = revocations(log_of_both, as_of=AUTUMN_2025, policies=BOOK)

    assert [each.credential for each in found] == [CREDENTIAL]


# --- A delta

AFTER = [SUMMER - MICROSECOND, SUMMER, SOON]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((SUSPENDED,), [[6], [], []]),
        ((SUSPENDED, revoked()), [[0], [0], []]),
        ((SUSPENDED, RESUMED), [[], [8], []]),
        ((revoked(at=SUMMER),), [[0], [], []]),
    ],
    ids=["held", "held and revoked", "held and resumed", "revoked"],
)
def test_a_delta_tells_what_changed_since(history: tuple[Event, ...], expected: list[list[int]]) -> None:
    assert [codes(*history, since=since) for since in AFTER] == expected


def test_what_was_resumed_is_removed_with_the_moment_of_it() -> None:
    (found,) = entries(SUSPENDED, RESUMED, since=SUMMER)

    assert (found.name, found.since, found.reason) == ("removeFromCRL", SOON, None)


def test_a_hold_within_the_delta_was_on_no_list() -> None:
    assert codes(SUSPENDED, RESUMED, since=ISSUE) == []


def test_a_second_hold_within_the_delta_leaves_the_removal_of_the_first() -> None:
    again, ended = Suspended(at=AUTUMN_2025, reason=None), Resumed(at=AUTUMN_2025, evidence=None)

    assert codes(SUSPENDED, RESUMED, again, ended, since=SUMMER) == [8]
    assert codes(SUSPENDED, RESUMED, again, since=SUMMER) == [6]


def test_a_resumption_without_a_hold_removes_nothing() -> None:
    assert codes(RESUMED, since=SUMMER) == []
