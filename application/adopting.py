"""Requests that take over a history from elsewhere, at its own times."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.application.names import Name, Ref
from sealbook.domain.credential import Fact
from sealbook.domain.values import Kind, PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptIssued:
    """Take a credential of an imported history, and its customer when it is the first.

    `customer_stream` is the customer's id if it is new.
    """

    at: datetime
    credential: UUID
    name: Name
    customer: Name
    customer_stream: UUID
    kind: Kind
    policy: PolicyRef
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptFact:
    """Take a fact of an imported history; what the rules refuse is kept without effect."""

    credential: Ref
    fact: Fact

    @property
    def at(self) -> datetime:
        return self.fact.at


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptAttempt:
    """Take an attempt to use whatever credential the customer holds.

    A customer's first attempt is its enrollment and an issue as well. With `reissue`, so is one
    that comes after the end: the new credential replaces the old, which stays expired. `stream`
    and `customer_stream` are ids for what is new.
    """

    at: datetime
    customer: Name
    customer_stream: UUID
    stream: UUID
    kind: Kind
    policy: PolicyRef
    provenance: str
    reissue: bool


Adoption = AdoptIssued | AdoptFact | AdoptAttempt
