"""Those whom the policy in force lost, and another would have kept: what they would have done then is in no record.

Their record ends with refused attempts. Where a policy accepts the first of these, anything may have come after it: as
little as if there had been no other attempt, or as much as there was time for. Figures are bounded by both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import (
    NEVER,
    Codes,
    Engine,
    FactKind,
    Outcomes,
    Partition,
    Places,
    Question,
    Uses,
)
from sealbook.adapters.replay.figures import METRICS, Ground, Numbers, columns
from sealbook.adapters.replay.moments import DAY_SECONDS
from sealbook.adapters.replay.selecting import Rows, taken
from sealbook.domain.calendar import DAYS_IN_EVERY_MONTH, NO_TIME, Period
from sealbook.domain.policy_document import RenewalPolicy

DAYS_IN_A_MONTH_MAX = 31
FAR_DAYS = 2**30
"""Longer than any record: so far apart are things that do not happen twice."""
_HELD = (FactKind.SUSPENDED, FactKind.REVOKED)
"""Who is refused after one of these is not refused because of a lapse."""

Named = dict[str, Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """How many lost chains a policy would have kept, and how much lower and higher that lets figures be, (2, metrics).

    That is beyond what they come to where all return.
    """

    chains: int
    beyond: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The chains of a partition whose record ends with refused attempts, and how long before the end these begin.

    `as_it_was` has all their attempts. `refused` and `accepted` end with the first of those at the end: refused as it
    was, or accepted.
    """

    rows: Rows
    left_days: Numbers
    as_it_was: Partition
    refused: Partition
    accepted: Partition

    def under(
        self, engine: Engine, policies: Sequence[RenewalPolicy], question: Question, ground: Ground
    ) -> list[Unseen]:
        """Return by policy what nobody saw. The question is of people who all return; `rows` are rows of the ground."""
        if not len(self.rows):
            return [Unseen(chains=0, beyond=np.zeros((2, len(METRICS)), np.int64)) for _ in policies]
        replays = [engine.replay(log, policies, question) for log in (self.as_it_was, self.refused, self.accepted)]
        switched = (self.as_it_was.facts.kind == FactKind.SWITCHED).any()
        paces = [_Pace.of((policy, *question.policies) if switched else (policy,)) for policy in policies]
        return [
            self._unseen(*each, pace=pace, exposed_after_days=question.exposed_after_days, ground=ground)
            for pace, *each in zip(paces, *replays, strict=True)
        ]

    def _unseen(
        self,
        as_it_was: Outcomes,
        refused: Outcomes,
        accepted: Outcomes,
        *,
        pace: "_Pace",
        exposed_after_days: int,
        ground: Ground,
    ) -> Unseen:
        # Who is locked out returns only where the attempt was accepted in fact: so the two differ by a reissue where
        # the policy does not accept it, and only there.
        kept = np.flatnonzero(refused.reissues == accepted.reissues)
        seen, known = (columns(ground, each, self.rows)[:, kept] for each in (as_it_was, accepted))
        least, most = _bounds(
            known=dict(zip(METRICS, known, strict=True)),
            seen=dict(zip(METRICS, seen, strict=True)),
            fees=ground.fees[self.rows[kept]],
            left_days=self.left_days[kept],
            unused_days=np.maximum(0, self.left_days[kept] - exposed_after_days),
            pace=pace,
        )
        less, more = (np.array([each[name] for name in METRICS], np.int64) - seen for each in (least, most))
        beyond = np.stack([np.minimum(less, 0).sum(axis=1), np.maximum(more, 0).sum(axis=1)])
        return Unseen(chains=len(kept), beyond=beyond)


def lost(partition: Partition, *, until: int) -> Lost:
    """Return the chains that the record lost. Raises ValueError for a partition without attempts."""
    accepted, refused, facts = partition.accepted, partition.refused, partition.facts
    if accepted is None or refused is None:
        raise ValueError("the attempts were not read")
    chain = np.repeat(np.arange(partition.chains), np.diff(refused.begin))
    known = np.maximum(_last(accepted.begin, accepted.at), _last(facts.begin, facts.at))
    after = (refused.at > known[chain]) & (refused.at <= until) & ~np.isin(_last(facts.begin, facts.kind), _HELD)[chain]
    rows, place = np.unique(chain[after], return_index=True)
    first = np.flatnonzero(after)[place]
    of_first = np.zeros(len(after), np.bool_)
    of_first[first] = True
    # The days of use are those of all attempts: engines find them anew.
    log = replace(partition, days=None)
    ended = taken(replace(log, refused=_chosen(refused, ~after)), rows)
    return Lost(
        rows=rows,
        left_days=until // DAY_SECONDS - refused.at[first].astype(np.int64) // DAY_SECONDS,
        as_it_was=taken(log, rows),
        refused=taken(replace(log, refused=_chosen(refused, ~after | of_first)), rows),
        accepted=replace(ended, accepted=_with_one_more(ended.accepted, refused, first)),
    )


