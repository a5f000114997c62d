"""What an engine is given and what it returns: chains of credentials as columns, and what became of each.

A moment is a whole number of seconds since 2000-01-01 00:00 in Seoul, a fraction cut off, a day a number of days
since then: in 32 and 16 bits from 1989 to 2067. Korea kept summer time last in 1988, so no day in between is
shorter or longer than others; `moments` refuses what lies outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sealbook.domain.policy_document import RenewalPolicy

NEVER = 2**31 - 1
"""A moment that does not come."""
PLAIN = 0
"""The class of a use by the app without a purpose: the class of all uses, unless a snapshot says otherwise."""

Moments = NDArray[np.int32]
Codes = NDArray[np.uint8]
Places = NDArray[np.int64]
Counts = NDArray[np.int32]


class FactKind(IntEnum):
    """What else happened to a chain, besides its first issue and the attempts to use it."""

    SUSPENDED = 1
    RESUMED = 2
    REVOKED = 3
    REQUESTED = 4
    """A renewal was asked for."""
    OBJECTED = 5
    REISSUED = 6
    """The next credential of the chain was issued, and not because the last one had lapsed."""
    REISSUED_AFTER_LAPSE = 7
    """The next credential was issued because the last one had lapsed: under another policy perhaps it never was."""
    SWITCHED = 8
    """The bank moved the credential to another policy; `detail` is four times that policy's number, and the mode."""


SWITCH_MODES = ("keep", "restart", "recompute")
"""The modes of a switch, by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Attempts of all chains, those of chain i at [begin[i], begin[i + 1]), each chain's in time order.

    `use_class` is None where all are PLAIN.
    """

    begin: Places
    at: Moments
    use_class: Codes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All other facts, like `Uses`. `place` is how many of the chain's attempts came before: at one moment, it decides.

    Attempts are counted over those accepted and those refused, merged by time; at one moment the accepted are first.
    """

    begin: Places
    at: Moments
    kind: Codes
    place: Counts
    detail: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The days on which chains were used, a bit a day from `first_day` on, 64 a word, the lowest first: (n, words).

    `attempted` has a bit for each day with an attempt, `refused` for each day whose first attempt was refused in fact.
    """

    first_day: int
    attempted: NDArray[np.uint64]
    refused: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Chains, n of them, and what is known of them; those of one customer stand side by side.

    `key` tells chains apart in every partition, for what depends on chance. `kind`, `holder`, `channel` and `policy`,
    the one in force at the first issue, are numbers that the snapshot gives a meaning. `truncated` are those that
    were issued before what is known of their uses begins. `accepted` and `refused` are the attempts as they went in
    fact; refused are those that failed because the credential was not valid, and for no fault of their own. What was
    not asked for is missing: attempts, days.
    """

    key: NDArray[np.uint64]
    customer: NDArray[np.int64]
    kind: Codes
    holder: Codes
    channel: Codes
    policy: NDArray[np.uint16]
    truncated: NDArray[np.bool_]
    issued_at: Moments
    accepted: Uses | None
    refused: Uses | None
    facts: Facts
    days: Days | None = None

    @property
    def chains(self) -> int:
        return len(self.issued_at)


class Mode(IntEnum):
    """What people do when a policy locks them out who in fact were not: nobody knows, so each is computed."""

    LEAVE = 0
    """They never come back."""
    RETURN = 1
    """They are issued a new credential at the blocked attempt."""
    AS_FITTED = 2
    """Some come back after a delay, as those did who were locked out in fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """What people do after a lock-out that did not happen in fact.

    As fitted, `returning` of 2**32 come back, each after one of `delays_seconds`; `seed` makes the same people do the
    same under every policy.
    """

    mode: Mode
    returning: int = 0
    delays_seconds: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a replay.

    `policies` are those that switches name, by number. A fact at exactly `until` counts. A valid credential counts as
    exposed `exposed_after_days` after its last use. Months are those of Seoul, `months` of them from `first_month` on,
    which counts from January 2000; what lies outside is counted in the first or the last.
    """

    policies: tuple[RenewalPolicy, ...]
    until: int
    exposed_after_days: int
    behavior: Behavior
    first_month: int
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of each chain under a policy, and of all by month, (months, 2): renewals, lapses.

    A lapse is an end that nothing renewed; one that a use in the grace mended is one all the same. A lock-out is the
    first attempt after a lapse that was refused. `reissues` are new credentials because of a lapse. `valid_days` are
    the days of Seoul on which the chain was valid at some moment, each span of validity counted by itself;
    `exposed_days` those of them that lie more than `exposed_after_days` after the last use or issue. `valid` tells
    whether it was valid in the end.
    """

    renewals: Counts
    lapses: Counts
    lockouts: Counts
    reissues: Counts
    valid_days: Counts
    exposed_days: Counts
    valid: NDArray[np.bool_]
    by_month: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the ledger recorded of the chains of a partition, to be compared with a replay of the policy in force."""

    renewals: Uses
    lapses: Uses


class Engine(Protocol):
    """Whatever replays a partition."""

    @property
    def name(self) -> str: ...

    def refuses(self, policy: RenewalPolicy) -> str | None:
        """Return what of a policy the engine cannot do, as the policy document names it; None if it can do it all."""
        ...

    def replay(
        self,
        partition: Partition,
        policies: Sequence[RenewalPolicy],
        question: Question,
        only: NDArray[np.bool_] | None = None,
    ) -> list[Outcomes]:
        """Return what became of the chains under each policy. The kinds and holders of a policy are not looked at.

        `only` tells by policy and chain which to replay, (policies, n), if not all: of the others, nothing becomes.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UseClasses:
    """What classes of uses mean: by number, the channel and the purpose. PLAIN is the first."""

    of: tuple[tuple[str, str | None], ...] = field(default=(("app", None),))
