"""How many credentials are in which state as of a moment, and what has happened until then?"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, cast, get_args
from uuid import UUID

from sealbook.domain import credential
from sealbook.domain.catalogue import Event, RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.policy import PolicyBook
from sealbook.projections.renewal_eligibility import AutoRenewal, auto_renewal, blocks
from sealbook.projections.validity import ValidityState, state_of

SOON = timedelta(days=30)
"""A credential whose end lies no further off is counted as expiring soon."""
IN_VIEW = (
    ValidityState.ACTIVE,
    ValidityState.SUSPENDED,
    ValidityState.EXPIRED,
    ValidityState.REVOKED,
    ValidityState.LOCKED,
    ValidityState.RESET_REQUIRED,
    ValidityState.APPLYING,
    ValidityState.ABANDONED,
    ValidityState.REJECTED,
)
"""The states that are counted, in the order in which people are shown them: what is issued, then applications."""

Stream = TypeVar("Stream", UUID, bytes)
"""A stream's id, or its bytes where millions pass."""
_OF_CREDENTIALS = frozenset[type[Event]](get_args(credential.Event))


def streams_of_credentials(events: Iterable[tuple[Stream, Event]]) -> set[Stream]:
    """Return the streams whose states `add` needs."""
    return {stream for stream, event in events if type(event) in _OF_CREDENTIALS}


def add(
    events: Sequence[tuple[Stream, Event]],
    *,
    counts: Counter[str],
    credentials: dict[Stream, Application | Credential],
) -> None:
    """Fold events, each stream's in order, into counts by name and the credentials' states."""
    counts.update([event.stored.name for _, event in events])
    for stream, event in events:
        # A look-up, for a test against the union asks some sixty classes, for millions of events.
        if type(event) in _OF_CREDENTIALS:
            state = credential.evolve(credentials.get(stream), cast("credential.Event", event))
            credentials[stream] = credential.begun(state)


@dataclass
class Tally:
    """The accumulator of a fold over the log: events by name, and each credential's state."""

    events: Counter[str] = field(default_factory=Counter[str])
    credentials: dict[UUID, Application | Credential] = field(default_factory=dict[UUID, Application | Credential])

    def add(self, events: Sequence[tuple[UUID, Event]]) -> None:
        add(events, counts=self.events, credentials=self.credentials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`credentials` by state, those without any included as 0; `kinds` the same by kind."""

    as_of: datetime
    credentials: dict[str, int]
    kinds: dict[str, dict[str, int]]
    events: dict[str, int]
    expiring_soon: int
    eligible_for_renewal: int


def tally(log: Iterable[RecordedEvent], *, as_of: datetime) -> Tally:
    """Fold the log, in position order, over what had taken effect by a moment."""
    counts = Tally()
    for recorded in log:
        if recorded.event.at <= as_of:
            counts.add([(recorded.stream, recorded.event)])
    return counts


def report(counts: Tally, *, as_of: datetime, policies: PolicyBook) -> Report:
    """Let the clock decide for each credential until the moment, and count."""
    kinds: dict[str, Counter[str]] = {}
    expiring = eligible = 0
    for state in counts.credentials.values():
        now = _settled(state, as_of, policies)
        effective = state_of(now)
        kinds.setdefault(now.kind, Counter())[effective] += 1
        if isinstance(now, Credential) and effective is ValidityState.ACTIVE:
            expiring += now.expires_at is not None and now.expires_at <= as_of + SOON
            eligible += _eligible(now, as_of, policies)
    total = Counter[str]()
    for by_state in kinds.values():
        total.update(by_state)
    return Report(
        as_of=as_of,
        credentials={state: total[state] for state in IN_VIEW},
        kinds={kind: {state: kinds[kind][state] for state in IN_VIEW} for kind in sorted(kinds)},
        events=dict(sorted(counts.events.items())),
        expiring_soon=expiring,
        eligible_for_renewal=eligible,
    )


def _settled(state: Application | Credential, as_of: datetime, policies: PolicyBook) -> Application | Credential:
    return credential.begun(credential.fold(credential.settle(state, policies, as_of), since=state))


def _eligible(state: Credential, as_of: datetime, policies: PolicyBook) -> bool:
    status, _ = auto_renewal(state, policies.policy(state.policy), as_of)
    return status in (AutoRenewal.AWAITING_USE, AutoRenewal.EARNED) and not blocks(state, status)
