"""What the tests of the use cases begin with."""

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from tests.application.branch import Branch, opened


@pytest.fixture
def branch(memory_store: MemoryEventStore) -> Branch:
    return opened(memory_store)
