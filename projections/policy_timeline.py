"""Which policy versions were made known, and which of them is in force when, for whom? (domain rules R50, R51)"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.policy import Adopted, Announced, Policy, Withdrawn
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef
from sealbook.projections.states import States


class MadeKnown(StrEnum):
    """How a version came into the ledger: announced by the bank, or adopted with a history."""

    ANNOUNCED = "announced"
    ADOPTED = "adopted"


class Standing(StrEnum):
    UPCOMING = "upcoming"
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """`in_force_from` is when it takes effect, or was adopted if it has no date; `in_force_until` is exclusive.

    `applies_to` says what becomes of credentials under an earlier version, if it was announced. Without
    `kinds` or `holders`, it concerns all.
    """

    policy: PolicyRef
    standing: Standing
    made_known: MadeKnown
    made_known_at: datetime
    recorded_at: datetime
    in_force_from: datetime
    in_force_until: datetime | None
    withdrawn_at: datetime | None
    applies_to: str
    law_forced: bool
    kinds: tuple[Kind, ...] | None
    holders: tuple[HolderKind, ...] | None
    sha256: str


def policy_timeline(log: Iterable[RecordedEvent], *, as_of: datetime) -> list[PolicyVersion]:
    """Answer in the order in which policies, and the versions of each, became known."""
    states, histories = States(as_of=as_of), dict[UUID, list[RecordedEvent]]()
    for recorded in log:
        if states.apply(recorded):
            histories.setdefault(recorded.stream, []).append(recorded)
    return [version for stream, state in states.policies() for version in _versions(state, histories[stream], as_of)]


def _versions(state: Policy, history: Sequence[RecordedEvent], as_of: datetime) -> Iterator[PolicyVersion]:
    begins = {each.version: each.effective_from or made.event.at for made, each in _made_known(history)}
    withdrawn = {made.event.version: made.event.at for made in history if isinstance(made.event, Withdrawn)}
    for made, document in _made_known(history):
        later = [at for number, at in begins.items() if number > document.version and number not in withdrawn]
        until = min(later, default=None)
        yield PolicyVersion(
            policy=document.ref,
            standing=_standing(state, document, until, as_of),
            made_known=MadeKnown.ANNOUNCED if isinstance(made.event, Announced) else MadeKnown.ADOPTED,
            made_known_at=made.event.at,
            recorded_at=made.recorded_at,
            in_force_from=begins[document.version],
            in_force_until=None if document.version in withdrawn else until,
            withdrawn_at=withdrawn.get(document.version),
            applies_to=document.applies_to,
            law_forced=document.law_forced,
            kinds=None if document.kinds is None else tuple(sorted(document.kinds)),
            holders=None if document.holders is None else tuple(sorted(document.holders)),
            sha256=document.digest,
        )


def _made_known(history: Sequence[RecordedEvent]) -> Iterator[tuple[RecordedEvent, RenewalPolicy]]:
    for recorded in history:
        if isinstance(recorded.event, Announced | Adopted):
            yield recorded, recorded.event.document


def _standing(state: Policy, document: RenewalPolicy, until: datetime | None, as_of: datetime) -> Standing:
    if document.version in state.withdrawn:
        return Standing.WITHDRAWN
    if state.in_force_at(as_of) == document:
        return Standing.IN_FORCE
    return Standing.SUPERSEDED if until is not None and until <= as_of else Standing.UPCOMING
