"""The compiled engines come to what the domain's own code comes to, on any history, under any policy."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealbook.adapters.replay.bitmap import BitmapEngine
from sealbook.adapters.replay.choosing import auto
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
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.adapters.replay.moments import DAY_SECONDS, SEOUL
from sealbook.adapters.replay.reference import ReferenceEngine
from sealbook.adapters.replay.selecting import PER_CHAIN, picked, taken
from sealbook.domain.policy_document import RenewalPolicy
from tests.adapters.replay.histories import (
    CLASSES,
    Attempt,
    Chain,
    Fact,
    partition_of,
    partitions,
    policies,
    questions,
)

REFERENCE = ReferenceEngine(classes=CLASSES)
CSR = CsrEngine(classes=CLASSES)
BITMAP = BitmapEngine(classes=CLASSES)
ABLE = {"zone": SEOUL, "reissue_validity": "fresh"}
BY_DAYS = ABLE | {
    "calendar": "end_of_day",
    "min_uses": 1,
    "channels": ["app", "web"],
    "purposes": None,
    "usage_since": "eligible",
}
drawn = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def policy(**fields: object) -> RenewalPolicy:
    return RenewalPolicy.model_validate(
        {"policy_id": "P", "validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y"} | fields
    )


def question(*, mode: Mode = Mode.LEAVE, until: int = 9_000 * DAY_SECONDS, **behavior: Any) -> Question:
    return Question(
        policies=(),
        until=until,
        exposed_after_days=30,
        behavior=Behavior(mode=mode, **behavior),
        first_month=200,
        months=120,
    )


def assert_same(one: Sequence[Outcomes], other: Sequence[Outcomes]) -> None:
    assert len(one) == len(other)
    for number, (left, right) in enumerate(zip(one, other, strict=True)):
        for each in dataclasses.fields(Outcomes):
            np.testing.assert_array_equal(
                getattr(left, each.name), getattr(right, each.name), f"policy {number}: {each.name}"
            )


@drawn
@given(partitions(), st.lists(policies(**ABLE), min_size=1, max_size=3), questions(named=policies(**ABLE)))
def test_attempts_come_to_what_the_domain_comes_to(
    partition: Partition, asked: list[RenewalPolicy], of: Question
) -> None:
    assert_same(CSR.replay(partition, asked, of), REFERENCE.replay(partition, asked, of))


@drawn
@given(
    partitions(facts=()) | partitions(),
    st.lists(policies(**BY_DAYS), min_size=1, max_size=3),
    questions(named=policies(**ABLE)),
    st.data(),
)
def test_days_come_to_what_the_domain_comes_to(
    partition: Partition, asked: list[RenewalPolicy], of: Question, data: st.DataObject
) -> None:
    assert partition.accepted is not None
    assert partition.refused is not None
    attempts = [*partition.accepted.at.tolist(), *partition.refused.at.tolist()]
    if data.draw(st.booleans(), "a question that ends among the attempts") and attempts:
        until = data.draw(st.sampled_from(attempts)) + data.draw(st.sampled_from([-1, 0, 1, 3_600]))
        of = dataclasses.replace(of, until=until)
    of = dataclasses.replace(of, exposed_after_days=data.draw(st.sampled_from([0, 30, 61, 62, 63, 64, 180])))
    expected = REFERENCE.replay(partition, asked, of)
    assert_same(BITMAP.replay(partition, asked, of), expected)
    assert_same(BITMAP.replay(dataclasses.replace(partition, days=None), asked, of), expected)


@drawn
@given(
    partitions(), st.lists(policies(**BY_DAYS), min_size=1, max_size=3), questions(named=policies(**ABLE)), st.data()
)
def test_what_is_not_chosen_is_not_replayed_and_all_else_is_as_it_was(
    partition: Partition, asked: list[RenewalPolicy], of: Question, data: st.DataObject
) -> None:
    n = partition.chains
    flags = data.draw(
        st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=len(asked), max_size=len(asked))
    )
    only = np.array(flags, np.bool_).reshape(len(asked), n)
    expected = [
        REFERENCE.replay(taken(partition, np.flatnonzero(mine)), [each], of)[0]
        for mine, each in zip(only, asked, strict=True)
    ]
    for engine in (REFERENCE, CSR, BITMAP):
        found = engine.replay(partition, asked, of, only)
        assert_same([picked(each, np.flatnonzero(mine)) for each, mine in zip(found, only, strict=True)], expected)
        for each, mine in zip(found, only, strict=True):
            assert not any(getattr(picked(each, np.flatnonzero(~mine)), name).any() for name in PER_CHAIN)


@pytest.mark.parametrize("exposed_after_days", [60, 61, 62, 63])
@pytest.mark.parametrize("apart_days", [62, 63, 64, 65])
def test_no_day_without_a_use_is_overlooked_within_a_word_or_between_two(
    exposed_after_days: int, apart_days: int
) -> None:
    for shift in (0, 1, 40):
        begin = 7_000 + shift
        uses = tuple(Attempt(at=day * DAY_SECONDS) for day in (7_000, begin, begin + apart_days))
        partition = partition_of([Chain(issued_at=7_000 * DAY_SECONDS, then=uses)])
        asked = [policy(channels=["app", "web"])]
        of = dataclasses.replace(
            question(until=(begin + apart_days) * DAY_SECONDS), exposed_after_days=exposed_after_days
        )
        (found,) = BITMAP.replay(partition, asked, of)
        assert found.exposed_days[0] == max(0, apart_days - 1 - exposed_after_days)


@pytest.mark.parametrize(
    ("until_hour", "lockouts", "reissues"), [(7, 0, 0), (8, 1, 0), (9, 1, 1), (11, 1, 1), (40, 1, 1)]
)
def test_of_the_day_that_the_question_cuts_in_two_only_the_first_part_counts(
    until_hour: int, lockouts: int, reissues: int
) -> None:
    day = 8_000 * DAY_SECONDS
    then = tuple(Attempt(at=day + hour * 3_600, accepted=hour != 8) for hour in (8, 9, 10))
    partition = partition_of([Chain(issued_at=day - 800 * DAY_SECONDS, then=then)])
    of = question(mode=Mode.RETURN, until=day + until_hour * 3_600)
    for each in (partition, dataclasses.replace(partition, days=None)):
        (found,) = BITMAP.replay(each, [policy(channels=["app", "web"])], of)
        assert (found.lockouts[0], found.reissues[0]) == (lockouts, reissues)


@drawn
@given(partitions(facts=(), chains_max=1), policies(**BY_DAYS), questions())
def test_days_alone_tell_as_much_as_the_attempts(partition: Partition, asked: RenewalPolicy, of: Question) -> None:
    assert partition.accepted is not None
    assert partition.refused is not None
    # A day on which an attempt was refused tells nothing of a later one, and the end of the question cuts no day.
    plain = dataclasses.replace(partition.refused, begin=partition.refused.begin * 0, at=partition.refused.at[:0])
    until = of.until // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS - 1
    mode = Mode.RETURN if of.behavior.mode is Mode.RETURN else Mode.LEAVE
    of = dataclasses.replace(of, until=until, policies=(), behavior=Behavior(mode=mode))
    partition = dataclasses.replace(partition, refused=dataclasses.replace(plain, use_class=None))
    days = partition.days
    assert days is not None
    of_accepted = _days_of(partition, days.first_day, days.attempted.shape[1])
    days = dataclasses.replace(days, attempted=of_accepted, refused=np.zeros_like(of_accepted))
    alone = dataclasses.replace(partition, accepted=None, refused=None, days=days)
    assert_same(BITMAP.replay(alone, [asked], of), CSR.replay(partition, [asked], of))


def _days_of(partition: Partition, first_day: int, words: int) -> Any:
    assert partition.accepted is not None
    bits = np.zeros((partition.chains, words), np.uint64)
    for at in partition.accepted.at.tolist():
        day = at // DAY_SECONDS - first_day
        bits[0, day // 64] |= np.uint64(1 << day % 64)
    return bits


@pytest.mark.parametrize("engine", [CsrEngine, BitmapEngine])
def test_any_number_of_threads_comes_to_the_same(engine: type[CsrEngine] | type[BitmapEngine]) -> None:
    random = np.random.default_rng(7)
    chains: list[Chain] = []
    for number in range(300):
        issued_at = int(random.integers(7_000, 7_400)) * DAY_SECONDS
        moments = np.sort(issued_at + random.integers(0, 1_600 * DAY_SECONDS, random.integers(0, 20))).tolist()
        then: list[Attempt | Fact] = [Attempt(at=at) for at in moments]
        if number % 5 == 0 and moments:
            then.append(Fact(at=moments[-1] + 5, kind=FactKind.REISSUED))
        chains.append(Chain(issued_at=issued_at, then=tuple(then), key=number))
    asked = [policy(), policy(validity="P1Y", eligible_after="P3M"), policy(grace="P60D")]
    of = question(mode=Mode.AS_FITTED, returning=2**31, delays_seconds=(3_600, 5 * DAY_SECONDS))
    one = engine().replay(partition_of(chains), asked, of)
    assert sum(outcomes.reissues.sum() for outcomes in one) > 0
    for threads in (2, 3, 7):
        assert_same(engine(threads=threads).replay(partition_of(chains), asked, of), one)


@pytest.mark.parametrize(
    ("fields", "csr", "bitmap"),
    [
        ({}, None, None),
        ({"zone": "UTC"}, "zone", "zone"),
        ({"reissue_validity": "keep"}, "reissue_validity", "reissue_validity"),
        ({"calendar": "civil_kr"}, None, "calendar"),
        ({"min_uses": 2}, None, "min_uses"),
        ({"renew_on": "expiry", "usage_since": "period"}, None, "usage_since"),
        ({"channels": ["app"]}, None, "channels"),
        ({"channels": ["app", "web"], "purposes": ["login"]}, None, "purposes"),
    ],
)
def test_what_an_engine_cannot_do_is_named(fields: dict[str, object], csr: str | None, bitmap: str | None) -> None:
    document = policy(**({"channels": ["app", "web"]} | fields))
    assert CSR.refuses(document) == csr
    assert BITMAP.refuses(document) == bitmap
    for engine, field in ((CSR, csr), (BITMAP, bitmap)):
        if field is not None:
            with pytest.raises(ValueError, match=f"the {engine.name} engine cannot do this in a policy: {field}"):
                engine.replay(partition_of([]), [document], question())


def test_a_switch_to_a_policy_of_another_zone_is_refused() -> None:
    of = dataclasses.replace(question(), policies=(policy(zone="UTC"),))
    with pytest.raises(ValueError, match="which a switch names: this engine cannot do its zone"):
        CSR.replay(partition_of([]), [policy()], of)


@pytest.mark.parametrize("engine", [CSR, BITMAP])
def test_missing_attempts_are_asked_for(engine: Engine) -> None:
    chain = Chain(issued_at=0, then=(Fact(at=5, kind=FactKind.REVOKED),))
    with pytest.raises(ValueError, match="read without its attempts"):
        engine.replay(partition_of([chain], attempts=False), [policy(channels=["app", "web"])], question())


def test_a_class_without_a_meaning_is_refused() -> None:
    chain = Chain(issued_at=0, then=(Attempt(at=5, use_class=3),))
    with pytest.raises(ValueError, match="a use has class 3"):
        CsrEngine(classes=UseClasses()).replay(partition_of([chain]), [policy()], question())


def test_the_fastest_engine_that_can_is_chosen_for_each_policy() -> None:
    plain, civil, foreign = policy(), policy(calendar="civil_kr"), policy(zone="UTC")
    reference = ReferenceEngine(classes=UseClasses())
    chosen = auto([plain, civil, foreign], classes=UseClasses(), reference=reference)
    assert [engine.name for engine in chosen] == ["bitmap", "csr", reference.name]
    with pytest.raises(ValueError, match="no engine can do this in policy"):
        auto([foreign], classes=UseClasses())


def test_every_bit_of_a_word_is_found() -> None:
    # In a process of its own: wrong machine code ends the interpreter.
    script = (
        "import numba\n"
        "import numpy as np\n"
        "from sealbook.adapters.replay.kernel_days import _next\n"
        "found = numba.njit(_next)\n"
        "words = np.zeros((1, 3), np.uint64)\n"
        "for day in range(192):\n"
        "    words[:] = 0\n"
        "    words[0, day // 64] = np.uint64(1 << day % 64)\n"
        "    assert found(words, 0, 100, 100, 999) == 100 + day\n"
        "    assert found(words, 0, 100, 100 + day, 100 + day) == 100 + day\n"
        "    assert found(words, 0, 100, 101 + day, 999) > 999\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ, timeout=120)


def test_a_renewal_of_what_does_not_end_lasts_as_long_as_a_renewal() -> None:
    day, month = DAY_SECONDS, 31 * DAY_SECONDS
    switched = Fact(at=7_000 * day + day // 2, kind=FactKind.SWITCHED)
    asked = Fact(at=7_000 * day + month, kind=FactKind.REQUESTED)
    chains = partition_of([Chain(issued_at=7_000 * day, then=(switched, asked))])
    on_request = {"validity": None, "renewal_validity": "P1M", "renew_on": "request", "request_window": "P18M"}
    asking = dataclasses.replace(question(), policies=(policy(eligible_after=None, **on_request),))

    year = [policy(validity="P1Y")]
    assert_same(CSR.replay(chains, year, asking), REFERENCE.replay(chains, year, asking))
