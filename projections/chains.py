"""What would have become of a chain of credentials, each the next one of the same holder, under another policy?

A credential is replayed with the code that the live ledger runs. What is added here is what no credential knows of:
the next one is issued, or, where the policy locks out who in fact was not, the holder does what is assumed of him.
Days are those of Seoul.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND, zone
from sealbook.domain.credential import (
    AutoRenewed,
    Event,
    Expired,
    Fact,
    Issue,
    ObjectToRenewal,
    Renewed,
    RequestRenewal,
    Resume,
    Revoke,
    Revoked,
    Settle,
    Suspend,
    SwitchPolicy,
    Use,
    Used,
    UseRefused,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import PolicyBook

SEOUL = "Asia/Seoul"
BITS_64 = 2**64 - 1
WEYL_64 = 0x9E3779B97F4A7C15

# --- What is known of a chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A use that was tried; `accepted` tells whether it was in fact."""

    use: Use
    accepted: bool

    @property
    def at(self) -> datetime:
        return self.use.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Reissued:
    """The next credential was issued, in fact; `after_lapse`: because the last one had lapsed."""

    at: datetime
    after_lapse: bool


Step = Attempt | Reissued | Suspend | Resume | Revoke | RequestRenewal | ObjectToRenewal | SwitchPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The first issue, under the policy to be replayed, and what followed, in time order.

    `key` tells chains apart, for what depends on chance: it is in [0, 2**64).
    """

    key: int
    issue: Issue
    then: Sequence[Step]


# --- What is assumed of a holder who is locked out, and in fact was not


@dataclass(frozen=True, slots=True)
class Leave:
    """He never comes back."""


@dataclass(frozen=True, slots=True)
class Return:
    """He has the next credential issued at once, and uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnAsFitted:
    """`returning` of 2**32 have the next credential issued, each after one of the delays; without any, nobody.

    `seed` and the chain's key alone decide who does what: under every policy the same.
    """

    returning: int
    delays_seconds: tuple[int, ...]
    seed: int

    def delay(self, key: int, draws: int) -> timedelta | None:
        """Return when the holder of a chain comes back after so many earlier draws; None if he does not."""
        drawn = mixed(key + WEYL_64 * (draws + 1) + self.seed)
        if drawn >> 32 >= self.returning or not self.delays_seconds:
            return None
        return timedelta(seconds=self.delays_seconds[mixed(drawn) % len(self.delays_seconds)])


Behavior = Leave | Return | ReturnAsFitted


def mixed(number: int) -> int:
    """Return 64 bits that look like chance: what SplitMix64 makes of its state."""
    number &= BITS_64
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & BITS_64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & BITS_64
    return number ^ (number >> 31)


# --- What became of it


@dataclass(slots=True, kw_only=True)
class Life:
    """What became of a chain, over all its spans of validity; `valid` is how it stands in the end.

    `lockouts` are the lapses after which an attempt was refused, `reissues` new credentials because of a lapse.
    """

    renewed_at: list[datetime] = field(default_factory=list[datetime])
    lapsed_at: list[datetime] = field(default_factory=list[datetime])
    lockouts: int = 0
    reissues: int = 0
    valid_days: int = 0
    exposed_days: int = 0
    valid: bool = False


def replay(chain: Chain, *, policies: PolicyBook, until: datetime, exposed_after_days: int, behavior: Behavior) -> Life:
    """Return what became of a chain until a moment; what comes at exactly the moment counts.

    A valid credential is exposed on the days that lie more than `exposed_after_days` after its last use or issue.
    Raises Refused when the policy does not allow the issue.
    """
    run = _Replay(chain=chain, policies=policies, exposed_after_days=exposed_after_days, behavior=behavior)
    if chain.issue.at > until:
        return run.life
    run.issue(chain.issue.at)
    for step in chain.then:
        if step.at > until or run.over:
            break
        run.take(step)
    run.end(until)
    return run.life


@dataclass(frozen=True, slots=True)
class _Span:
    """A span of validity that is open; `last_day` is that of the last use in it, or its first."""

    since: datetime
    last_day: int

    def exposed_days(self, until_day: int, *, after_days: int) -> int:
        """Return how many days until a day, itself included, lie more than `after_days` after the last use."""
        return max(0, until_day - (self.last_day + after_days))


