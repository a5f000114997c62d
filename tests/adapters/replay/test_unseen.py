"""What those may have done whom the policy in force lost: the bounds hold it, whatever it was."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.replay.contract import Behavior, FactKind, Mode, Question
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.adapters.replay.figures import METRICS, Ground, Numbers, Shape, columns
from sealbook.adapters.replay.moments import DAY_SECONDS
from sealbook.adapters.replay.unseen import Unseen, lost
from sealbook.domain.policy_document import RenewalPolicy
from tests.adapters.replay.histories import (
    CLASSES,
    SWITCH_POLICIES,
    Attempt,
    Chain,
    Fact,
    chains,
    midnight,
    partition_of,
    policies,
    questions,
)
from tests.adapters.replay.test_engines import ABLE, drawn, policy

CSR = CsrEngine(classes=CLASSES)
FEE = 7
ISSUED = midnight(date(2020, 3, 10))
UNTIL = midnight(date(2026, 3, 10))
LONGER = policy(validity="P3Y")
"""It accepts for a year more than the two years after which people were refused."""
REFUSED = Attempt(at=midnight(date(2022, 6, 1)), accepted=False)
RETURNING = Behavior(mode=Mode.RETURN)


def ground_of(*made: Chain) -> Ground:
    shape = Shape(kinds=4, holders=2, channels=2, first_month=0, months=1, fees=(FEE,) * 4)
    return Ground(partition=partition_of(made), shape=shape, weights=np.zeros((0, len(made)), np.int64))


def asked(*, until: int = UNTIL) -> Question:
    return Question(policies=(), until=until, exposed_after_days=90, behavior=RETURNING, first_month=240, months=100)


def unseen(*then: Attempt | Fact, under: RenewalPolicy = LONGER, until: int = UNTIL) -> Unseen:
    chain = Chain(issued_at=ISSUED, then=then)
    question, ground = asked(until=until), ground_of(chain)
    (found,) = lost(partition_of([chain]), until=until).under(CSR, [under], question, ground)
    return found


def bounds(found: Unseen) -> dict[str, tuple[int, int]]:
    (least,), (most,) = found.least.T.tolist(), found.most.T.tolist()
    return {name: (low, high) for name, low, high in zip(METRICS, least, most, strict=True)}


def test_a_refusal_at_the_end_that_a_policy_had_not_made_leaves_things_open() -> None:
    found = bounds(unseen(REFUSED))

    # He renews by his use, and may do so a year later each time.
    assert found["renewals"] == (1, 2 + 1378 // 336)
    # He may have lapsed every three years, or never; without another use he did once.
    assert found["lapses"] == (0, 2)
    assert found["lockouts"] == (0, 2)
    assert found["chains_locked_out"] == (0, 1)
    assert found["cost"] == (0, 2 * FEE)
    assert found["still_valid"] == (0, 1)


@pytest.mark.parametrize(
    "then",
    [
        pytest.param((REFUSED, replace(REFUSED, at=REFUSED.at + 9, accepted=True)), id="accepted later"),
        pytest.param((REFUSED, Fact(at=REFUSED.at + 9, kind=FactKind.REISSUED_AFTER_LAPSE)), id="came back"),
        pytest.param((Fact(at=REFUSED.at - 9, kind=FactKind.SUSPENDED), REFUSED), id="suspended"),
        pytest.param((Fact(at=REFUSED.at - 9, kind=FactKind.REVOKED), REFUSED), id="revoked"),
        pytest.param((), id="never used"),
    ],
)
def test_whom_the_record_did_not_lose_leaves_nothing_open(then: tuple[Attempt | Fact, ...]) -> None:
    assert not len(unseen(*then).rows)


def test_whom_the_policy_loses_as_well_leaves_nothing_open() -> None:
    assert not len(unseen(REFUSED, under=policy(validity="P2Y")).rows)


def test_whom_only_the_policy_locked_out_before_may_have_come_back_so_that_it_kept_him() -> None:
    used = Attempt(at=ISSUED + 720 * DAY_SECONDS)
    refused = Attempt(at=ISSUED + 1455 * DAY_SECONDS, accepted=False)
    found = bounds(unseen(used, refused, under=policy(validity="P23M")))

    assert found["still_valid"] == (0, 1)
    assert found["renewals"][1] > 2


def test_what_is_not_refused_yet_is_not_lost() -> None:
    assert not len(unseen(REFUSED, until=REFUSED.at - 1).rows)
    assert len(unseen(REFUSED, until=REFUSED.at).rows)


def test_what_was_seen_after_the_first_refusal_may_not_have_been() -> None:
    late = Attempt(at=midnight(date(2026, 2, 1)), accepted=False)

    assert bounds(unseen(REFUSED, late)) == bounds(unseen(REFUSED))


@pytest.mark.parametrize(
    "under",
    [
        policy(validity="P3Y", renew_on="never", eligible_after=None),
        policy(validity="P3Y", max_renewals=0),
        policy(validity=None, renew_on="request", eligible_after=None, request_window="P30D"),
    ],
    ids=["never", "no more", "no end"],
)
def test_a_policy_that_never_renews_leaves_no_renewal_open(under: RenewalPolicy) -> None:
    assert bounds(unseen(REFUSED, under=under))["renewals"] == (0, 0)


def test_what_does_not_end_leaves_only_its_use_open() -> None:
    endless = policy(validity=None, renew_on="never", eligible_after=None)

    found = bounds(unseen(REFUSED, under=endless))
    assert {name for name, (least, most) in found.items() if least < most} == {"exposed_days"}


def test_who_was_switched_to_another_policy_is_not_everybody() -> None:
    switched = Chain(issued_at=ISSUED, then=(Fact(at=ISSUED + 9, kind=FactKind.SWITCHED, detail=0), REFUSED))
    question = replace(asked(), policies=(policy(validity="P3Y", eligible_after="P1M"),))
    of_both = [switched, Chain(issued_at=ISSUED, then=(REFUSED,))]
    (found,) = lost(partition_of(of_both), until=UNTIL).under(CSR, [LONGER], question, ground_of(*of_both))

    renewals = found.most[METRICS.index("renewals")].tolist()
    assert renewals[1] == bounds(unseen(REFUSED))["renewals"][1] < renewals[0]


@st.composite
def _continued(draw: st.DrawFn, chain: Chain) -> tuple[Chain, Chain]:
    """A chain that was lost, and what its people did instead: at most one thing a day."""
    last = max((each.at for each in chain.then), default=chain.issued_at)
    first = last + draw(st.integers(1, 400 * DAY_SECONDS))
    refused = [Attempt(at=first + days * DAY_SECONDS, accepted=False) for days in draw(st.sets(st.integers(1, 900)))]
    done: list[Attempt | Fact] = []
    for days in sorted(draw(st.sets(st.integers(1, 2500), max_size=20))):
        at = first + days * DAY_SECONDS
        used = draw(st.sampled_from([True, True, False]))
        done.append(Attempt(at=at) if used else Fact(at=at, kind=FactKind.REQUESTED))
    seen = sorted(refused, key=lambda each: each.at)
    return (
        replace(chain, then=(*chain.then, Attempt(at=first, accepted=False), *seen)),
        replace(chain, then=(*chain.then, Attempt(at=first), *done)),
    )


def metrics(chain: Chain, under: RenewalPolicy, question: Question) -> Numbers:
    (outcomes,) = CSR.replay(partition_of([chain]), [under], question)
    return columns(ground_of(chain), outcomes)[:, 0]


@drawn
@given(data=st.data(), under=policies(**ABLE), question=questions(named=policies(**ABLE)))
def test_the_bounds_hold_whatever_uses_and_requests_they_made(
    data: st.DataObject, under: RenewalPolicy, question: Question
) -> None:
    assert len(question.policies) == SWITCH_POLICIES
    seen, done = data.draw(data.draw(chains().map(_continued)))
    behaviors = [Behavior(mode=Mode.LEAVE), RETURNING, question.behavior]
    (found,) = lost(partition_of([seen]), until=question.until).under(CSR, [under], question, ground_of(seen))
    if len(found.rows):
        of_seen = [metrics(seen, under, replace(question, behavior=each)) for each in behaviors]
        low, high = np.min([*of_seen, found.least[:, 0]], axis=0), np.max([*of_seen, found.most[:, 0]], axis=0)
        for each in behaviors:
            true = metrics(done, under, replace(question, behavior=each))
            for number, name in enumerate(METRICS):
                if name != "customers_locked_out":
                    assert low[number] <= true[number] <= high[number], name
