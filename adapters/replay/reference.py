"""The engine that the others are measured against: slow and plain, by the code that the live ledger runs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import assert_never
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import (
    PLAIN,
    SWITCH_MODES,
    Behavior,
    Counts,
    FactKind,
    Facts,
    Mode,
    Outcomes,
    Partition,
    Question,
    UseClasses,
    Uses,
)
from sealbook.adapters.replay.moments import moment_of, month_of
from sealbook.domain.credential import (
    Issue,
    ObjectToRenewal,
    RequestRenewal,
    Resume,
    Revoke,
    Suspend,
    SwitchPolicy,
    Use,
)
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef, SwitchMode
from sealbook.projections import chains
from sealbook.projections.chains import Attempt, Chain, Life, Reissued, Step

ASKED = PolicyRef(policy_id="asked", version=1)
"""What a policy is called in its replay: two of a question may bear one name."""
SOMEBODY = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEngine:
    """Replays chain by chain. `classes` is what the snapshot says that the classes of uses mean."""

    classes: UseClasses = field(default_factory=UseClasses)

    @property
    def name(self) -> str:
        return "reference"

    def refuses(self, policy: RenewalPolicy) -> str | None:
        # Nobody knows until when the credential that is replaced would have been valid.
        return "reissue_validity" if policy.reissue_validity == "keep" else None

    def replay(
        self,
        partition: Partition,
        policies: Sequence[RenewalPolicy],
        question: Question,
        only: NDArray[np.bool_] | None = None,
    ) -> list[Outcomes]:
        """Return what became of the chains under each policy.

        Raises ValueError for a policy that it refuses, and for a partition without attempts.
        """
        for policy in policies:
            refused = self.refuses(policy)
            if refused is not None:
                raise ValueError(f"the reference engine does not replay {refused} of policy {policy.ref}")
        read = [chain_of(partition, row, self.classes) for row in range(partition.chains)]
        chosen = np.ones((len(policies), len(read)), np.bool_) if only is None else only
        return [
            _outcomes(_lives(compress(read, mine), policy, question), mine, question)
            for policy, mine in zip(policies, chosen, strict=True)
        ]


def _lives(read: Iterable[Chain], policy: RenewalPolicy, question: Question) -> list[Life]:
    named = [_called(each, _switched_to(number)) for number, each in enumerate(question.policies)]
    book = PolicyBook.of(_called(policy, ASKED), *named)
    until, behavior = moment_of(question.until), _behavior(question.behavior)
    return [
        chains.replay(
            chain,
            policies=book,
            until=until,
            exposed_after_days=question.exposed_after_days,
            behavior=behavior,
        )
        for chain in read
    ]


def _called(policy: RenewalPolicy, ref: PolicyRef) -> RenewalPolicy:
    """Return a policy under another name, for whoever has the credential."""
    renamed = {"policy_id": ref.policy_id, "version": ref.version, "kinds": None, "holders": None}
    return policy.model_copy(update=renamed)


def _switched_to(number: int) -> PolicyRef:
    return PolicyRef(policy_id=f"switched-to-{number}", version=1)


def _behavior(behavior: Behavior) -> chains.Behavior:
    match behavior.mode:
        case Mode.LEAVE:
            return chains.Leave()
        case Mode.RETURN:
            return chains.Return()
        case Mode.AS_FITTED:
            return chains.ReturnAsFitted(
                returning=behavior.returning, delays_seconds=behavior.delays_seconds, seed=behavior.seed
            )
        case _:
            assert_never(behavior.mode)


# --- Columns to chains


def chain_of(partition: Partition, row: int, classes: UseClasses) -> Chain:
    """Return one chain of a partition. Raises ValueError for a partition without attempts."""
    if partition.accepted is None or partition.refused is None:
        raise ValueError("the reference engine replays attempts, and this partition was read without them")
    accepted = _attempts(partition.accepted, row, classes, accepted=True)
    refused = _attempts(partition.refused, row, classes, accepted=False)
    # The sort is stable: at one moment the accepted are first.
    attempts = sorted([*accepted, *refused], key=lambda attempt: attempt.at)
    # Kind, holder and customer have no part in it.
    issue = Issue(
        at=moment_of(int(partition.issued_at[row])),
        customer=SOMEBODY,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=ASKED,
    )
    return Chain(key=int(partition.key[row]), issue=issue, then=_merged(attempts, partition.facts, row))


def _attempts(uses: Uses, row: int, classes: UseClasses, *, accepted: bool) -> Iterator[Attempt]:
    for index in range(int(uses.begin[row]), int(uses.begin[row + 1])):
        channel, purpose = classes.of[PLAIN if uses.use_class is None else int(uses.use_class[index])]
        use = Use(at=moment_of(int(uses.at[index])), channel=channel, purpose=purpose)
        yield Attempt(use=use, accepted=accepted)


def _merged(attempts: Sequence[Attempt], facts: Facts, row: int) -> list[Step]:
    merged: list[Step] = []
    taken = 0
    for index in range(int(facts.begin[row]), int(facts.begin[row + 1])):
        place = int(facts.place[index])
        merged += attempts[taken:place]
        taken = place
        merged.append(_fact(facts, index))
    return [*merged, *attempts[taken:]]


def _fact(facts: Facts, index: int) -> Step:
    at, kind = moment_of(int(facts.at[index])), FactKind(int(facts.kind[index]))
    match kind:
        case FactKind.SUSPENDED:
            return Suspend(at=at)
        case FactKind.RESUMED:
            return Resume(at=at)
        case FactKind.REVOKED:
            return Revoke(at=at)
        case FactKind.REQUESTED:
            return RequestRenewal(at=at)
        case FactKind.OBJECTED:
            return ObjectToRenewal(at=at)
        case FactKind.REISSUED | FactKind.REISSUED_AFTER_LAPSE:
            return Reissued(at=at, after_lapse=kind is FactKind.REISSUED_AFTER_LAPSE)
        case FactKind.SWITCHED:
            number, mode = divmod(int(facts.detail[index]), 4)
            return SwitchPolicy(at=at, policy=_switched_to(number), mode=SwitchMode(SWITCH_MODES[mode]))
        case _:
            assert_never(kind)


# --- Lives to columns


def _outcomes(lives: Sequence[Life], mine: NDArray[np.bool_], question: Question) -> Outcomes:
    """Return what became of chains: the lives are those of the chains that are `mine`."""
    by_month = np.zeros((question.months, 2), np.int64)
    for life in lives:
        for column, moments in enumerate((life.renewed_at, life.lapsed_at)):
            for at in moments:
                month = month_of(at) - question.first_month
                by_month[min(max(month, 0), question.months - 1), column] += 1
    return Outcomes(
        renewals=_column(mine, [len(life.renewed_at) for life in lives]),
        lapses=_column(mine, [len(life.lapsed_at) for life in lives]),
        lockouts=_column(mine, [life.lockouts for life in lives]),
        reissues=_column(mine, [life.reissues for life in lives]),
        valid_days=_column(mine, [life.valid_days for life in lives]),
        exposed_days=_column(mine, [life.exposed_days for life in lives]),
        valid=_column(mine, [life.valid for life in lives]).astype(np.bool_),
        by_month=by_month,
    )


def _column(mine: NDArray[np.bool_], counts: Sequence[int]) -> Counts:
    made = np.zeros(len(mine), np.int32)
    made[mine] = counts
    return made