@dataclass(slots=True, kw_only=True)
class _Replay:
    chain: Chain
    policies: PolicyBook
    exposed_after_days: int
    behavior: Behavior
    life: Life = field(default_factory=Life)
    state: credential.State = None
    span: _Span | None = None
    locked_out: bool = False
    draws: int = 0
    returns_at: datetime | None = None
    over: bool = False

    def issue(self, at: datetime) -> None:
        """Issue the next credential, whatever became of the last one."""
        self._close(at)
        self.state, self.returns_at = None, None
        self._adopt(replace(self.chain.issue, at=at))
        self._open(at)

    def take(self, step: Step) -> None:
        self._return_before(step)
        if self.returns_at is not None and not isinstance(step, Reissued):
            return
        match step:
            case Attempt():
                self._attempt(step)
            case Reissued():
                self._reissued(step)
            case Suspend() | Resume() | Revoke() | RequestRenewal() | ObjectToRenewal() | SwitchPolicy():
                self._adopt(step)
            case _:
                assert_never(step)

    def end(self, until: datetime) -> None:
        if self.returns_at is not None and self.returns_at <= until:
            self._return(self.returns_at)
        self._adopt(Settle(at=until))
        self.life.valid = self.span is not None
        self._close_on(_day(until))

    def _adopt(self, fact: Issue | Fact) -> Sequence[Event]:
        decided = credential.adopt(self.state, fact, self.policies)
        for event in decided:
            self.state = credential.evolve(self.state, event)
            self._count(event)
        return decided

    def _count(self, event: Event) -> None:
        match event:
            case AutoRenewed(at=at) | Renewed(at=at):
                self.life.renewed_at.append(at)
                if self.span is None:
                    self._open(at)
            case Expired(at=at):
                self.life.lapsed_at.append(at)
                self.locked_out = False
                self._close(at)
            case Revoked(at=at):
                self._close(at)
            case Used(at=at) if self.span is not None:
                self.life.exposed_days += self.span.exposed_days(_day(at) - 1, after_days=self.exposed_after_days)
                self.span = replace(self.span, last_day=_day(at))
            case _:
                pass

    # --- Attempts after a lapse, and returns

    def _attempt(self, attempt: Attempt) -> None:
        answer = self._adopt(attempt.use)[-1]
        # A lapsed credential that is suspended, too, refuses as a lapsed one.
        if not isinstance(answer, UseRefused) or answer.reason is not Refusal.EXPIRED:
            return
        self.life.lockouts += not self.locked_out
        self.locked_out = True
        # After an attempt that was refused in fact, too, what the holder did in fact is known.
        if attempt.accepted:
            self._behave(attempt)

    def _behave(self, attempt: Attempt) -> None:
        match self.behavior:
            case Leave():
                self.over = True
            case Return():
                self._return(attempt.at)
                self._adopt(attempt.use)
            case ReturnAsFitted():
                delay = self.behavior.delay(self.chain.key, self.draws)
                self.draws += 1
                self.over = delay is None
                self.returns_at = None if delay is None else attempt.at + delay
            case _:
                assert_never(self.behavior)

    def _return_before(self, step: Step) -> None:
        """Issue anew if the return comes first: at one second it comes after a fact and before an attempt."""
        if self.returns_at is None:
            return
        if self.returns_at < step.at or (self.returns_at == step.at and isinstance(step, Attempt)):
            self._return(self.returns_at)

    def _return(self, at: datetime) -> None:
        self.life.reissues += 1
        self.issue(at)

    def _reissued(self, fact: Reissued) -> None:
        self._adopt(Settle(at=fact.at))
        if fact.after_lapse and self.span is not None:
            # The policy kept it valid: there was nothing to issue anew.
            return
        lapsed = not credential.issued(self.state).revoked
        self.life.reissues += fact.after_lapse and lapsed
        self.issue(fact.at)

    # --- Spans of validity

    def _open(self, at: datetime) -> None:
        self.span = _Span(at, _day(at))

    def _close(self, end: datetime) -> None:
        """End the span before a moment, if one is open."""
        if self.span is not None and end > self.span.since:
            self._close_on(_day(end - MICROSECOND))
        self.span = None

    def _close_on(self, last_valid_day: int) -> None:
        if self.span is not None:
            self.life.valid_days += last_valid_day - _day(self.span.since) + 1
            self.life.exposed_days += self.span.exposed_days(last_valid_day, after_days=self.exposed_after_days)
        self.span = None


def _day(moment: datetime) -> int:
    return moment.astimezone(zone(SEOUL)).toordinal()
