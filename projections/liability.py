"""Which uses came after a loss, and before or after it was reported? (domain rule R61, section 2)

From the notice of a loss or theft on, the bank is liable for what others do with the credential
(Electronic Financial Transactions Act 10(1)). A report that reaches back finds uses that had been
accepted; so an event's own moment decides here, and not when the ledger learned of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import LossReported, Resumed, Used
from sealbook.domain.values import Kind
from sealbook.projections.states import States


class Liability(StrEnum):
    """When the use was: from the report on the bank is liable; between loss and report it has to be settled."""

    BANK = "bank"
    BEFORE_REPORT = "before_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseAfterLoss:
    """A use that was accepted. `lost_at` is the holder's word, if the holder gave one."""

    credential: UUID
    customer: UUID
    kind: Kind
    liability: Liability
    used_at: datetime
    recorded_at: datetime
    channel: str
    purpose: str | None
    lost_at: datetime | None
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """From the first report of it until the device was found, if it was."""

    lost_at: datetime | None
    reported_at: datetime
    found_at: datetime | None = None

    def also_reported(self, event: LossReported) -> "Loss":
        said = [at for at in (self.lost_at, event.lost_at) if at is not None]
        return replace(self, lost_at=min(said, default=None), reported_at=min(self.reported_at, event.at))

    def liability_of(self, used_at: datetime) -> Liability | None:
        """Return who answers for a use then; None for one before the loss, or after the device was found."""
        if self.found_at is not None and used_at >= self.found_at:
            return None
        if used_at >= self.reported_at:
            return Liability.BANK
        return Liability.BEFORE_REPORT if self.lost_at is not None and used_at >= self.lost_at else None


@dataclass(slots=True)
class _Trail:
    losses: list[Loss] = field(default_factory=list[Loss])
    uses: list[tuple[Used, datetime]] = field(default_factory=list[tuple[Used, datetime]])


def liability(log: Iterable[RecordedEvent], *, as_of: datetime) -> list[UseAfterLoss]:
    """Answer by credential, and within one in the order of the uses."""
    states, trails = States(as_of=as_of), dict[UUID, _Trail]()
    for recorded in log:
        if states.apply(recorded) and isinstance(recorded.event, credential.Event):
            _follow(trails.setdefault(recorded.stream, _Trail()), recorded)
    return [use for stream, trail in trails.items() if trail.losses for use in _uses(states, stream, trail)]


def _follow(trail: _Trail, recorded: RecordedEvent) -> None:
    match recorded.event:
        case LossReported() as event:
            if trail.losses and trail.losses[-1].found_at is None:
                trail.losses[-1] = trail.losses[-1].also_reported(event)
            else:
                trail.losses.append(Loss(lost_at=event.lost_at, reported_at=event.at))
        case Resumed(at=at) if trail.losses:
            trail.losses[-1] = replace(trail.losses[-1], found_at=trail.losses[-1].found_at or at)
        case Used() as event:
            trail.uses.append((event, recorded.recorded_at))
        case _:
            return


def _uses(states: States, stream: UUID, trail: _Trail) -> Iterator[UseAfterLoss]:
    state = states.held(stream)
    for event, recorded_at in sorted(trail.uses, key=lambda use: use[0].at):
        for loss in trail.losses:
            answer = loss.liability_of(event.at)
            if answer is not None:
                yield UseAfterLoss(
                    credential=stream,
                    customer=state.customer,
                    kind=state.kind,
                    liability=answer,
                    used_at=event.at,
                    recorded_at=recorded_at,
                    channel=event.channel,
                    purpose=event.purpose,
                    lost_at=loss.lost_at,
                    reported_at=loss.reported_at,
                )
