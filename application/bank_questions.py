"""What a bank asks of the whole record: each question at a moment on both axes, with the bank's own names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast
from uuid import UUID

from sealbook.application import questions
from sealbook.application.names import NameKind
from sealbook.application.ports import EventStore
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Application, Applied, Credential, Issued, LossReported, Moved
from sealbook.domain.customer import CredentialOpened, Customer
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import PolicyBook
from sealbook.projections import (
    device_slots,
    fees,
    holdings,
    lawful_renewals,
    liability,
    links,
    notices,
    policy_timeline,
    revocations,
    stuck_applications,
)
from sealbook.projections.moment import known_by
from sealbook.projections.states import States, settled, states_at

Row_co = TypeVar("Row_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which ledger is asked, and about which moment; `known_at` is None for all that it knows now."""

    store: EventStore
    kinds: KindBook
    as_of: datetime
    known_at: datetime | None

    def log(self) -> Iterator[RecordedEvent]:
        return questions.log_until(self.store, self.known_at)

    def stream(self, stream: UUID) -> list[RecordedEvent]:
        return known_by(self.store.stream(stream), self.known_at)

    def policies(self) -> PolicyBook:
        return questions.policies(self.store, known_at=self.known_at)

    def states(self) -> States:
        """Return the state of everything, as the clock has it."""
        return settled(states_at(self.log(), as_of=self.as_of), self.policies())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Row_co]):
    """`names` holds what the bank calls the streams that the rows speak of, as far as it may be told."""

    rows: Sequence[Row_co]
    names: Mapping[UUID, str]


def ask_holdings(asked: Asked, customer: str | UUID) -> Answer[holdings.Holding]:
    """Answer what a customer holds, from its own streams alone. Raises Refused(not_found)."""
    stream = _find(asked, customer, [NameKind.CUSTOMER], Customer)
    policies = asked.policies()
    states = settled(states_at(_life_of(asked, stream), as_of=asked.as_of), policies)
    return _answer(asked, holdings.holdings(states, stream, policies=policies, kinds=asked.kinds))


def ask_slots(asked: Asked, customer: str | UUID | None = None) -> Answer[device_slots.DeviceSlots]:
    """Answer for all, or for one customer. Raises Refused(not_found)."""
    stream = None if customer is None else _find(asked, customer, [NameKind.CUSTOMER], Customer)
    return _answer(asked, device_slots.device_slots(asked.states(), asked.kinds, customer=stream))


def ask_links(asked: Asked, name: str | UUID | None = None) -> Answer[links.Link]:
    """Answer for all, or for one customer or credential. Raises Refused(not_found)."""
    kinds, sought = [NameKind.CUSTOMER, NameKind.CREDENTIAL], (Customer, Application, Credential)
    stream = None if name is None else _find(asked, name, kinds, *sought)
    return _answer(asked, links.links(asked.states(), of=stream))


def ask_stuck(asked: Asked) -> Answer[stuck_applications.StuckApplication]:
    return _answer(asked, stuck_applications.stuck_applications(asked.states(), asked.kinds))


def ask_notices(asked: Asked) -> Answer[notices.Notice]:
    found = notices.notices(asked.log(), as_of=asked.as_of, policies=asked.policies(), kinds=asked.kinds)
    return _answer(asked, found)


def ask_fees(asked: Asked) -> Answer[fees.Fees]:
    return _answer(asked, fees.fees(asked.log(), as_of=asked.as_of))


def ask_liability(asked: Asked) -> Answer[liability.UseAfterLoss]:
    """Answer; of the uses only those of credentials that were reported lost are kept in memory."""
    lost = dict.fromkeys(recorded.stream for recorded in asked.log() if isinstance(recorded.event, LossReported))
    log = (recorded for stream in lost for recorded in asked.stream(stream))
    return _answer(asked, liability.liability(log, as_of=asked.as_of))


def ask_policies(asked: Asked) -> Answer[policy_timeline.PolicyVersion]:
    log = (recorded for stream in asked.store.named(NameKind.POLICY).values() for recorded in asked.stream(stream))
    return _answer(asked, policy_timeline.policy_timeline(log, as_of=asked.as_of))


def ask_unlawful(asked: Asked, *, all_renewals: bool = False) -> Answer[lawful_renewals.JudgedRenewal]:
    """Answer for the renewals without a basis, or for all of them with theirs."""
    judged = lawful_renewals.judged_renewals(asked.log(), as_of=asked.as_of, policies=asked.policies())
    return _answer(asked, [each for each in judged if all_renewals or each.basis is None])


def ask_revocations(asked: Asked, *, since: datetime | None = None) -> Answer[revocations.Revocation]:
    """Answer with the whole list, or with what changed after `since`."""
    found = revocations.revocations(asked.log(), as_of=asked.as_of, policies=asked.policies(), since=since)
    return _answer(asked, found)


def _find(asked: Asked, text: str | UUID, kinds: Sequence[NameKind], *sought: type) -> UUID:
    stream = questions.find(asked.store, text, kinds=kinds)
    if isinstance(asked.store.load(streams=[stream], names=(), commands=()).heads[stream].state, sought):
        return stream
    raise Refused(Refusal.NOT_FOUND, f"no {' or '.join(kinds)} has this id: check it")


def _life_of(asked: Asked, customer: UUID) -> list[RecordedEvent]:
    """Return the events of a customer, of what it opened, and of the phones that these were on."""
    own = asked.stream(customer)
    opened = [recorded.event.credential for recorded in own if isinstance(recorded.event, CredentialOpened)]
    held = [recorded for stream in opened for recorded in asked.stream(stream)]
    devices = dict.fromkeys(
        recorded.event.device for recorded in held if isinstance(recorded.event, Applied | Issued | Moved)
    )
    return [*own, *held, *(recorded for device in devices if device is not None for recorded in asked.stream(device))]


def _answer(asked: Asked, rows: Sequence[Row_co]) -> Answer[Row_co]:
    streams = dict.fromkeys(stream for row in rows for stream in streams_in(row))
    names = asked.store.names_of(streams)
    return Answer(rows=rows, names={stream: name.value for stream, name in names.items()})


def streams_in(value: object) -> Iterator[UUID]:
    """Yield the streams that a row speaks of, or several rows."""
    if isinstance(value, UUID):
        yield value
    elif isinstance(value, tuple):
        for each in cast("tuple[object, ...]", value):
            yield from streams_in(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from streams_in(getattr(value, each.name))
