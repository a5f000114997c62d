"""What those may have done whom the policy in force lost: the bounds hold it, whatever it was."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.replay.contract import Behavior, FactKind, Mode, Question
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.adapters.replay.figures import CUSTOMERS, METRICS, Ground, Numbers, Shape, columns
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


def beyond(found: Unseen) -> dict[str, tuple[int, int]]:
    return {name: (int(low), int(high)) for name, low, high in zip(METRICS, *found.beyond, strict=True)}


def test_a_refusal_at_the_end_that_a_policy_had_not_made_leaves_things_open() -> None:
    found = unseen(REFUSED)

    assert found.chains == 1
    # He renews by his use, and may do so a year later each time; seen were three years more, and a lapse.
    assert beyond(found)["renewals"] == (0, 1 + 1378 // 336)
    # He may have lapsed every three years, or never.
    assert beyond(found)["lapses"] == (-1, 1)
    assert beyond(found)["lockouts"] == (0, 2)
    assert beyond(found)["chains_locked_out"] == beyond(found)["customers_locked_out"] == (0, 1)
    assert beyond(found)["cost"] == (0, 2 * FEE)
    assert beyond(found)["still_valid"] == (0, 1)


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
    assert unseen(*then).chains == 0
    assert not unseen(*then).beyond.any()


def test_whom_the_policy_loses_as_well_leaves_nothing_open() -> None:
    assert unseen(REFUSED, under=policy(validity="P2Y")).chains == 0


def test_what_is_not_refused_yet_is_not_lost() -> None:
    assert unseen(REFUSED, until=REFUSED.at - 1).chains == 0
    assert unseen(REFUSED, until=REFUSED.at).chains == 1


def test_what_was_seen_after_the_first_refusal_may_not_have_been() -> None:
    late = Attempt(at=midnight(date(2026, 2, 1)), accepted=False)

    assert beyond(unseen(REFUSED, late))["lockouts"] == (-1, 1)
    assert beyond(unseen(REFUSED, late))["customers_locked_out"] == (-1, 0)


def test_a_policy_that_never_renews_leaves_no_renewal_open() -> None:
    never = policy(validity="P3Y", renew_on="never", eligible_after=None)

    assert beyond(unseen(REFUSED, under=never))["renewals"] == (0, 0)


def test_what_does_not_end_leaves_only_its_use_open() -> None:
    endless = policy(validity=None, renew_on="never", eligible_after=None)

    open_ones = {name for name, bounds in beyond(unseen(REFUSED, under=endless)).items() if any(bounds)}
    assert open_ones == {"exposed_days"}


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


def metrics(chain: Chain, under: RenewalPolicy, question: Question, mode: Mode) -> Numbers:
    asked = replace(question, behavior=Behavior(mode=mode))
    (outcomes,) = CSR.replay(partition_of([chain]), [under], asked)
    return columns(ground_of(chain), outcomes)[:, 0]


@drawn
@given(data=st.data(), under=policies(**ABLE), question=questions(named=policies(**ABLE)))
def test_the_bounds_hold_whatever_they_did(data: st.DataObject, under: RenewalPolicy, question: Question) -> None:
    assert len(question.policies) == SWITCH_POLICIES
    seen, done = data.draw(data.draw(chains().map(_continued)))
    question = replace(question, behavior=RETURNING)
    (found,) = lost(partition_of([seen]), until=question.until).under(CSR, [under], question, ground_of(seen))
    if found.chains:
        bounds = [metrics(seen, under, question, mode) for mode in (Mode.LEAVE, Mode.RETURN)]
        low, high = np.minimum(*bounds) + found.beyond[0], np.maximum(*bounds) + found.beyond[1]
        for mode in (Mode.LEAVE, Mode.RETURN):
            true = metrics(done, under, question, mode)
            for number, name in enumerate(METRICS):
                if number != CUSTOMERS:
                    assert low[number] <= true[number] <= high[number], name
