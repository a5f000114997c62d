"""The report of a run: what was asked of what, the self-check, and what came of each policy, with its bounds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sealbook.adapters.plain import iso, plain
from sealbook.adapters.replay.contract import Mode
from sealbook.adapters.replay.figures import METRICS, Numbers, Partial, month_named, split_groups
from sealbook.adapters.replay.grid import frontier
from sealbook.adapters.replay.plan import Asked, CannotReplay, Histories, Plan
from sealbook.adapters.replay.sampling import interval
from sealbook.adapters.replay.self_check import SelfCheck, self_check

SCHEMA = 1
DETAILED_MAX = 1_000
"""Of a larger sweep, only totals and differences are told."""
IN_FORCE = "in force"
"""What the policies that were in force are called, each for its own chains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and how far it may be off.

    `low` and `high` are what it comes to if each who is locked out does what makes it least and most: leaves, returns
    at once, or does as others did; and whatever those would have done whom only the record lost. `point` is what it
    comes to if all do as those did who were locked out in fact; None if nobody was. `interval` says what
    the sample leaves open, at 95 %: around the point, or else around both bounds; None where all customers were
    replayed.
    """

    low: int
    point: int | None
    high: int
    interval: tuple[int, int] | None

    @property
    def shown(self) -> int:
        """The number to show where there is room for one."""
        return self.low if self.point is None else self.point


Figures = Mapping[str, Figure]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReport:
    """What came of a policy. What is not a Figure is of the behavior as fitted, or of leaving where none was fitted.

    `unseen_chains` would have been kept, and their record ends with a refusal: only the bounds know of them.
    """

    label: str
    digest: str | None
    engine: str | None
    document: object
    totals: Figures
    difference: Figures
    changed_chains: int
    unseen_chains: int
    censored: int
    truncated: Counts
    by: Mapping[str, Mapping[str, Counts]]
    by_month: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run as a whole. Two runs of the same question over the same snapshot come to equal reports."""

    sealbook: str
    made_of: Mapping[str, object]
    asked: Mapping[str, object]
    check: SelfCheck
    fitted: Mapping[str, object] | None
    in_force: PolicyReport
    policies: tuple[PolicyReport, ...]
    frontier: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        check = self.check
        return {
            "schema": SCHEMA,
            "sealbook": self.sealbook,
            "made_of": dict(self.made_of),
            "asked": dict(self.asked),
            "self_check": {
                "chains": check.chains,
                "differing": check.differing,
                "recorded": {"renewals": check.renewals, "lapses": check.lapses},
                "replayed": {"renewals": check.renewals_replayed, "lapses": check.lapses_replayed},
                "months_agree": check.months_agree,
                "agrees": check.agrees,
            },
            "fitted": self.fitted,
            "in_force": asdict(self.in_force),
            "policies": [asdict(each) for each in self.policies],
            "frontier": list(self.frontier),
        }

    def written(self) -> str:
        """Return the report as a file holds it: the same text for equal reports."""
        return json.dumps(plain(self.as_json()), ensure_ascii=False, indent=1) + "\n"


def told(histories: Histories, asked: Asked, plan: Plan, parts: list[Partial], *, version: str) -> Report:
    """Return the report of what the parts of a plan came to, each of some of its policies.

    Raises CannotReplay where a sample holds nobody.
    """
    if histories.chains and not parts[0].chains:
        raise CannotReplay("the sample holds no customer of this snapshot: take a larger one")
    brief = len(plan.policies) > DETAILED_MAX
    found = [_Figured(part, plan, histories.chains, brief=brief) for part in parts]
    labels = list(asked.policies)
    policies = [
        each.policy(row, labels[at + row - 1], document=document, engine=plan.engines[at + row - 1].name)
        for each, at in zip(found, _starts(parts), strict=True)
        for row, document in enumerate(plan.policies[at : at + len(each.partial.changed) - 1], start=1)
    ]
    points = [(each.label, each.totals["lockouts"].shown, each.totals["exposed_days"].shown) for each in policies]
    return Report(
        sealbook=version,
        made_of=_made_of(histories, parts[0]),
        asked=_asked(asked, plan, histories),
        check=self_check(parts[0]),
        fitted=_fitted(plan),
        in_force=found[0].policy(0, IN_FORCE, document=None, engine=None),
        policies=tuple(policies),
        frontier=tuple(frontier(points)),
    )


def _starts(parts: list[Partial]) -> list[int]:
    """Return where the policies of each part begin."""
    sizes = [len(part.changed) - 1 for part in parts]
    return [sum(sizes[:number]) for number in range(len(sizes))]


