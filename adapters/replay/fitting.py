"""How many come back whom the policy in force had locked out, and how late: found in the recorded facts.

A lock-out in fact is the first refused attempt after a recorded lapse, or since the last issue where no lapses are
on record. Who was issued a new credential because of the
lapse came back. Who had a new credential for another reason, or whose credential was revoked, says nothing, and
neither does who was locked out so late that his time to come back was shorter than that of most.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from sealbook.adapters.replay.contract import Behavior, Codes, FactKind, Facts, Mode, Moments, Places, Recorded, Uses
from sealbook.adapters.replay.figures import Numbers
from sealbook.adapters.replay.moments import DAY_SECONDS

NOBODY_CAME = -1
LATEST = Fraction(99, 100)
"""Who was locked out nearer to the end than this share of the delays is not counted: he may still come."""
DELAYS_MAX = 4096
CHAIN, AT, KIND = range(3)
_ISSUES = (FactKind.REISSUED, FactKind.REISSUED_AFTER_LAPSE)
_ENDS = (FactKind.REVOKED, *_ISSUES)
_PAUSES = (FactKind.SUSPENDED, FactKind.RESUMED)
_LAPSED = 100
"""What a recorded lapse is called among the kinds of facts."""
_BEGUN = np.array([[-1], [0], [0]], np.int64)
"""An event of no chain: what went before is then always to be found."""
_ALL = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What those did who were locked out in fact: so many refused, so many of them returned, after so many seconds.

    `undecided` were locked out too late to tell. `delays_seconds` are in order, and thinned out where they are many.
    """

    refused: int
    returned: int
    undecided: int
    delays_seconds: tuple[int, ...]

    @property
    def returning(self) -> int:
        """How many of 2**32 return."""
        return self.returned * _ALL // self.refused

    @property
    def share(self) -> float:
        return self.returned / self.refused

    @property
    def median_delay_days(self) -> float | None:
        if not self.delays_seconds:
            return None
        return round(self.delays_seconds[len(self.delays_seconds) // 2] / DAY_SECONDS, 2)

    def behavior(self, *, seed: int) -> Behavior:
        return Behavior(mode=Mode.AS_FITTED, returning=self.returning, delays_seconds=self.delays_seconds, seed=seed)


def refusals(attempts: Uses, others: Facts, recorded: Recorded, *, until: int) -> Numbers:
    """Return the lock-outs of a partition: when, and how long until the return or -1, (n, 2).

    The attempts are the refused ones.
    """
    refused = _events(attempts.begin, attempts.at, 0, until)
    lapses = _events(recorded.lapses.begin, recorded.lapses.at, _LAPSED, until)
    facts = _events(others.begin, others.at, others.kind, until)
    # What went before each refusal: a lapse, unless none was recorded. A suspended one is not locked out.
    before = _sorted(np.concatenate([_BEGUN, lapses, facts[:, np.isin(facts[KIND], (*_ENDS, *_PAUSES))]], axis=1))
    last = np.searchsorted(_ordered(before), _ordered(refused), side="right") - 1
    mine = before[CHAIN, last] == refused[CHAIN]
    cause = np.where(mine, before[KIND, last], 0)
    by_lapse = np.isin(cause, (_LAPSED,) if lapses.size else (0, FactKind.RESUMED, *_ISSUES))
    at, last = refused[:, by_lapse], last[by_lapse]
    new = np.ones(at.shape[1], bool)
    new[1:] = (at[CHAIN, 1:] != at[CHAIN, :-1]) | (last[1:] != last[:-1])
    return _returns(at[:, new], facts[:, np.isin(facts[KIND], _ENDS)])


def _returns(locked: Numbers, ends: Numbers) -> Numbers:
    """Return the lock-outs that say something, with what came of each."""
    following = np.searchsorted(_ordered(ends), _ordered(locked), side="left")
    # One more end that belongs to nobody is what follows the last.
    end = np.concatenate([ends, [[-1], [0], [0]]], axis=1)[:, following]
    ended = end[CHAIN] == locked[CHAIN]
    came = ended & (end[KIND] == FactKind.REISSUED_AFTER_LAPSE)
    delay = np.where(came, end[AT] - locked[AT], NOBODY_CAME)
    says_something = came | ~ended
    told: Numbers = np.stack([locked[AT], delay], axis=1)[says_something]
    return told


def fitted(found: Numbers, *, until: int) -> Fitted | None:
    """Return the share and the delays of the lock-outs of all partitions; None where there was none."""
    if not len(found):
        return None
    delays = np.sort(found[:, 1][found[:, 1] != NOBODY_CAME])
    patience = int(delays[ceil(LATEST * (len(delays) - 1))]) if len(delays) else 0
    early = found[:, 0] + patience <= until
    if not early.any():
        early[:] = True
    counted = found[early, 1]
    returned = np.sort(counted[counted != NOBODY_CAME])
    return Fitted(
        refused=len(counted),
        returned=len(returned),
        undecided=len(found) - len(counted),
        delays_seconds=tuple(int(each) for each in _thinned(returned)),
    )


def _events(begin: Places, at: Moments, kind: Codes | int, until: int) -> Numbers:
    """Return chain, time and kind of the events in time, (3, n), by chain and time."""
    chain = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    held = np.stack([chain, at.astype(np.int64), np.broadcast_to(np.asarray(kind, np.int64), chain.shape)])
    return held[:, at <= until]


def _ordered(events: Numbers) -> Numbers:
    """Return numbers that order by chain, then by time."""
    ordered: Numbers = events[CHAIN] * 2**33 + events[AT]
    return ordered


def _sorted(events: Numbers) -> Numbers:
    return events[:, np.argsort(_ordered(events), kind="stable")]


def _thinned(ordered: Numbers) -> Numbers:
    if len(ordered) <= DELAYS_MAX:
        return ordered
    # The middle of each of so many parts of the same size.
    return ordered[(2 * np.arange(DELAYS_MAX) + 1) * len(ordered) // (2 * DELAYS_MAX)]
