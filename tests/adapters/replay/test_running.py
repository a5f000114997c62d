"""Runs over a small bank: the same on any number of processes, true to the domain, and honest about bounds."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_bank import Bank
from benchmarks.what_if_snapshot import write_snapshot
from benchmarks.what_if_truth import IN_FORCE, POLICIES
from sealbook.adapters.replay.contract import Mode, Outcomes
from sealbook.adapters.replay.figures import METRICS
from sealbook.adapters.replay.plan import Asked, CannotReplay
from sealbook.adapters.replay.reference import ReferenceEngine
from sealbook.adapters.replay.replaying import Changed
from sealbook.adapters.replay.report import Report
from sealbook.adapters.replay.running import Run
from sealbook.adapters.replay.snapshot import opened
from sealbook.domain.calendar import Period
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind
from tests.adapters.replay.bank import PRESETS, Life, MemoryBank, bank, spoilt
from tests.adapters.replay.histories import Attempt

ALL = {name: PRESETS[name] for name in ("D", "NV", "G30")}


@cache
def small() -> MemoryBank:
    return bank(customers=24)


def report(histories: MemoryBank, *, processes: int = 1, **asked: object) -> Report:
    question = Asked(**{"policies": ALL, "engine": "reference", **asked})  # type: ignore[arg-type]  # by name in each test
    return Run(histories, question, version="1", processes=processes).report()


@cache
def whole() -> Report:
    return report(small())


def test_the_report_is_the_same_on_any_number_of_processes() -> None:
    assert report(small(), processes=3).written() == whole().written()
    assert (
        report(small(), processes=2, sample=Fraction(1, 2)).written()
        == report(small(), sample=Fraction(1, 2)).written()
    )


@pytest.mark.parametrize("engine", ["csr", "bitmap"])
def test_a_snapshot_of_several_partitions_comes_to_the_same_by_threads_and_by_processes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealbook.adapters.replay.snapshot_writer.CHAINS_A_PARTITION", 40)
    write_snapshot(tmp_path / "s", Bank(chains=200, uses_a_chain=70, seed=3), IN_FORCE)
    snapshot = opened(tmp_path / "s")
    asked = Asked(policies={each.label: each.policy for each in POLICIES}, engine=engine)
    written = set[str]()
    for threads, processes in ((1, 1), (3, 1), (1, 2)):
        monkeypatch.setattr("sealbook.adapters.replay.running.threads_at_most", lambda count=threads: count)
        written.add(Run(snapshot, asked, version="1", processes=processes).report().written())

    assert snapshot.partitions > 4
    assert len(written) == 1


def test_the_partitions_make_no_difference() -> None:
    in_one = replace(small(), customers_a_partition=1000)

    assert report(in_one).written() == whole().written()


def test_more_policies_than_are_replayed_at_once_are_replayed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealbook.adapters.replay.running.POLICIES_AT_ONCE", 2)

    assert report(small()).written() == whole().written()


def outcomes(policy: RenewalPolicy, mode: Mode) -> list[Outcomes]:
    """Return the reference's own word on each partition."""
    run = Run(small(), Asked(policies=ALL, engine="reference"), version="1")
    plan = run.plan()
    return [
        ReferenceEngine().replay(small().read(number, attempts=True, days=False), [policy], plan.question(mode))[0]
        for number in range(small().partitions)
    ]


@pytest.mark.parametrize("label", ALL)
def test_the_totals_are_the_sums_of_what_the_engine_says(label: str) -> None:
    (found,) = (each for each in whole().policies if each.label == label)
    of_modes = {mode: outcomes(ALL[label], mode) for mode in Mode}
    for name in ("renewals", "lapses", "lockouts", "reissues", "valid_days", "exposed_days"):
        by_mode = np.array([np.concatenate([getattr(part, name) for part in of_modes[mode]]) for mode in Mode])
        figure = found.totals[name]
        assert figure.point == by_mode[Mode.AS_FITTED].sum()
        # Each does what he does for himself.
        assert (figure.low, figure.high) == (by_mode.min(axis=0).sum(), by_mode.max(axis=0).sum())


def test_the_months_add_up_to_the_totals() -> None:
    for each in (whole().in_force, *whole().policies):
        for metric in ("renewals", "lapses"):
            assert sum(int(str(month[metric])) for month in each.by_month) == each.totals[metric].point


def test_the_policy_in_force_agrees_with_the_record_and_changes_nobody() -> None:
    check = whole().check
    in_force, asked = whole().in_force, whole().policies[0]

    assert check.agrees
    assert (check.renewals, check.lapses) == (check.renewals_replayed, check.lapses_replayed)
    assert check.renewals > 0
    assert check.lapses > 0
    assert asked.totals == in_force.totals
    assert asked.changed_chains == 0
    assert {figure.low for figure in asked.difference.values()} == {0}
    assert {figure.high for figure in asked.difference.values()} == {0}