def _last(begin: Places, values: NDArray[Any]) -> Numbers:
    """Return the last value of each chain, one that is less than any without one."""
    held = np.append(values.astype(np.int64), [-NEVER])
    return np.where(np.diff(begin) > 0, held[begin[1:] - 1], -NEVER)


def _chosen(uses: Uses, chosen: NDArray[np.bool_]) -> Uses:
    begin = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen, dtype=np.int64)])[uses.begin]
    return Uses(begin=begin, at=uses.at[chosen], use_class=None if uses.use_class is None else uses.use_class[chosen])


def _with_one_more(uses: Uses | None, others: Uses, number: Places) -> Uses | None:
    """Return the uses with one more at the end of each chain: the others of these numbers."""
    if uses is None:
        return None
    ends = uses.begin[1:]
    return Uses(
        begin=uses.begin + np.arange(len(uses.begin)),
        at=np.insert(uses.at, ends, others.at[number]),
        use_class=None
        if uses.use_class is None and others.use_class is None
        else np.insert(_classes(uses), ends, _classes(others)[number]),
    )


def _classes(uses: Uses) -> Codes:
    return np.zeros(len(uses.at), np.uint8) if uses.use_class is None else uses.use_class


# --- What may have come of them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """How many days lie at least between two renewals and between two lapses; whether a renewal may shorten."""

    renewal_days: int
    lapse_days: int
    shortens: bool

    @classmethod
    def of(cls, policies: Sequence[RenewalPolicy]) -> "_Pace":
        """Return that of chains that each of the policies may govern."""
        lengths = {length for each in policies for length in (each.validity, each.validity_of_renewal)}
        return cls(
            renewal_days=min(map(_renewal_days, policies)),
            lapse_days=min(map(_days, lengths)),
            shortens=len(lengths) > 1,
        )


def _renewal_days(policy: RenewalPolicy) -> int:
    validity = min(_days(policy.validity), _days(policy.validity_of_renewal))
    match policy.renew_on:
        case "use":
            return min(validity, _days(policy.eligible_after))
        case "expiry":
            return validity
        case "request":
            window = policy.request_window or NO_TIME
            return max(1, validity - window.months * DAYS_IN_A_MONTH_MAX - window.days)
        case "never":
            return FAR_DAYS
        case _:
            assert_never(policy.renew_on)


def _days(period: Period | None) -> int:
    """Return how many days a period has at least; of no time, one: more than one renewal a day is not thought of."""
    return FAR_DAYS if period is None else max(1, period.months * DAYS_IN_EVERY_MONTH + period.days)


def _times(left_days: Numbers, apart_days: int) -> Numbers:
    """Return how often something may happen."""
    return np.zeros_like(left_days) if apart_days >= FAR_DAYS else 1 + left_days // apart_days


def _bounds(
    *, known: Named, seen: Named, fees: Numbers, left_days: Numbers, unused_days: Numbers, pace: _Pace
) -> tuple[Named, Named]:
    """Return how little and how much may have come of chains of which it is known what came of them without a use."""
    lapsed, shortened_days = 1 - known["still_valid"], left_days * pace.shortens
    # What is valid to the end without a use does not lapse with some, unless a renewal shortens it.
    lapses = np.where((lapsed == 0) & (not pace.shortens), 0, _times(left_days, pace.lapse_days))
    locked = np.minimum(lapses, 1)
    less: Named = {
        "lapses": lapsed,
        # A customer counts once for all of his chains. What was seen of this one may not have been.
        "customers_locked_out": np.maximum(0, seen["chains_locked_out"] - known["chains_locked_out"]),
        "valid_days": np.minimum(known["valid_days"], shortened_days),
        "exposed_days": np.minimum(known["exposed_days"], unused_days),
        "still_valid": np.minimum(known["still_valid"], shortened_days),
    }
    more: Named = {
        "renewals": _times(left_days, pace.renewal_days),
        "lapses": lapses - lapsed,
        "lockouts": lapses,
        "chains_locked_out": np.maximum(0, locked - known["chains_locked_out"]),
        "customers_locked_out": np.maximum(0, locked - seen["chains_locked_out"]),
        "reissues": lapses,
        "cost": lapses * fees,
        "valid_days": np.where(lapses > 0, left_days + lapses, 0),
        "exposed_days": unused_days,
        "still_valid": lapsed,
    }
    least = {name: number - less.get(name, 0) for name, number in known.items()}
    return least, {name: number + more.get(name, 0) for name, number in known.items()}
