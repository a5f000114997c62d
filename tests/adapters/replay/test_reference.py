"""The reference engine: columns in, columns out, each chain by the code of the live ledger."""

import dataclasses
from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.adapters.replay.contract import (
    Behavior,
    Engine,
    FactKind,
    Mode,
    Outcomes,
    Partition,
    Question,
    UseClasses,
)
from sealbook.adapters.replay.moments import DAY_SECONDS, moment_of, seconds_of
from sealbook.adapters.replay.reference import ReferenceEngine, chain_of
from sealbook.domain.credential import (
    ObjectToRenewal,
    RequestRenewal,
    Resume,
    Revoke,
    Suspend,
    SwitchPolicy,
    Use,
)
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import SwitchMode
from sealbook.projections import chains as pure
from tests.adapters.replay.histories import (
    CLASSES,
    Attempt,
    Chain,
    Fact,
    chains,
    midnight,
    partition_of,
    partitions,
    policies,
    questions,
)
from tests.domain.examples import CLOCK_X, GRACE_G, USE_D, document

ENGINE: Engine = ReferenceEngine(classes=CLASSES)
ISSUED_AT = midnight(date(2024, 2, 29)) + 3600
END = midnight(date(2026, 3, 1))
"""When a credential issued then ends if nothing renews it: 28 February 2026 is its last day."""
USED_AT = midnight(date(2025, 7, 1))
BLOCKED_AT = midnight(date(2026, 5, 1)) + 3600
UNTIL = midnight(date(2027, 1, 1))
LEAVE = Behavior(mode=Mode.LEAVE)
NUMBERS = ("renewals", "lapses", "lockouts", "reissues", "valid_days", "exposed_days")
WEB, LOGIN = 1, 2


def question(*named: RenewalPolicy, behavior: Behavior = LEAVE, until: int = UNTIL) -> Question:
    return Question(
        policies=named,
        until=until,
        exposed_after_days=30,
        behavior=behavior,
        first_month=24 * 12,
        months=36,
    )


def outcomes(asked: Question, *made: Chain, policy: RenewalPolicy = USE_D) -> Outcomes:
    (found,) = ENGINE.replay(partition_of(made), [policy], asked)
    return found


def of(found: Outcomes, row: int = 0) -> tuple[int, int, int, int, bool]:
    numbers = [int(getattr(found, name)[row]) for name in NUMBERS[:4]]
    return (numbers[0], numbers[1], numbers[2], numbers[3], bool(found.valid[row]))


def issued(*then: Attempt | Fact, key: int = 0) -> Chain:
    return Chain(issued_at=ISSUED_AT, then=then, key=key)


# --- Columns to chains


def test_attempts_are_merged_by_time_the_accepted_first() -> None:
    refused, accepted = Attempt(at=USED_AT, accepted=False), Attempt(at=USED_AT, use_class=WEB)
    later = Attempt(at=USED_AT + 1, accepted=False, use_class=LOGIN)

    read = chain_of(partition_of([issued(), issued(refused, accepted, later)]), 1, CLASSES)

    assert list(read.then) == [
        pure.Attempt(use=Use(at=moment_of(USED_AT), channel="web"), accepted=True),
        pure.Attempt(use=Use(at=moment_of(USED_AT)), accepted=False),
        pure.Attempt(use=Use(at=moment_of(USED_AT + 1), purpose="login"), accepted=False),
    ]


def test_facts_stand_at_their_places_among_the_attempts() -> None:
    attempt = Attempt(at=USED_AT)
    kinds = [kind for kind in FactKind if kind is not FactKind.SWITCHED]
    facts = [Fact(at=USED_AT, kind=kind) for kind in kinds]
    switch = Fact(at=USED_AT, kind=FactKind.SWITCHED, detail=4 * 1 + 2)

    read = chain_of(partition_of([issued(*facts[:3], attempt, *facts[3:], attempt, switch, attempt)]), 0, CLASSES)

    at = moment_of(USED_AT)
    use = pure.Attempt(use=Use(at=at), accepted=True)
    *steps, switched, last = read.then
    assert steps == [
        Suspend(at=at),
        Resume(at=at),
        Revoke(at=at),
        use,
        RequestRenewal(at=at),
        ObjectToRenewal(at=at),
        pure.Reissued(at=at, after_lapse=False),
        pure.Reissued(at=at, after_lapse=True),
        use,
    ]
    assert isinstance(switched, SwitchPolicy)
    assert switched.mode is SwitchMode.RECOMPUTE
    assert last == use


