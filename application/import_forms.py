"""The two forms of file that an import takes: facts, and bare attempts to use."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.application.adopting import AdoptAttempt, AdoptFact, AdoptIssued
from sealbook.application.commands import Request
from sealbook.application.facts import (
    DEFAULT_KIND,
    BadLine,
    FactLine,
    FactName,
    FactOrder,
    fact_line,
    fact_of,
    use_line,
)
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import EventStore
from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.customer import Customer
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """`given` is what credentials are issued under; whom it does not concern, `otherwise` does.

    `named` are those that a fact may name.
    """

    given: RenewalPolicy
    otherwise: RenewalPolicy
    named: Mapping[str, RenewalPolicy]

    def for_kind(self, kind: Kind) -> RenewalPolicy:
        # An adopted customer is a person: the files do not say otherwise.
        concerned = self.given.concerns(kind=kind, holder=HolderKind.PERSONAL)
        return self.given if concerned else self.otherwise


@dataclass(slots=True, kw_only=True)
class FactsForm:
    """A facts file. `provenance` goes into what it begins: where the history came from."""

    store: EventStore
    policies_given: Policies
    kind: Kind = DEFAULT_KIND
    provenance: str
    new_id: Callable[[], UUID]
    _order: FactOrder = field(default_factory=FactOrder)
    _used: dict[str, RenewalPolicy] = field(default_factory=dict[str, RenewalPolicy])

    @property
    def identity(self) -> str:
        return f"facts kind={self.kind} policy={self.policies_given.given.digest}"

    def parse(self, fields: Mapping[str, object]) -> FactLine:
        return fact_line(fields)

    def name(self, line: FactLine) -> Name:
        return Name(NameKind.CREDENTIAL, line.credential)

    def check(self, line: FactLine, held: UUID | None) -> None:
        if held is not None and not self._order.knows(line.credential):
            self._order.learn(
                line.credential, last_at=_last_at(self.store.stream(held)), owner=_owner(self.store, held)
            )
        self._order.check_fact(line)
        if line.name is FactName.ISSUED:
            self._need(self.policies_given.for_kind(line.kind or self.kind))
        if line.policy is not None:
            if line.policy not in self.policies_given.named:
                raise BadLine(f"policy {line.policy!r} is neither given nor a preset: give it with --policy")
            self._need(self.policies_given.named[line.policy])

    def recall(self, line: FactLine) -> None:
        if line.name is not FactName.ISSUED and not self._order.knows(line.credential):
            # Issued by another file; the run that took this line in has compared it with the ledger.
            self._order.learn(line.credential, last_at=line.at, owner=line.customer)
        self._order.check_fact(line)

    def policies(self) -> Iterable[RenewalPolicy]:
        return self._used.values()

    def request(self, line: FactLine) -> Request:
        if line.name is not FactName.ISSUED:
            switches = {name: document.ref for name, document in self.policies_given.named.items()}
            return AdoptFact(credential=self.name(line), fact=fact_of(line, switches))
        kind = line.kind or self.kind
        return AdoptIssued(
            at=line.at,
            credential=self.new_id(),
            name=self.name(line),
            customer=Name(NameKind.CUSTOMER, line.customer or line.credential),
            customer_stream=self.new_id(),
            kind=kind,
            policy=self.policies_given.for_kind(kind).ref,
            provenance=self.provenance,
        )

    def _need(self, document: RenewalPolicy) -> None:
        self._used[document.digest] = document


@dataclass(slots=True, kw_only=True)
class UsesForm:
    """A uses file: `customer,used_at`, each row an attempt.

    A customer's first is the issue as well; with `reissue`, so is one that comes after the end.
    """

    store: EventStore
    policies_given: Policies
    kind: Kind = DEFAULT_KIND
    reissue: bool
    provenance: str
    new_id: Callable[[], UUID]
    _order: FactOrder = field(default_factory=FactOrder)

    @property
    def identity(self) -> str:
        return f"uses kind={self.kind} policy={self._policy.digest} reissue={self.reissue}"

    @property
    def _policy(self) -> RenewalPolicy:
        return self.policies_given.for_kind(self.kind)

    def parse(self, fields: Mapping[str, object]) -> tuple[str, datetime]:
        return use_line(fields)

    def name(self, line: tuple[str, datetime]) -> Name:
        return Name(NameKind.CUSTOMER, line[0])

    def check(self, line: tuple[str, datetime], held: UUID | None) -> None:
        customer, at = line
        if held is not None and not self._order.knows(customer):
            self._order.learn(customer, last_at=_last_of_customer(self.store, held, self.kind), owner=customer)
        self._order.check_use(customer, at)

    def recall(self, line: tuple[str, datetime]) -> None:
        self._order.check_use(*line)

    def policies(self) -> Iterable[RenewalPolicy]:
        return (self._policy,)

    def request(self, line: tuple[str, datetime]) -> Request:
        customer, at = line
        return AdoptAttempt(
            at=at,
            customer=Name(NameKind.CUSTOMER, customer),
            customer_stream=self.new_id(),
            stream=self.new_id(),
            kind=self.kind,
            policy=self._policy.ref,
            provenance=self.provenance,
            reissue=self.reissue,
        )


def _last_at(history: Iterable[RecordedEvent]) -> datetime:
    return max(recorded.event.at for recorded in history)


def _last_of_customer(store: EventStore, stream: UUID, kind: Kind) -> datetime:
    """Return when the ledger last heard of what the customer holds."""
    head = store.load(streams=(stream,), names=(), commands=()).heads[stream]
    latest = head.state.latest(kind) if isinstance(head.state, Customer) else None
    return _last_at(store.stream(stream if latest is None else latest))


def _owner(store: EventStore, stream: UUID) -> str:
    head = store.load(streams=(stream,), names=(), commands=()).heads[stream]
    known = credential.issued(head.state if isinstance(head.state, credential.Credential) else None)
    name = store.names_of((known.customer,)).get(known.customer)
    return "" if name is None else name.value
