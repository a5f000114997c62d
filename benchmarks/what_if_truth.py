"""A bank whose truth is known: what a run over its log says of other policies, beside what would have happened.

The log is that of the policy in force. What people would have done after it lost them is in no log: the bounds hold as
much of it as there can have been.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.synthetic_bank import FIRST_DAY, LAST_DAY, UNTIL, Bank
from benchmarks.what_if_lives import Terms, lived
from benchmarks.what_if_snapshot import write_snapshot
from sealbook.adapters.replay.contract import Behavior, Question
from sealbook.adapters.replay.plan import Asked
from sealbook.adapters.replay.report import Figure
from sealbook.adapters.replay.running import Run
from sealbook.adapters.replay.snapshot import opened

IN_FORCE = Terms(validity_months=24, eligible_months=12)
POLICIES = (
    IN_FORCE,
    Terms(validity_months=12, eligible_months=6),
    Terms(validity_months=36, eligible_months=12),
    Terms(validity_months=24, eligible_months=6),
    Terms(validity_months=24, eligible_months=18),
    Terms(validity_months=24, eligible_months=12, grace_days=90),
)
METRICS = ("renewals", "lockouts", "chains_locked_out", "reissues")
DAYS_A_MONTH_MIN = 28
Totals = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is true of a policy and what a run says of it."""

    label: str
    truth: Totals
    said: Mapping[str, Figure]


def judged(bank: Bank, policies: Sequence[Terms] = POLICIES) -> list[Judged]:
    """Let a bank live under each policy, and ask its log under the first about all of them."""
    asked = Asked(policies={each.label: each.policy for each in policies}, engine="csr")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bank.parquet"
        write_snapshot(path, bank, policies[0])
        report = Run(opened(path), asked, version="").report()
    lives = list(bank.partitions())
    return [
        Judged(label=terms.label, truth=_sum(lived(each, terms).totals for each in lives), said=told.totals)
        for terms, told in zip(policies, report.policies, strict=True)
    ]


def question(behavior: Behavior) -> Question:
    """Ask of the whole life of the bank."""
    return Question(
        policies=(IN_FORCE.policy,),
        until=UNTIL,
        exposed_after_days=180,
        behavior=behavior,
        first_month=(FIRST_DAY * 12) // 365,
        months=(LAST_DAY - FIRST_DAY) // DAYS_A_MONTH_MIN,
    )


def _sum(totals: Iterable[Totals]) -> Totals:
    held = list(totals)
    return {metric: sum(each[metric] for each in held) for metric in METRICS}
