"""What was one credential like at a moment, on both axes of time?

The fold runs in version order over the events that the ledger had learned by `known_at`;
`occurred_at` never reorders it. `as_of` takes those whose effect had begun, and then lets the
clock decide, so an answer is right even when nobody has yet recorded what time alone decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sealbook.domain import credential
from sealbook.domain.catalogue import Aggregate, RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.policy import PolicyBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A credential as of a moment, or its application. `version` and `position` are of the last event folded."""

    as_of: datetime
    credential: Credential | None
    version: int
    position: int
    application: Application | None = None


def known_by(history: Iterable[RecordedEvent], known_at: datetime | None) -> list[RecordedEvent]:
    """Return the events that the ledger had recorded by a moment; None is now."""
    return [recorded for recorded in history if known_at is None or recorded.recorded_at <= known_at]


def credential_at(history: Iterable[RecordedEvent], *, as_of: datetime, policies: PolicyBook) -> Moment:
    """Return the credential of one stream as of a moment, by the events given."""
    state: credential.State = None
    version = position = 0
    for recorded in history:
        event = recorded.event
        if event.at > as_of or not isinstance(event, credential.Event):
            continue
        state = credential.evolve(state, event)
        version, position = recorded.version, recorded.position
    return moment_of(state, as_of=as_of, policies=policies, version=version, position=position)


def moment_of(state: Aggregate, *, as_of: datetime, policies: PolicyBook, version: int, position: int) -> Moment:
    """Return the moment of a state that its stream folds to; the clock decides until then, and nothing is recorded."""
    begun = state if isinstance(state, Application | Credential) else None
    now = credential.fold(credential.settle(begun, policies, as_of), since=begun)
    return Moment(
        as_of=as_of,
        credential=now if isinstance(now, Credential) else None,
        version=version,
        position=position,
        application=now if isinstance(now, Application) else None,
    )
