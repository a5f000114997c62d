"""Which uses came after a loss, and before or after it was reported?"""

from datetime import datetime
from uuid import UUID

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import LossReported, Resumed, Suspended
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, SuspensionReason
from sealbook.projections.liability import Liability, UseAfterLoss, liability
from tests.domain.examples import LATER, PERSON, USE_D, issued_under, kst, refused, used
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, learned, ledger, log

ISSUED = issued_under(USE_D)
LOST, REPORTED, FOUND = kst("2024-06-05T20:00"), kst("2024-06-06T09:00"), kst("2024-06-08T12:00")
HELD = Suspended(at=REPORTED, reason=SuspensionReason.LOSS_REPORTED)
RESUMED = Resumed(at=FOUND, evidence="branch-1")

History = Event | tuple[Event, datetime]


def report(*, lost_at: datetime | None = LOST, at: datetime = REPORTED) -> LossReported:
    return LossReported(at=at, lost_at=lost_at, theft=False)


def found(*history: History, as_of: datetime = LATER) -> list[tuple[datetime, Liability]]:
    return [(each.used_at, each.liability) for each in liability(log(ISSUED, *history), as_of=as_of)]


def test_a_use_after_the_report_is_told_in_full() -> None:
    at = kst("2024-06-06T18:00")
    reached_back = learned(report(), kst("2024-06-07T09:00"))

    assert liability(log(ISSUED, used(at, channel="web", purpose="transfer"), reached_back), as_of=LATER) == [
        UseAfterLoss(
            credential=CREDENTIAL,
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            liability=Liability.BANK,
            used_at=at,
            recorded_at=at,
            channel="web",
            purpose="transfer",
            lost_at=LOST,
            reported_at=REPORTED,
        )
    ]


@pytest.mark.parametrize(
    ("used_at", "liable"),
    [
        (LOST - MICROSECOND, None),
        (LOST, Liability.BEFORE_REPORT),
        (REPORTED - MICROSECOND, Liability.BEFORE_REPORT),
        (REPORTED, Liability.BANK),
        (FOUND - MICROSECOND, Liability.BANK),
        (FOUND, None),
    ],
    ids=["before the loss", "at the loss", "before the report", "at the report", "until it is found", "once found"],
)
def test_from_the_report_on_the_bank_is_liable_until_the_device_is_found(
    used_at: datetime, liable: Liability | None
) -> None:
    expected = [] if liable is None else [(used_at, liable)]

    assert found(used(used_at), report(), HELD, RESUMED) == expected
    # A use that the ledger learned of last is found as well.
    assert found(report(), HELD, RESUMED, learned(used(used_at), LATER)) == expected


def test_when_it_was_learned_is_told_beside_it() -> None:
    (use,) = liability(log(ISSUED, report(), HELD, learned(used(LOST), LATER)), as_of=LATER)

    assert (use.used_at, use.recorded_at) == (LOST, LATER)


def test_without_the_holders_word_only_uses_after_the_report_count() -> None:
    assert found(used(LOST), used(REPORTED), report(lost_at=None)) == [(REPORTED, Liability.BANK)]


def test_a_refused_use_did_no_harm() -> None:
    assert found(report(), HELD, refused(FOUND, Refusal.SUSPENDED)) == []


def test_without_a_loss_no_use_is_told() -> None:
    assert found(used(LOST), Suspended(at=REPORTED, reason=None), RESUMED) == []


@pytest.mark.parametrize("said", [None, LOST])
def test_a_second_report_of_one_loss_keeps_the_earliest_moments(said: datetime | None) -> None:
    again = LossReported(at=kst("2024-06-07T09:00"), lost_at=said, theft=True)

    assert found(used(LOST), used(REPORTED), report(), HELD, again) == [
        (LOST, Liability.BEFORE_REPORT),
        (REPORTED, Liability.BANK),
    ]


def test_each_loss_counts_by_itself() -> None:
    second = report(lost_at=kst("2024-08-01"), at=kst("2024-08-02"))
    between, after = used(kst("2024-07-01")), used(kst("2024-08-03"))

    assert found(between, after, report(), HELD, RESUMED, second) == [(after.at, Liability.BANK)]


def test_a_hold_for_something_else_ends_no_later_loss() -> None:
    again = Suspended(at=kst("2024-06-09"), reason=None)
    resumed = Resumed(at=kst("2024-06-10"), evidence=None)

    assert found(used(kst("2024-06-09T12:00")), report(), HELD, RESUMED, again, resumed) == []


def test_uses_are_told_by_credential_in_their_own_order() -> None:
    histories: dict[UUID, list[History]] = {
        CREDENTIAL: [ISSUED, report(), learned(used(REPORTED), LATER), learned(used(LOST), LATER)],
        OTHER_CREDENTIAL: [ISSUED, used(REPORTED), report()],
    }
    answers = liability(ledger(histories), as_of=LATER)

    assert [(each.credential, each.used_at) for each in answers] == [
        (CREDENTIAL, LOST),
        (CREDENTIAL, REPORTED),
        (OTHER_CREDENTIAL, REPORTED),
    ]


def test_what_came_after_the_moment_is_not_told() -> None:
    assert found(used(LOST), used(REPORTED), report(), as_of=REPORTED - MICROSECOND) == []