def test_a_record_that_differs_is_found() -> None:
    check = report(spoilt(small())).check

    assert not check.agrees
    assert check.differing == 1
    assert check.renewals == check.renewals_replayed + 1


def test_a_record_of_another_month_is_found() -> None:
    lives = small().lives
    at = next(number for number, life in enumerate(lives) if life.renewals)
    late = tuple(each + 40 * 86_400 for each in lives[at].renewals)
    wrong = replace(small(), lives=(*lives[:at], replace(lives[at], renewals=late), *lives[at + 1 :]))

    check = report(wrong).check

    assert not check.months_agree
    assert not check.agrees


def test_the_check_can_be_had_alone() -> None:
    run = Run(small(), Asked(policies=ALL, engine="reference"), version="1")

    assert run.checked() == whole().check


def test_the_bounds_hold_the_point() -> None:
    for each in whole().policies:
        for name in ("lockouts", "reissues", "valid_days", "still_valid"):
            figure = each.totals[name]
            assert figure.point is not None
            assert figure.low <= figure.point <= figure.high, (each.label, name)


def test_who_is_locked_out_at_all_does_not_depend_on_behavior() -> None:
    for each in whole().policies:
        for name in ("chains_locked_out", "customers_locked_out"):
            figure = each.totals[name]
            assert figure.low == figure.point == figure.high
            assert figure.low > 0


@cache
def never_refused() -> MemoryBank:
    """The bank as a file of uses knows it: every attempt was let in, and nothing was recorded."""
    lives: list[Life] = []
    for life in small().lives:
        attempts = tuple(Attempt(at=each.at) for each in life.chain.then if isinstance(each, Attempt))
        lives.append(Life(chain=replace(life.chain, then=attempts)))
    return replace(small(), lives=tuple(lives))


def test_the_policy_in_force_has_bounds_too_where_it_would_have_locked_out() -> None:
    some = PRESETS["D"].model_copy(update={"kinds": frozenset({Kind.MOBILE_OTP})})

    found = report(never_refused(), policies={"all": PRESETS["D"], "some": some})

    assert found.in_force.totals["reissues"].low < found.in_force.totals["reissues"].high
    for each in found.policies:
        assert each.totals == found.in_force.totals
        assert {(figure.low, figure.high) for figure in each.difference.values()} == {(0, 0)}


def test_differences_are_paired_by_behavior() -> None:
    never = whole().policies[1]

    for name in METRICS:
        ours, theirs = never.totals[name], whole().in_force.totals[name]
        assert ours.point is not None
        assert theirs.point is not None
        assert never.difference[name].point == ours.point - theirs.point
        # Under the policy in force nobody's behavior is supposed: its bounds are one number.
        assert (never.difference[name].low, never.difference[name].high) == (
            ours.low - theirs.low,
            ours.high - theirs.high,
        )


def test_whom_a_policy_does_not_concern_stays_under_his_own() -> None:
    some = PRESETS["NV"].model_copy(
        update={"kinds": frozenset({Kind.MOBILE_OTP}), "holders": frozenset({HolderKind.CORPORATE})}
    )
    (found,) = report(small(), policies={"some": some}).policies

    concerned = [life for life in small().lives if life.chain.kind == 0 and life.chain.holder == 1]
    alone = report(replace(small(), lives=tuple(concerned)), policies={"all": PRESETS["NV"]}, seed=0)
    in_force = whole().in_force
    assert found.by["kind"]["kb_mobile_certificate"] == in_force.by["kind"]["kb_mobile_certificate"]
    for name in ("renewals", "lapses", "valid_days"):
        # Leaving: what is fitted differs between the whole bank and a part of it.
        assert found.difference[name].high - found.difference[name].low >= 0
    rest = report(replace(small(), lives=tuple(life for life in small().lives if life not in concerned)))
    for name in ("lockouts", "valid_days", "reissues"):
        assert found.totals[name].low == alone.policies[0].totals[name].low + rest.in_force.totals[name].low
        assert found.totals[name].high == alone.policies[0].totals[name].high + rest.in_force.totals[name].high
    months = [int(str(month["renewals"])) for month in found.by_month]
    assert sum(months) == found.totals["renewals"].point


def test_truncated_and_undecided_stand_apart() -> None:
    never = whole().policies[1]

    assert never.censored == never.totals["still_valid"].point
    assert 0 < never.truncated["valid_days"] < never.totals["valid_days"].shown


def test_a_reissue_costs_what_its_kind_costs() -> None:
    (found,) = report(small(), policies={"NV": PRESETS["NV"]}, fees={"mobile_otp": 700}).policies

    otp = found.by["kind"]["mobile_otp"]
    assert otp["cost"] == 700 * otp["reissues"] > 0
    assert found.by["kind"]["kb_mobile_certificate"]["cost"] == 0
    assert found.totals["cost"].point == otp["cost"]


