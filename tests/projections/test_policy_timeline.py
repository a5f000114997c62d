"""Which policy versions were made known, and which of them is in force when, for whom?"""

from datetime import datetime
from uuid import UUID

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.policy import Adopted, Announced, Withdrawn
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind
from sealbook.projections.policy_timeline import MadeKnown, PolicyVersion, Standing, policy_timeline
from tests.domain.examples import CLOCK_X, LATER, USE_D, document, kst
from tests.projections.records import learned, ledger

D, X = UUID(int=201), UUID(int=202)
ADOPTED_AT, ANNOUNCED_AT, EFFECTIVE = kst("2024-01-01"), kst("2025-05-01"), kst("2025-07-01")
AGAIN_EFFECTIVE = kst("2025-09-01")


def version(number: int, effective_from: datetime = EFFECTIVE, **written: object) -> RenewalPolicy:
    return document("D", version=number, announced_at=ANNOUNCED_AT, effective_from=effective_from, **written)


SECOND, THIRD = version(2, applies_to="keep"), version(3, AGAIN_EFFECTIVE)
ADOPTED = Adopted(at=ADOPTED_AT, document=USE_D)
ANNOUNCED = Announced(at=ANNOUNCED_AT, document=SECOND)
ANNOUNCED_AGAIN = Announced(at=ANNOUNCED_AT, document=THIRD)
WITHDRAWN = Withdrawn(at=kst("2025-06-01"), version=2)


def versions(*history: Event, as_of: datetime = LATER) -> list[PolicyVersion]:
    return policy_timeline(ledger({D: history}), as_of=as_of)


def standings(*history: Event, as_of: datetime) -> list[Standing]:
    return [each.standing for each in versions(*history, as_of=as_of)]


def test_an_announced_version_is_told_in_full() -> None:
    only = version(2, kinds=["mobile_otp", "joint_universal"], holders=["personal"], law_forced=True)
    log = ledger({D: [learned(Announced(at=ANNOUNCED_AT, document=only), EFFECTIVE)]})

    assert policy_timeline(log, as_of=LATER) == [
        PolicyVersion(
            policy=only.ref,
            standing=Standing.IN_FORCE,
            made_known=MadeKnown.ANNOUNCED,
            made_known_at=ANNOUNCED_AT,
            recorded_at=EFFECTIVE,
            in_force_from=EFFECTIVE,
            in_force_until=None,
            withdrawn_at=None,
            applies_to="new",
            law_forced=True,
            kinds=(Kind.JOINT_UNIVERSAL, Kind.MOBILE_OTP),
            holders=(HolderKind.PERSONAL,),
            sha256=only.digest,
        )
    ]


def test_an_adopted_version_without_a_date_is_in_force_from_its_adoption() -> None:
    (found,) = versions(ADOPTED)

    assert (found.made_known, found.in_force_from, found.kinds) == (MadeKnown.ADOPTED, ADOPTED_AT, None)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (ADOPTED_AT - MICROSECOND, []),
        (ADOPTED_AT, [Standing.IN_FORCE]),
        (ANNOUNCED_AT, [Standing.IN_FORCE, Standing.UPCOMING]),
        (EFFECTIVE - MICROSECOND, [Standing.IN_FORCE, Standing.UPCOMING]),
        (EFFECTIVE, [Standing.SUPERSEDED, Standing.IN_FORCE]),
    ],
    ids=["before", "adopted", "announced", "until it takes effect", "in effect"],
)
def test_a_version_takes_over_on_its_own_date(as_of: datetime, expected: list[Standing]) -> None:
    assert standings(ADOPTED, ANNOUNCED, as_of=as_of) == expected


def test_a_version_tells_until_when_it_is_in_force_and_what_it_takes_over() -> None:
    first, second = versions(ADOPTED, ANNOUNCED, as_of=ANNOUNCED_AT)

    assert (first.in_force_until, second.in_force_until) == (EFFECTIVE, None)
    assert (first.applies_to, second.applies_to) == ("new", "keep")


def test_a_withdrawn_version_takes_over_nothing() -> None:
    first, second, third = versions(ADOPTED, ANNOUNCED, ANNOUNCED_AGAIN, WITHDRAWN)

    assert (first.in_force_until, first.standing) == (AGAIN_EFFECTIVE, Standing.SUPERSEDED)
    assert (second.withdrawn_at, second.standing, second.in_force_until) == (WITHDRAWN.at, Standing.WITHDRAWN, None)
    assert third.standing is Standing.IN_FORCE


def test_until_it_was_withdrawn_a_version_was_upcoming() -> None:
    before = standings(ADOPTED, ANNOUNCED, WITHDRAWN, as_of=WITHDRAWN.at - MICROSECOND)

    assert before == [Standing.IN_FORCE, Standing.UPCOMING]


def test_a_version_that_a_higher_one_forestalled_is_superseded() -> None:
    earlier = Announced(at=ANNOUNCED_AT, document=version(3, kst("2025-06-15")))

    assert standings(ADOPTED, ANNOUNCED, earlier, as_of=kst("2025-06-20")) == [
        Standing.SUPERSEDED,
        Standing.SUPERSEDED,
        Standing.IN_FORCE,
    ]


def test_policies_are_told_one_after_the_other() -> None:
    log = ledger({X: [Adopted(at=ADOPTED_AT, document=CLOCK_X)], D: [ADOPTED, ANNOUNCED]})

    assert [str(each.policy) for each in policy_timeline(log, as_of=LATER)] == ["X@1", "D@1", "D@2"]
