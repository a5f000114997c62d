"""Those whom the policy in force lost, and another would have kept: what they would have done then is in no record.

Their record ends with refused attempts. Where a policy may have accepted the first of these, much may have come after
it: as little as if there had been no other attempt, or as many uses, renewals, lapses, and new credentials for these,
as there was time for. Figures are bounded by both. Other facts, such as a revocation, are not thought of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import (
    NEVER,
    Behavior,
    Codes,
    Engine,
    FactKind,
    Mode,
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
NO_LIMIT = 2**30
_HELD = (FactKind.SUSPENDED, FactKind.REVOKED)
"""Who is refused after one of these is refused by every policy."""

Named = dict[str, Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """The lost chains that a policy may have kept, and how little and how much may have come of each, (metrics, n).

    Of customers it tells nothing: they have other chains.
    """

    rows: Rows
    least: Numbers
    most: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The chains of a partition whose record ends with refused attempts, and how long before the end these begin.

    `refused` and `accepted` are their logs up to the first of those at the end: refused as it was, or accepted.
    """

    rows: Rows
    left_days: Numbers
    refused: Partition
    accepted: Partition

    def under(
        self, engine: Engine, policies: Sequence[RenewalPolicy], question: Question, ground: Ground
    ) -> list[Unseen]:
        """Return by policy what nobody saw. The question is of the behavior that is shown; `rows` are of the ground."""
        if not len(self.rows):
            nothing = np.zeros((len(METRICS), 0), np.int64)
            return [Unseen(rows=self.rows, least=nothing, most=nothing) for _ in policies]
        return_, leave = (replace(question, behavior=Behavior(mode=mode)) for mode in (Mode.RETURN, Mode.LEAVE))
        replays = (
            engine.replay(self.refused, policies, leave),
            engine.replay(self.refused, policies, return_),
            engine.replay(self.accepted, policies, return_),
            engine.replay(self.accepted, policies, question),
        )
        facts = self.refused.facts
        switched = np.isin(
            np.arange(len(self.rows)),
            np.repeat(np.arange(len(self.rows)), np.diff(facts.begin))[facts.kind == FactKind.SWITCHED],
        )
        return [
            self._unseen(*each, pace=_pace_of(policy, question.policies, switched), question=question, ground=ground)
            for policy, *each in zip(policies, *replays, strict=True)
        ]

    def _unseen(
        self, left: Outcomes, refused: Outcomes, *accepted: Outcomes, pace: "_Pace", question: Question, ground: Ground
    ) -> Unseen:
        # Whom a policy locks out returns only where the attempt was accepted in fact: so the logs differ by a reissue
        # where it does not accept this one. And who was locked out before, by this policy alone, may have come back at
        # any time: he differs where people leave.
        may_be_kept = (refused.reissues == accepted[0].reissues) | (refused.reissues != left.reissues)
        kept = np.flatnonzero(may_be_kept)
        rows, left_days = self.rows[kept], self.left_days[kept]
        bounds = [
            _bounds(
                dict(zip(METRICS, columns(ground, each, self.rows)[:, kept], strict=True)),
                fees=ground.fees[rows],
                left_days=left_days,
                unused_days=np.maximum(0, left_days - question.exposed_after_days),
                pace=_Pace(*(column[kept] for column in pace)),
            )
            for each in accepted
        ]
        least, most = zip(*bounds, strict=True)
        return Unseen(rows=rows, least=np.min(least, axis=0), most=np.max(most, axis=0))


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


class _Pace(NamedTuple):
    """By chain: how many days lie at least between two renewals, and two lapses; the most renewals of a credential.

    `shortens` tells whether a renewal may end it sooner.
    """

    renewal_days: Numbers
    lapse_days: Numbers
    renewals_max: Numbers
    shortens: Numbers


def _pace_of(policy: RenewalPolicy, switched_to: Sequence[RenewalPolicy], switched: NDArray[np.bool_]) -> _Pace:
    """Return the pace of chains of which some were switched to one or other of some policies."""
    alone, perhaps = _fastest([policy]), _fastest([policy, *switched_to])
    return _Pace(*(np.where(switched, other, own) for own, other in zip(alone, perhaps, strict=True)))


def _fastest(policies: Sequence[RenewalPolicy]) -> tuple[int, int, int, int]:
    lengths = {length for each in policies for length in (each.validity, each.validity_of_renewal)}
    limits = [NO_LIMIT if each.max_renewals is None else each.max_renewals for each in policies]
    return min(map(_renewal_days, policies)), min(map(_days, lengths)), max(limits), int(len(lengths) > 1)


def _renewal_days(policy: RenewalPolicy) -> int:
    validity = min(_days(policy.validity), _days(policy.validity_of_renewal))
    if policy.validity is None:
        return FAR_DAYS
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


def _times(left_days: Numbers, apart_days: Numbers) -> Numbers:
    """Return how often something may happen."""
    return np.where(apart_days >= FAR_DAYS, 0, 1 + left_days // apart_days)


def _bounds(
    known: Named, *, fees: Numbers, left_days: Numbers, unused_days: Numbers, pace: _Pace
) -> tuple[Numbers, Numbers]:
    """Return how little and how much may have come of chains of which it is known what came of them without a use."""
    lapsed, shortened_days = 1 - known["still_valid"], left_days * pace.shortens
    # What is valid to the end without a use does not lapse with some, unless a renewal shortens it.
    lapses = np.where((lapsed == 0) & (pace.shortens == 0), 0, _times(left_days, pace.lapse_days))
    less: Named = {
        "lapses": lapsed,
        "valid_days": np.minimum(known["valid_days"], shortened_days),
        "exposed_days": np.minimum(known["exposed_days"], unused_days),
        "still_valid": np.minimum(known["still_valid"], shortened_days),
    }
    more: Named = {
        "renewals": np.minimum(_times(left_days, pace.renewal_days), pace.renewals_max * (lapses + 1)),
        "lapses": lapses - lapsed,
        "lockouts": lapses,
        "chains_locked_out": np.where((lapses > 0) & (known["chains_locked_out"] == 0), 1, 0),
        "reissues": lapses,
        "cost": lapses * fees,
        "valid_days": np.where(lapses > 0, left_days + lapses, 0),
        "exposed_days": unused_days,
        "still_valid": lapsed,
    }
    least = [number - less.get(name, 0) for name, number in known.items()]
    return np.array(least), np.array([number + more.get(name, 0) for name, number in known.items()])