def test_nobody_locked_out_in_fact_leaves_bounds_alone() -> None:
    calm = replace(small(), lives=tuple(life for life in small().lives if not life.lapses))

    found = report(calm)

    assert found.fitted is None
    assert {figure.point for each in found.policies for figure in each.totals.values()} == {None}
    never = found.policies[1].totals["reissues"]
    assert 0 == never.low < never.high


@pytest.mark.parametrize("at_once", [250, 2])
def test_who_changes_is_named(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr("sealbook.adapters.replay.running.POLICIES_AT_ONCE", at_once)
    told: list[tuple[int, str, int]] = []

    def named(changed: Sequence[Changed], names: Sequence[str]) -> None:
        told.extend(
            (each.policy, names[int(row)], int(customer))
            for each in changed
            for row, customer in zip(each.rows, each.customer, strict=True)
        )

    Run(small(), Asked(policies=ALL, engine="reference"), version="1").report(named=named)

    customers = {f"C{life.chain.key}": life.chain.customer for life in small().lives}
    for number, each in enumerate(whole().policies):
        mine = {(name, customer) for policy, name, customer in told if policy == number}
        assert len(mine) == each.changed_chains
        assert mine <= customers.items()


# --- Samples


def test_a_sample_says_what_it_leaves_open() -> None:
    found = report(small(), sample=Fraction(1, 2), seed=1)

    assert found.made_of["replayed"] != {"chains": small().chains, "customers": small().customers}
    for each in found.policies:
        for name in ("valid_days", "still_valid"):
            figure = each.totals[name]
            assert figure.interval is not None
            assert figure.point is not None
            assert figure.interval[0] <= figure.point <= figure.interval[1]
    assert found.policies[0].difference["renewals"].interval == (0, 0)
    assert {each.interval for each in whole().policies[0].totals.values()} == {None}


def test_the_whole_bank_as_a_sample_is_the_whole_bank() -> None:
    found = report(small(), sample=Fraction(1))

    for mine, theirs in zip(found.policies, whole().policies, strict=True):
        for name in METRICS:
            figure = mine.totals[name]
            assert replace(figure, interval=None) == theirs.totals[name]
        assert mine.by == theirs.by


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    # A policy that is never renewed has no chance in it but the sample's.
    policies = {"NV": PRESETS["NV"]}
    truth = report(small(), policies=policies).policies[0].totals["valid_days"].shown
    held = list[bool]()
    for seed in range(20):
        figure = report(small(), policies=policies, sample=Fraction(1, 2), seed=seed).policies[0].totals["valid_days"]
        assert figure.interval is not None
        held.append(figure.interval[0] <= truth <= figure.interval[1])

    assert np.mean(held) >= 0.8


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(CannotReplay, match="holds no customer"):
        report(small(), sample=Fraction(1, 10**6))


# --- What cannot be


def test_an_engine_that_cannot_names_the_policy_and_its_field() -> None:
    keeps = PRESETS["D"].model_copy(update={"reissue_validity": "keep"})

    with pytest.raises(CannotReplay, match="policy D@1: the reference engine does not replay its reissue_validity"):
        report(small(), policies={"D": keeps})


def test_a_bank_without_chains_comes_to_nothing() -> None:
    found = report(replace(small(), lives=()))

    assert found.check.chains == 0
    assert {figure.high for each in found.policies for figure in each.totals.values()} == {0}


def test_whom_only_the_record_lost_widens_the_bounds_and_not_the_point() -> None:
    longer = ALL["D"].model_copy(update={"validity": Period.parse("P3Y")})
    (found,) = report(small(), policies={"longer": longer}).policies
    figure = found.totals["renewals"]

    assert found.unseen_chains > 0
    assert figure.low == figure.point
    assert figure.high >= figure.shown + found.unseen_chains
    assert found.difference["renewals"].high == figure.high - whole().in_force.totals["renewals"].shown
    assert whole().in_force.unseen_chains == 0


@pytest.mark.parametrize("seed", [3, 4])
def test_the_point_lies_within_the_bounds_where_a_late_return_moves_what_follows(seed: int) -> None:
    stricter = {
        eligible: ALL["D"].model_copy(
            update={
                "validity": Period.parse("P3M"),
                "eligible_after": Period.parse(eligible),
                "grace": Period.parse("P30D"),
            }
        )
        for eligible in ("P1M", "P3M")
    }
    for each in report(bank(customers=12, seed=seed), policies=stricter, engine="csr").policies:
        for figure in (*each.totals.values(), *each.difference.values()):
            assert figure.low <= figure.shown <= figure.high
