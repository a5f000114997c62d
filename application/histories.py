"""Where a what-if gets its histories: the ledger's log, or a facts file that enters no ledger."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.application.facts import BadLine, FactLine, FactName, FactOrder, fact_line, fact_of
from sealbook.application.import_forms import Policies
from sealbook.application.importing import LineError, Row
from sealbook.application.ports import EventStore, read_all
from sealbook.application.simulation import Recorded
from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import ExpiryObserved, Fact, Issue, ObserveExpiry, ObserveRenewal, RenewalObserved
from sealbook.domain.values import HolderKind, Kind, PolicyRef
from sealbook.projections.what_if import History, decisions, facts_of

NOBODY = UUID(int=0)
"""A history from a file enters no ledger: its customer needs no id, and a replay asks for none."""


def histories_of_ledger(
    store: EventStore, *, advanced: Callable[[int], None] = lambda _position: None
) -> list[Recorded]:
    """Return every credential's history, in the order of first appearance. `advanced` is told each position read."""
    streams: dict[UUID, list[RecordedEvent]] = {}
    for recorded in read_all(store):
        advanced(recorded.position)
        if isinstance(recorded.event, credential.Event):
            streams.setdefault(recorded.stream, []).append(recorded)
    names = store.names_of(streams)
    found: list[Recorded] = []
    for stream, events in streams.items():
        name = names[stream].value if stream in names else str(stream)
        history = facts_of(events, name=name)
        if history is not None:
            found.append(
                _recorded(history, [each.event for each in events if isinstance(each.event, credential.Event)])
            )
    return found


def _recorded(history: History, events: Iterable[credential.Event]) -> Recorded:
    known = tuple(events)
    return Recorded(
        history=history,
        decided=decisions(known),
        observed_renewals=tuple(event.at for event in known if isinstance(event, RenewalObserved)),
        observed_expiries=tuple(event.at for event in known if isinstance(event, ExpiryObserved)),
    )


@dataclass(slots=True)
class _Gathered:
    issue: Issue
    facts: list[Fact] = field(default_factory=list[Fact])


def histories_of_facts(rows: Iterable[Row], *, policies: Policies, kind: Kind) -> list[Recorded]:
    """Return the history of every credential of a facts file, in the order of first appearance.

    The policy in force is taken to be `policies.otherwise`. Raises LineError.
    """
    order = FactOrder()
    gathered: dict[str, _Gathered] = {}
    switches = {name: document.ref for name, document in policies.named.items()}
    for row in rows:
        try:
            line = _checked(row, order, switches)
        except BadLine as bad:
            raise LineError(row.number, str(bad)) from None
        if line.name is FactName.ISSUED:
            gathered[line.credential] = _Gathered(_issue(line, policies.otherwise.ref, kind))
        else:
            gathered[line.credential].facts.append(fact_of(line, switches))
    return [_of_file(name, each) for name, each in gathered.items()]


def _checked(row: Row, order: FactOrder, switches: Mapping[str, PolicyRef]) -> FactLine:
    if isinstance(row.fields, BadLine):
        raise row.fields
    line = fact_line(row.fields)
    order.check_fact(line)
    if line.policy is not None and line.policy not in switches:
        raise BadLine(f"policy {line.policy!r} is neither given nor a preset: give it with --policy")
    return line


def _issue(line: FactLine, policy: PolicyRef, kind: Kind) -> Issue:
    return Issue(at=line.at, customer=NOBODY, kind=line.kind or kind, holder=HolderKind.PERSONAL, policy=policy)


def _of_file(name: str, gathered: _Gathered) -> Recorded:
    def observed(kind: type[ObserveRenewal] | type[ObserveExpiry]) -> tuple[datetime, ...]:
        return tuple(fact.at for fact in gathered.facts if isinstance(fact, kind))

    return Recorded(
        history=History(name=name, issue=gathered.issue, facts=gathered.facts),
        decided=None,
        observed_renewals=observed(ObserveRenewal),
        observed_expiries=observed(ObserveExpiry),
    )
