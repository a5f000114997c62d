"""What was charged, waived and paid back in fees, by kind and schedule? (domain rules R15, R18, R37, R38)"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import FeeCharged, FeeFailed, FeeRefunded, FeeWaived
from sealbook.domain.values import Kind
from sealbook.projections.states import States

FeeEvent = FeeCharged | FeeFailed | FeeWaived | FeeRefunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """How many fees of one version of a kind's schedule; `sum_krw` is what was charged less what was paid back."""

    kind: Kind
    fee_version: int
    charged: int = 0
    failed: int = 0
    waived: int = 0
    refunded: int = 0
    sum_krw: int = 0


def fees(log: Iterable[RecordedEvent], *, as_of: datetime) -> list[Fees]:
    """Answer by kind, and within a kind by the version of its schedule."""
    states, found = States(as_of=as_of), dict[tuple[Kind, int], Fees]()
    for recorded in log:
        event = recorded.event
        if states.apply(recorded) and isinstance(event, FeeEvent):
            kind = states.held(recorded.stream).kind
            key = (kind, event.fee_version)
            found[key] = _with(found.get(key, Fees(kind=kind, fee_version=event.fee_version)), event)
    return [found[key] for key in sorted(found)]


def _with(known: Fees, event: FeeEvent) -> Fees:
    match event:
        case FeeCharged(amount_krw=amount_krw):
            return replace(known, charged=known.charged + 1, sum_krw=known.sum_krw + amount_krw)
        case FeeFailed():
            return replace(known, failed=known.failed + 1)
        case FeeWaived():
            return replace(known, waived=known.waived + 1)
        case FeeRefunded(amount_krw=amount_krw):
            return replace(known, refunded=known.refunded + 1, sum_krw=known.sum_krw - amount_krw)
        case _:
            assert_never(event)