def test_a_place_decides_at_one_moment() -> None:
    use, suspension = Attempt(at=USED_AT), Fact(at=USED_AT, kind=FactKind.SUSPENDED)

    found = outcomes(question(), issued(use, suspension), issued(suspension, use))

    assert found.renewals.tolist() == [1, 0]


def test_a_use_counts_by_what_its_class_means() -> None:
    web = issued(Attempt(at=USED_AT, use_class=WEB))
    by_login = issued(Attempt(at=USED_AT, use_class=LOGIN))

    of_purpose = document("P", channels=["app", "web"], purposes=["transfer"])

    assert outcomes(question(), web, by_login).renewals.tolist() == [0, 1]
    assert outcomes(question(), web, by_login, policy=of_purpose).renewals.tolist() == [1, 0]


def test_a_class_that_nobody_explained_is_an_error() -> None:
    engine = ReferenceEngine(classes=UseClasses())

    with pytest.raises(IndexError):
        engine.replay(partition_of([issued(Attempt(at=USED_AT, use_class=WEB))]), [USE_D], question())


def test_a_partition_without_attempts_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^the reference engine replays attempts, and this partition was read without"
    ):
        ENGINE.replay(partition_of([issued()], attempts=False), [USE_D], question())


# --- Policies


def test_the_engine_has_a_name_and_refuses_what_nobody_recorded() -> None:
    keeping = document("K", reissue_validity="keep")

    assert ENGINE.name == "reference"
    assert ENGINE.refuses(USE_D) is None
    assert ENGINE.refuses(keeping) == "reissue_validity"
    with pytest.raises(ValueError, match=r"^the reference engine does not replay reissue_validity of policy K@1$"):
        ENGINE.replay(partition_of([issued()]), [USE_D, keeping], question())


def test_a_switch_names_a_policy_of_the_question_by_number() -> None:
    yearly = document("D", validity="P1Y", kinds=["mobile_otp"])
    switch = Fact(at=USED_AT, kind=FactKind.SWITCHED, detail=4 * 1 + 1)

    # It bears the name of the policy that is asked about, and concerns another kind: neither matters.
    found = outcomes(question(CLOCK_X, yearly), issued(switch), policy=USE_D)

    month = (2026 - 2024) * 12 + 7 - 1
    assert of(found) == (0, 1, 0, 0, False)
    assert found.by_month[month].tolist() == [0, 1]


# --- What becomes of chains


def test_a_leap_day_once_clamped() -> None:
    found = outcomes(question(until=END - 1), issued())

    assert of(found) == (0, 0, 0, 0, True)
    assert found.valid_days.tolist() == [(date(2026, 2, 28) - date(2024, 2, 29)).days + 1]
    assert found.exposed_days.tolist() == [found.valid_days[0] - 31]
    assert of(outcomes(question(until=END), issued())) == (0, 1, 0, 0, False)


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        pytest.param(LEAVE, (0, 1, 1, 0, False), id="leave"),
        pytest.param(Behavior(mode=Mode.RETURN), (0, 1, 1, 1, True), id="return"),
        pytest.param(
            Behavior(mode=Mode.AS_FITTED, returning=2**32, delays_seconds=(UNTIL - BLOCKED_AT,)),
            (0, 1, 1, 1, True),
            id="return at the last moment",
        ),
        pytest.param(
            Behavior(mode=Mode.AS_FITTED, returning=2**32, delays_seconds=(UNTIL - BLOCKED_AT + 1,)),
            (0, 1, 1, 0, False),
            id="return too late to be seen",
        ),
        pytest.param(Behavior(mode=Mode.AS_FITTED, delays_seconds=(1,)), (0, 1, 1, 0, False), id="nobody returns"),
    ],
)
def test_people_do_what_the_question_says(behavior: Behavior, expected: tuple[int, int, int, int, bool]) -> None:
    assert of(outcomes(question(behavior=behavior), issued(Attempt(at=BLOCKED_AT)))) == expected


