"""The two forms of file that an import takes: facts, and bare attempts to use."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
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
from sealbook.application.ports import EventStore, Head, Loaded
from sealbook.application.recent import Recent
from sealbook.domain import credential
from sealbook.domain.customer import Customer
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef

CUSTOMERS_KEPT = 25_000


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

    def switches(self) -> dict[str, PolicyRef]:
        """Return what a fact that names a policy switches to."""
        return {name: document.ref for name, document in self.named.items()}


@dataclass(slots=True, kw_only=True)
class FactsForm:
    """A facts file. `provenance` goes into what it begins: where the history came from."""

    store: EventStore
    policies_given: Policies
    kind: Kind = DEFAULT_KIND
    provenance: str
    new_id: Callable[[], UUID]
    _switches: dict[str, PolicyRef] = field(init=False)
    _order: FactOrder = field(default_factory=FactOrder)
    _used: dict[str, RenewalPolicy] = field(default_factory=dict[str, RenewalPolicy])
    _customers: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self._switches = self.policies_given.switches()

    @property
    def identity(self) -> str:
        return f"facts kind={self.kind} policy={self.policies_given.given.digest}"

    def customer(self, fields: Mapping[str, object]) -> str:
        """Return the customer that the first line of the credential names, or its own name if that names none."""
        name = fields.get("credential")
        if not isinstance(name, str):
            return ""
        customer = self._customers.get(name)
        if customer is None:
            named = fields.get("customer") if fields.get("fact") == FactName.ISSUED else None
            customer = self._customers[name] = named if isinstance(named, str) and named else name
        return customer

    def parse(self, fields: Mapping[str, object]) -> FactLine:
        return fact_line(fields)

    def asked(self, line: FactLine) -> Name | None:
        return None if self._order.knows(line.credential) else Name(NameKind.CREDENTIAL, line.credential)

    def learn(self, held: Loaded) -> None:
        customers = {stream: _customer(held.heads[stream]) for stream in held.names.values()}
        owners = self.store.names_of({customer for customer in customers.values() if customer is not None})
        for name, stream in held.names.items():
            customer = customers[stream]
            # A customer who has been erased has no name, and no line is of one.
            owner = "" if customer is None or customer not in owners else owners[customer].value
            self._order.learn(name.value, last_at=_last_at(held.heads[stream]), owner=owner)

    def check(self, line: FactLine) -> None:
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
        name = Name(NameKind.CREDENTIAL, line.credential)
        if line.name is not FactName.ISSUED:
            return AdoptFact(credential=name, fact=fact_of(line, self._switches))
        kind = line.kind or self.kind
        return AdoptIssued(
            at=line.at,
            credential=self.new_id(),
            name=name,
            customer=Name(NameKind.CUSTOMER, line.customer or line.credential),
            customer_stream=self.new_id(),
            kind=kind,
            policy=self.policies_given.for_kind(kind).ref,
            provenance=self.provenance,
        )

    def _need(self, document: RenewalPolicy) -> None:
        self._used[document.digest] = document


class _Caller(NamedTuple):
    """A customer of a uses file, and ids for the customer and the first credential in case they are new."""

    name: Name
    customer_stream: UUID
    stream: UUID


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
    _policy: RenewalPolicy = field(init=False)
    _ref: PolicyRef = field(init=False)
    _callers: Recent[str, _Caller] = field(default_factory=lambda: Recent[str, _Caller](CUSTOMERS_KEPT))
    _order: FactOrder = field(default_factory=FactOrder)

    def __post_init__(self) -> None:
        self._policy = self.policies_given.for_kind(self.kind)
        self._ref = self._policy.ref

    @property
    def identity(self) -> str:
        return f"uses kind={self.kind} policy={self._policy.digest} reissue={self.reissue}"

    def customer(self, fields: Mapping[str, object]) -> str:
        named = fields.get("customer")
        return named if isinstance(named, str) else ""

    def parse(self, fields: Mapping[str, object]) -> tuple[str, datetime]:
        return use_line(fields)

    def asked(self, line: tuple[str, datetime]) -> Name | None:
        return None if self._order.knows(line[0]) else Name(NameKind.CUSTOMER, line[0])

    def learn(self, held: Loaded) -> None:
        latest = {name: self._latest(held.heads[stream], stream) for name, stream in held.names.items()}
        heads = self.store.load(streams=set(latest.values()), names=(), commands=()).heads
        for name, stream in latest.items():
            self._order.learn(name.value, last_at=_last_at(heads[stream]), owner=name.value)

    def _latest(self, customer: Head, stream: UUID) -> UUID:
        """Return the customer's last credential of the kind, or the customer's own stream."""
        latest = customer.state.latest(self.kind) if isinstance(customer.state, Customer) else None
        return stream if latest is None else latest

    def check(self, line: tuple[str, datetime]) -> None:
        self._order.check_use(*line)

    def recall(self, line: tuple[str, datetime]) -> None:
        self._order.check_use(*line)

    def policies(self) -> Iterable[RenewalPolicy]:
        return (self._policy,)

    def request(self, line: tuple[str, datetime]) -> Request:
        customer, at = line
        # Ids are taken once, whichever line of a customer takes them: they serve for all, and cost more than the rest.
        caller = self._callers.get(customer)
        if caller is None:
            caller = _Caller(Name(NameKind.CUSTOMER, customer), self.new_id(), self.new_id())
            self._callers.put(customer, caller)
        return AdoptAttempt(
            at=at,
            customer=caller.name,
            customer_stream=caller.customer_stream,
            # A reissue takes one each time.
            stream=self.new_id() if self.reissue else caller.stream,
            kind=self.kind,
            policy=self._ref,
            provenance=self.provenance,
            reissue=self.reissue,
        )


def _last_at(head: Head) -> datetime:
    assert head.latest_at is not None  # noqa: S101 (what has a name has events)
    return head.latest_at


def _customer(head: Head) -> UUID | None:
    return head.state.customer if isinstance(head.state, credential.Application | credential.Credential) else None
