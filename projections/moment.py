"""What was one credential like at a moment, on both axes of time?

The fold runs in version order over the events that the ledger had learned by `known_at`;
`occurred_at` never reorders it. `as_of` takes those whose effect had begun, and then lets the
clock decide, so an answer is right even when nobody has yet recorded what time alone decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Application, AutoRenewed, Credential, Renewed
from sealbook.domain.policy import PolicyBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A credential as of a moment, or its application. `version` and `position` are of the last event folded."""

    as_of: datetime
    credential: Credential | None
    renewed_at: tuple[datetime, ...]
    version: int
    position: int
    application: Application | None = None


def known_by(history: Iterable[RecordedEvent], known_at: datetime | None) -> list[RecordedEvent]:
    """Return the events that the ledger had recorded by a moment; None is now."""
    return [recorded for recorded in history if known_at is None or recorded.recorded_at <= known_at]


def credential_at(history: Iterable[RecordedEvent], *, as_of: datetime, policies: PolicyBook) -> Moment:
    """Return the credential of one stream as of a moment, by the events given."""
    state: credential.State = None
    renewed_at: list[datetime] = []
    version = position = 0
    for recorded in history:
        event = recorded.event
        if event.at > as_of or not isinstance(event, credential.Event):
            continue
        state = credential.evolve(state, event)
        version, position = recorded.version, recorded.position
        if isinstance(event, AutoRenewed | Renewed):
            renewed_at.append(event.at)
    return settled(
        Moment(
            as_of=as_of,
            credential=state if isinstance(state, Credential) else None,
            renewed_at=tuple(renewed_at),
            version=version,
            position=position,
            application=state if isinstance(state, Application) else None,
        ),
        policies,
    )


def settled(moment: Moment, policies: PolicyBook) -> Moment:
    """Let the clock decide until the moment asked about; nothing is recorded."""
    state = moment.credential or moment.application
    decided = credential.settle(state, policies, moment.as_of)
    if not decided:
        return moment
    now = credential.fold(decided, since=state)
    return replace(
        moment,
        credential=now if isinstance(now, Credential) else None,
        application=now if isinstance(now, Application) else None,
        renewed_at=moment.renewed_at + tuple(event.at for event in decided if isinstance(event, AutoRenewed)),
    )
