"""What people ask of the record: one credential, one history, the whole, each at a moment on two axes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.application.names import Name, NameKind
from sealbook.application.ports import NO_HEAD, EventStore, read_all
from sealbook.domain import policy
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import Policy, PolicyBook
from sealbook.projections.counts import Report, Tally, report, tally
from sealbook.projections.expiry import Expiry, expiry
from sealbook.projections.moment import Moment, credential_at, known_by, moment_of
from sealbook.projections.renewal_eligibility import RenewalEligibility, renewal_eligibility
from sealbook.projections.renewal_window import RenewalWindow, renewal_window
from sealbook.projections.timeline import Entry, timeline
from sealbook.projections.validity import Validity, current_validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The three core answers for one credential at a moment, and when it is best renewed."""

    as_of: datetime
    validity: Validity
    expiry: Expiry | None
    eligibility: RenewalEligibility
    window: RenewalWindow | None


def find(store: EventStore, text: str | UUID, *, kinds: Sequence[NameKind]) -> UUID:
    """Return the stream of an id, or of a name of the first kind that knows it. Raises Refused(not_found).

    What is a UUID already is nobody's name.
    """
    if isinstance(text, UUID):
        return text
    # What the system handed over undecoded is nobody's name.
    names = [Name(kind, text) for kind in kinds if not any("\ud800" <= each <= "\udfff" for each in text)]
    found = store.load(streams=(), names=names, commands=()).names
    for name in names:
        if name in found:
            return found[name]
    stream = _as_id(text)
    if stream is not None:
        head = store.load(streams=(stream,), names=(), commands=()).heads.get(stream, NO_HEAD)
        if isinstance(head.state, tuple(each for kind in kinds for each in _STATES[kind])):
            return stream
    raise Refused(
        Refusal.NOT_FOUND, f"no {' or '.join(kind.replace('_key', '') for kind in kinds)} has this name or id: check it"
    )


_STATES: dict[NameKind, tuple[type, ...]] = {
    NameKind.CREDENTIAL: (Application, Credential),
    NameKind.CUSTOMER: (Customer,),
    NameKind.IDENTITY: (Customer,),
    NameKind.DEVICE_KEY: (Device,),
    NameKind.POLICY: (Policy,),
}
"""What a stream is of that has, or could have, a name of a kind."""


def policies(store: EventStore, *, known_at: datetime | None = None) -> PolicyBook:
    """Return every policy that the ledger had learned of by a moment."""
    named = store.named(NameKind.POLICY)
    if known_at is None:
        heads = store.load(streams=named.values(), names=(), commands=()).heads
        states = {name.value: heads[stream].state for name, stream in named.items()}
        return PolicyBook({policy_id: state for policy_id, state in states.items() if isinstance(state, Policy)})
    book: dict[str, Policy] = {}
    for name, stream in named.items():
        events = [recorded.event for recorded in known_by(store.stream(stream), known_at)]
        book[name.value] = policy.fold(event for event in events if isinstance(event, policy.Event))
    return PolicyBook(book)


def show(store: EventStore, credential: str | UUID, *, as_of: datetime, known_at: datetime | None) -> Standing:
    """Answer what a credential was like at `as_of`, by what was known at `known_at`. Raises Refused(not_found)."""
    stream = find(store, credential, kinds=[NameKind.CREDENTIAL])
    known = policies(store, known_at=known_at)
    moment = _now(store, stream, as_of, known) if known_at is None else None
    if moment is None:
        moment = credential_at(known_by(store.stream(stream), known_at), as_of=as_of, policies=known)
    return Standing(
        as_of=as_of,
        validity=current_validity(moment, known),
        expiry=expiry(moment, known),
        eligibility=renewal_eligibility(moment, known),
        window=renewal_window(moment, known),
    )


def _now(store: EventStore, stream: UUID, as_of: datetime, known: PolicyBook) -> Moment | None:
    """Answer from the head, however long the history is; None where something in it lies after the moment."""
    head = store.load(streams=(stream,), names=(), commands=()).heads.get(stream, NO_HEAD)
    if head.latest_at is None or head.latest_at > as_of:
        return None
    last = store.stream(stream, after=head.version - 1)[0]
    return moment_of(head.state, as_of=as_of, policies=known, version=head.version, position=last.position)


def history(
    store: EventStore,
    text: str | UUID,
    *,
    kinds: Sequence[NameKind],
    as_of: datetime | None,
    known_at: datetime | None,
) -> list[Entry]:
    """Return the timeline of a credential, customer, device or policy. Raises Refused(not_found)."""
    events = known_by(store.stream(find(store, text, kinds=kinds)), known_at)
    return timeline(recorded for recorded in events if as_of is None or recorded.event.at <= as_of)


def count(store: EventStore, *, as_of: datetime, known_at: datetime | None, counted: Tally | None = None) -> Report:
    """Return the counts as of a moment; `counted` is a tally that stands for the whole log already."""
    known = policies(store, known_at=known_at)
    if counted is None:
        counted = tally(log_until(store, known_at), as_of=as_of)
    return report(counted, as_of=as_of, policies=known)


def log_until(store: EventStore, known_at: datetime | None) -> Iterator[RecordedEvent]:
    """Yield what the ledger had learned by a moment, in position order, by short reads; None is now."""
    for recorded in read_all(store):
        if known_at is not None and recorded.recorded_at > known_at:
            # recorded_at never goes back as positions go on: nothing later was known.
            return
        yield recorded


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
