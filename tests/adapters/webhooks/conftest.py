"""A receiver, and a ledger that tells it."""

from collections.abc import Iterator

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from tests.adapters.webhooks.hooked import Hooked, hooked
from tests.adapters.webhooks.receiving import Receiver, receiving
from tests.system.writing import opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def ledger(postgres_store: PostgresEventStore, ledger_dsn: str, receiver: Receiver) -> Hooked:
    return hooked(postgres_store, lambda: opened(ledger_dsn), receiver)
