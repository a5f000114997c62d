"""Which applications are stuck, at which step, and how long have they left? (domain rules R57, R58)"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sealbook.domain.credential import Application
from sealbook.domain.kind_document import KindBook
from sealbook.domain.values import Kind, Step
from sealbook.projections.states import States


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckApplication:
    """An open application and the step that it waits at.

    `failures` are those of that step since support last let the holder retry it; `attempts_left` is
    None for a kind that the bank no longer issues. `hours_left` are whole hours until it is given up.
    """

    application: UUID
    customer: UUID
    kind: Kind
    applied_at: datetime
    waits_at: Step
    failures: int
    attempts_left: int | None
    awaiting_issuer: bool
    fee_open: bool
    escalated: bool
    open_until: datetime
    hours_left: int


def stuck_applications(states: States, kinds: KindBook) -> list[StuckApplication]:
    """Answer from settled states: what is open still waits for something. The least time left comes first."""
    found = [
        _stuck(stream, state, states.as_of, kinds) for stream, state in states.applications() if state.ended_at is None
    ]
    return sorted(found, key=lambda each: each.open_until)


def _stuck(stream: UUID, state: Application, as_of: datetime, kinds: KindBook) -> StuckApplication:
    step = state.due[0]
    failures = state.failures_of(step)
    kind = kinds.kinds.get(state.kind)
    return StuckApplication(
        application=stream,
        customer=state.customer,
        kind=state.kind,
        applied_at=state.applied_at,
        waits_at=step,
        failures=failures,
        attempts_left=None if kind is None else max(kind.steps.attempts_max - failures, 0),
        awaiting_issuer=state.awaiting is not None,
        fee_open=state.fee_open,
        escalated=state.escalated,
        open_until=state.open_until,
        hours_left=(state.open_until - as_of) // timedelta(hours=1),
    )