def test_months_outside_are_counted_in_the_first_or_the_last() -> None:
    asked = dataclasses.replace(question(), first_month=26 * 12 + 2, months=2)
    use = Attempt(at=USED_AT)

    early = outcomes(asked, issued(use))
    within = outcomes(asked, issued())
    late = outcomes(dataclasses.replace(asked, first_month=24 * 12), issued())

    assert early.by_month.tolist() == [[1, 0], [0, 0]]
    assert within.by_month.tolist() == [[0, 1], [0, 0]]
    assert late.by_month.tolist() == [[0, 0], [0, 1]]


def test_who_returns_by_chance_is_another_by_key_and_by_seed_but_the_same_under_every_policy() -> None:
    blocked = [issued(Attempt(at=BLOCKED_AT), key=key) for key in range(200)]

    def returned(policy: RenewalPolicy, seed: int) -> list[int]:
        behavior = Behavior(mode=Mode.AS_FITTED, returning=2**31, delays_seconds=(DAY_SECONDS,), seed=seed)
        return [int(each) for each in outcomes(question(behavior=behavior), *blocked, policy=policy).reissues]

    assert 60 < sum(returned(USE_D, 1)) < 140
    assert returned(USE_D, 1) == returned(GRACE_G, 1) != returned(USE_D, 2)


# --- By chance

ANY_POLICY = policies(reissue_validity="fresh")


def same(one: Outcomes, other: Outcomes, *, rows: slice = slice(None)) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)[rows]) for name in (*NUMBERS, "valid"))


@settings(max_examples=80, deadline=None)
@given(partitions(), st.lists(ANY_POLICY, max_size=3), questions())
def test_the_months_come_to_what_the_chains_do(
    partition: Partition, asked: Sequence[RenewalPolicy], put: Question
) -> None:
    found = ENGINE.replay(partition, asked, put)

    assert len(found) == len(asked)
    for each in found:
        assert each.by_month.shape == (put.months, 2)
        assert each.by_month.sum(axis=0).tolist() == [each.renewals.sum(), each.lapses.sum()]
        assert (each.lockouts <= each.lapses).all()
        assert (each.exposed_days <= each.valid_days).all()
        assert not each.lapses[partition.issued_at > put.until].any()
        assert ((each.valid_days > 0) | ~each.valid).all()


@settings(max_examples=80, deadline=None)
@given(st.lists(chains(), min_size=1, max_size=3), ANY_POLICY, questions())
def test_each_chain_stands_by_itself(made: list[Chain], policy: RenewalPolicy, put: Question) -> None:
    (together,) = ENGINE.replay(partition_of(made), [policy], put)
    alone = [ENGINE.replay(partition_of([chain]), [policy], put)[0] for chain in made]

    for row, each in enumerate(alone):
        assert same(each, together, rows=slice(row, row + 1))
    assert np.array_equal(sum(each.by_month for each in alone), together.by_month)


@settings(max_examples=80, deadline=None)
@given(partitions(), ANY_POLICY, questions())
def test_neither_names_nor_whom_a_policy_concerns_matter(
    partition: Partition, policy: RenewalPolicy, put: Question
) -> None:
    renamed = policy.model_copy(update={"policy_id": "other", "version": 9, "kinds": None, "holders": None})

    one, other = ENGINE.replay(partition, [policy, renamed], put)
    assert same(one, other)


@settings(max_examples=80, deadline=None)
@given(partitions(), ANY_POLICY, questions())
def test_nobody_has_less_by_coming_back(partition: Partition, policy: RenewalPolicy, put: Question) -> None:
    gone = dataclasses.replace(put, behavior=dataclasses.replace(put.behavior, mode=Mode.LEAVE))
    (left,), (back,) = (ENGINE.replay(partition, [policy], each) for each in (gone, put))

    for name in NUMBERS:
        assert (getattr(left, name) <= getattr(back, name)).all()


@given(chains())
def test_a_drawn_chain_is_one_that_an_engine_may_be_given(chain: Chain) -> None:
    read = chain_of(partition_of([chain]), 0, CLASSES)

    moments = [seconds_of(step.at) for step in read.then]
    assert moments == sorted(moments)
    assert all(at >= chain.issued_at for at in moments)
