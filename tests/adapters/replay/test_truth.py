"""A replay of a log against the truth: a made-up bank in which it is known what each policy would have led to."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.synthetic_bank import Bank
from benchmarks.what_if_lives import log_of
from benchmarks.what_if_truth import IN_FORCE, METRICS, POLICIES, Judged, judged, question
from sealbook.adapters.replay.contract import Behavior, Mode, Uses
from sealbook.adapters.replay.csr import CsrEngine

BANK = Bank(chains=20_000, uses_a_chain=70, seed=1)
SMALL = replace(BANK, chains=2_000)
LABELS = [terms.label for terms in POLICIES]
KINDER = ["36/12", "24/6", "24/12 + 90 days"]
"""Policies kinder than the one in force: they would have kept some of those whom it lost."""


@pytest.fixture(scope="module")
def found() -> dict[str, Judged]:
    return {each.label: each for each in judged(BANK)}


@pytest.mark.parametrize("metric", METRICS)
def test_the_policy_in_force_is_replayed_as_it_was_whatever_people_might_have_done(
    found: dict[str, Judged], metric: str
) -> None:
    in_force = found[IN_FORCE.label]
    said = in_force.said[metric]

    assert said.low == said.point == said.high == in_force.truth[metric]
    assert in_force.truth["lockouts"] > BANK.chains // 20


def test_each_chain_under_the_policy_in_force_is_as_it_was_recorded() -> None:
    for lives in SMALL.partitions():
        log, recorded = log_of(lives, IN_FORCE)
        (outcomes,) = CsrEngine().replay(log, [IN_FORCE.policy], question(Behavior(mode=Mode.LEAVE)))

        assert outcomes.renewals.tolist() == counts(recorded.renewals)
        assert outcomes.lapses.tolist() == counts(recorded.lapses)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("metric", METRICS)
def test_the_truth_lies_within_the_bounds(found: dict[str, Judged], label: str, metric: str) -> None:
    said, truth = found[label].said[metric], found[label].truth[metric]

    assert said.low <= truth <= said.high


@pytest.mark.parametrize("label", LABELS)
def test_lock_outs_are_told_to_within_two_in_a_hundred(found: dict[str, Judged], label: str) -> None:
    said, truth = found[label].said, found[label].truth

    assert said["lockouts"].point == pytest.approx(truth["lockouts"], rel=0.02)
    assert said["renewals"].point == pytest.approx(truth["renewals"], rel=0.02)


@pytest.mark.parametrize("label", KINDER)
def test_bounds_hold_uses_that_a_lost_customer_never_made(found: dict[str, Judged], label: str) -> None:
    said, truth = found[label].said["renewals"], found[label].truth["renewals"]

    assert said.shown < truth <= said.high


@pytest.mark.parametrize("label", LABELS)
def test_bounds_are_near_enough_to_say_something(found: dict[str, Judged], label: str) -> None:
    said = found[label].said["renewals"]

    assert said.high - said.low < said.shown // 5


def counts(uses: Uses) -> list[int]:
    listed: list[int] = np.diff(uses.begin).tolist()
    return listed