class _Figured:
    """The figures of a partial sum as people read them; those of a sample stand for all chains."""

    def __init__(self, partial: Partial, plan: Plan, chains: int, *, brief: bool) -> None:
        self.partial = partial
        self._plan = plan
        self._chains = chains
        self._brief = brief

    def policy(self, row: int, label: str, *, document: Any, engine: str | None) -> PolicyReport:  # noqa: ANN401 (a policy, or None)
        partial, plan = self.partial, self._plan
        totals = self._figures(partial.totals[row], partial.resampled[row], partial.beyond[row])
        difference = self._figures(
            partial.totals[row] - partial.totals[0],
            partial.resampled[row] - partial.resampled[0],
            partial.apart[row],
        )
        return PolicyReport(
            label=label,
            digest=None if document is None else document.digest,
            engine=engine,
            document=plain(document),
            totals=totals,
            difference=difference,
            changed_chains=self._scaled(int(partial.changed[row])),
            unseen_chains=self._scaled(int(partial.unseen[row])),
            censored=totals["still_valid"].shown,
            truncated=self._counts(partial.truncated[row]),
            by={}
            if self._brief
            else {name: self._groups(name, numbers) for name, numbers in split_groups(plan.shape, partial.groups[row])},
            by_month=()
            if self._brief
            else tuple(
                {
                    "month": month_named(plan.shape.first_month + number),
                    "renewals": self._scaled(int(renewals)),
                    "lapses": self._scaled(int(lapses)),
                }
                for number, (renewals, lapses) in enumerate(partial.by_month[row])
            ),
        )

    def _figures(self, totals: Numbers, resampled: Numbers, beyond: Numbers) -> dict[str, Figure]:
        return {
            name: self._figure(int(totals[number]), resampled[:, number], beyond[:, number])
            for number, name in enumerate(METRICS)
        }

    def _figure(self, total: int, resampled: Numbers, beyond: Numbers) -> Figure:
        point = None if self._plan.fitted is None else self._scaled(total)
        within: tuple[int, int] | None = None
        if resampled.shape[1]:
            modes = (Mode.LEAVE, Mode.RETURN) if point is None else (Mode.AS_FITTED,)
            ends = [interval(self._resampled(resampled[mode])) for mode in modes]
            within = min(low for low, _ in ends), max(high for _, high in ends)
        low, high = (self._scaled(total + int(each)) for each in beyond)
        return Figure(low=low, point=point, high=high, interval=within)

    def _resampled(self, sums: Numbers) -> Any:  # noqa: ANN401 (an array of whole numbers)
        # Each resample stands for all chains by its own size: that leaves less to chance.
        sizes = self.partial.chains_resampled
        return np.array(
            [_rounded(int(each) * self._chains, max(int(size), 1)) for each, size in zip(sums, sizes, strict=True)]
        )

    def _groups(self, grouping: str, numbers: Numbers) -> dict[str, Counts]:
        names = self._names(grouping)
        # Every chain was valid on a day at least: a group without a number has no chains.
        return {name: self._counts(numbers[:, at]) for at, name in enumerate(names) if numbers[:, at].any()}

    def _names(self, grouping: str) -> tuple[str, ...]:
        plan = self._plan
        if grouping == "cohort":
            return tuple(month_named(plan.shape.first_month + number) for number in range(plan.shape.months))
        return {"kind": plan.kinds, "holder": plan.holders, "channel": plan.channels}[grouping]

    def _counts(self, numbers: Numbers) -> Counts:
        return {name: self._scaled(int(each)) for name, each in zip(METRICS, numbers, strict=True)}

    def _scaled(self, number: int) -> int:
        sampled = int(self.partial.chains)
        return number if self._plan.share is None or not sampled else _rounded(number * self._chains, sampled)


def _rounded(above: int, below: int) -> int:
    return (2 * above + below) // (2 * below)


def _made_of(histories: Histories, partial: Partial) -> dict[str, object]:
    return {
        "snapshot": histories.digest,
        "position": histories.position,
        "as_of": iso(histories.as_of),
        "chains": histories.chains,
        "customers": histories.customers,
        "attempts": histories.attempts,
        "truncated": histories.truncated,
        "replayed": {"chains": int(partial.chains), "customers": int(partial.customers)},
    }


def _asked(asked: Asked, plan: Plan, histories: Histories) -> dict[str, object]:
    return {
        "policies": [plain(each) for each in asked.policies.values()],
        "in_force": asked.in_force,
        "sample": None if asked.sample is None else float(asked.sample),
        "seed": asked.seed,
        "exposed_after_days": asked.exposed_after_days,
        "engine": asked.engine,
        "fees": None if asked.fees is None else dict(asked.fees),
        "until": iso(histories.as_of),
        "bootstrap": plan.shape.resamples,
    }


def _fitted(plan: Plan) -> dict[str, object] | None:
    fit = plan.fitted
    if fit is None:
        return None
    return {
        "refused": fit.refused,
        "returned": fit.returned,
        "undecided": fit.undecided,
        "returning": fit.share,
        "median_delay_days": fit.median_delay_days,
    }
