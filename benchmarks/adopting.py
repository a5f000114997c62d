"""Credentials for callers, taken over by the ordinary write path."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.ledger import POLICY
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.ids import new_id
from sealbook.application.adopting import AdoptIssued
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.domain.values import Kind

AGE = timedelta(days=100)
"""Young enough that no use renews: a use is one event."""
BATCH = 1_000


def adopted(store: PostgresEventStore, count: int) -> list[UUID]:
    """Adopt credentials, each of a customer of its own; return their ids."""
    ids = [new_id() for _ in range(count)]
    at = datetime.now(UTC) - AGE
    for start in range(0, count, BATCH):
        commands = [adopt(credential, at) for credential in ids[start : start + BATCH]]
        if not all(outcome.accepted for outcome in execute(store, commands)):
            raise RuntimeError("a credential was not adopted: nothing is measured on half a ledger")
    return ids


def adopt(credential: UUID, at: datetime) -> Command:
    """Return the command that takes over a credential of a new customer, issued at `at`."""
    request = AdoptIssued(
        at=at,
        credential=credential,
        name=Name(NameKind.CREDENTIAL, credential.hex),
        customer=Name(NameKind.CUSTOMER, credential.hex),
        customer_stream=new_id(),
        kind=Kind.KB_MOBILE_CERTIFICATE,
        policy=POLICY.ref,
        provenance="bench",
    )
    return Command(request=request, command_id=None, actor="bench", channel="bench")
