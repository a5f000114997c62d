"""What truly becomes of people under a policy, and what a ledger that was under it comes to know of them.

The rules a third time, in rounds over all chains at once: nothing is shared with the engines that it is to judge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_bank import SECONDS_A_DAY, UNTIL, Intended, Numbers, mixed
from sealbook.adapters.replay.contract import NEVER, FactKind, Facts, Partition, Recorded, Uses
from sealbook.domain.calendar import Period
from sealbook.domain.policy_document import RenewalPolicy

EPOCH = np.datetime64("2000-01-01", "D")
RETURNING = 0.7
"""Share of those locked out who are issued a new credential; the others never try again."""
DELAY_SECONDS = 5 * SECONDS_A_DAY
"""How long it takes them on average, by an exponential distribution."""
SHORTEST_SECONDS = 600
KEYS_SEED = np.uint64(0x5EA1B00C)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A policy in numbers: renewed by one use, by the end of the day."""

    validity_months: int
    eligible_months: int
    grace_days: int = 0

    @property
    def label(self) -> str:
        grace = f" + {self.grace_days} days" if self.grace_days else ""
        return f"{self.validity_months}/{self.eligible_months}{grace}"

    @property
    def policy(self) -> RenewalPolicy:
        return RenewalPolicy(
            policy_id=f"v{self.validity_months}-e{self.eligible_months}-g{self.grace_days}",
            validity=Period(months=self.validity_months, days=0),
            renew_on="use",
            eligible_after=Period(months=self.eligible_months, days=0),
            grace=Period(months=0, days=self.grace_days),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Moments of chains."""

    chain: Numbers
    at: Numbers

    def of(self, chosen: NDArray[np.bool_]) -> "Moments":
        return Moments(chain=self.chain[chosen], at=self.at[chosen])

    def by_chain(self, chains: int) -> Uses:
        return Uses(begin=np.searchsorted(self.chain, np.arange(chains + 1)), at=self.at.astype(np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """What became of all under a policy, each in the order of chains and time.

    `made` are the attempts that people made at all, who has left makes none; `refused` are those refused to them.
    """

    renewals: Moments
    lapses: Moments
    lockouts: Moments
    reissues: Moments
    made: NDArray[np.bool_]
    refused: NDArray[np.bool_]

    @property
    def totals(self) -> dict[str, int]:
        return {
            "renewals": len(self.renewals.at),
            "lockouts": len(self.lockouts.at),
            "chains_locked_out": len(np.unique(self.lockouts.chain)),
            "reissues": len(self.reissues.at),
        }


def lived(intended: Intended, terms: Terms) -> Lives:
    """Let everybody live under a policy. Whom an attempt finds locked out does the same then under any policy."""
    keys = intended.chain_of_attempt << 32 | intended.at
    back_at = _back_at(intended)
    renewals, lapses, lockouts, reissues = list[Moments](), list[Moments](), list[Moments](), list[Moments]()
    refused, unmade = _Spans(len(keys)), _Spans(len(keys))
    now = Moments(chain=np.arange(intended.chains), at=intended.issued_at)
    while len(now.chain):
        end = Moments(chain=now.chain, at=_end_of_day(now.at, terms.validity_months))
        opens_at = _end_of_day(now.at, terms.eligible_months)
        place = np.searchsorted(keys, now.chain << 32 | opens_at)
        tried = place < intended.begin[now.chain + 1]
        first = Moments(chain=now.chain, at=np.where(tried, intended.at[np.where(tried, place, 0)], NEVER))
        lapses.append(end.of((end.at <= first.at) & (end.at <= UNTIL)))
        in_time = tried & (first.at < end.at + terms.grace_days * SECONDS_A_DAY)
        renewals.append(first.of(in_time))
        blocked = place[tried & ~in_time]
        lockouts.append(first.of(tried & ~in_time))
        back = Moments(chain=lockouts[-1].chain, at=back_at[blocked])
        leaves, in_the_end = back.at == NEVER, intended.begin[back.chain + 1]
        served = np.where(leaves, blocked + 1, np.searchsorted(keys, back.chain << 32 | back.at))
        refused.add(blocked, served)
        unmade.add(served[leaves], in_the_end[leaves])
        reissues.append(back.of(back.at <= UNTIL))
        now = _joined([renewals[-1], reissues[-1]])
    return Lives(
        renewals=_in_order(renewals),
        lapses=_in_order(lapses),
        lockouts=_in_order(lockouts),
        reissues=_in_order(reissues),
        made=~unmade.covered,
        refused=refused.covered,
    )


def log_of(intended: Intended, terms: Terms) -> tuple[Partition, Recorded]:
    """Return what a ledger records of everybody under a policy: no attempt of those who have left."""
    lives = lived(intended, terms)
    chains, chain = intended.chains, intended.chain_of_attempt
    made = Moments(chain=chain[lives.made], at=intended.at[lives.made])
    refused = lives.refused[lives.made]
    reissued = lives.reissues
    place = np.searchsorted(made.chain << 32 | made.at, reissued.chain << 32 | reissued.at)
    begin = np.searchsorted(made.chain, reissued.chain)
    facts = reissued.by_chain(chains)
    partition = Partition(
        key=_keys(intended),
        customer=intended.customer,
        kind=intended.kind,
        holder=intended.holder,
        channel=intended.channel,
        policy=np.zeros(chains, np.uint16),
        truncated=np.zeros(chains, np.bool_),
        issued_at=intended.issued_at.astype(np.int32),
        accepted=made.of(~refused).by_chain(chains),
        refused=made.of(refused).by_chain(chains),
        facts=Facts(
            begin=facts.begin,
            at=facts.at,
            kind=np.full(len(facts.at), FactKind.REISSUED_AFTER_LAPSE, np.uint8),
            place=(place - begin).astype(np.int32),
            detail=np.zeros(len(facts.at), np.uint32),
        ),
    )
    return partition, Recorded(renewals=lives.renewals.by_chain(chains), lapses=lives.lapses.by_chain(chains))


class _Spans:
    """Which of many numbers lie in one of the spans [begin, end) that were added."""

    def __init__(self, count: int) -> None:
        self._steps = np.zeros(count + 1, np.int32)

    def add(self, begin: Numbers, end: Numbers) -> None:
        np.add.at(self._steps, begin, 1)
        np.add.at(self._steps, end, -1)

    @property
    def covered(self) -> NDArray[np.bool_]:
        return np.cumsum(self._steps[:-1]) > 0


def _end_of_day(at: Numbers, months: int) -> Numbers:
    """Return the midnight that ends the day so many months later; a day that the month lacks is its last."""
    day = EPOCH + at // SECONDS_A_DAY
    month = day.astype("M8[M]")
    moved = (month + months).astype("M8[D]")
    last = (month + months + 1).astype("M8[D]") - 1
    clamped = np.minimum(moved + (day - month.astype("M8[D]")), last)
    days: Numbers = (clamped - EPOCH).astype(np.int64)
    return (days + 1) * SECONDS_A_DAY


def _back_at(intended: Intended) -> Numbers:
    """Return for each attempt when people whom it finds locked out are issued a new credential; NEVER if they leave."""
    nth = np.arange(len(intended.at)) - intended.begin[intended.chain_of_attempt]
    drawn = mixed(_keys(intended)[intended.chain_of_attempt] + nth.astype(np.uint64))
    leaves = (drawn >> np.uint64(40)).astype(np.float64) / 2**24 >= RETURNING
    luck = ((mixed(drawn) >> np.uint64(40)).astype(np.float64) + 1) / 2**24
    delay = SHORTEST_SECONDS - (DELAY_SECONDS - SHORTEST_SECONDS) * np.log(luck)
    return np.where(leaves, NEVER, intended.at + delay.astype(np.int64))


def _keys(intended: Intended) -> NDArray[np.uint64]:
    return mixed(intended.number.astype(np.uint64) + KEYS_SEED)


def _joined(moments: list[Moments]) -> Moments:
    return Moments(
        chain=np.concatenate([each.chain for each in moments]), at=np.concatenate([each.at for each in moments])
    )


def _in_order(moments: list[Moments]) -> Moments:
    # Of one chain, each round is later than the one before.
    joined = _joined(moments)
    order = np.argsort(joined.chain, kind="stable")
    return Moments(chain=joined.chain[order], at=joined.at[order])
