"""A service in this process, over a ledger of the test's own in which the preset policies are adopted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealbook.adapters.keys.port import Keys
from sealbook.domain.presets import preset_policies
from tests.adapters.http.served import Holding, Limited, Served, holding, served
from tests.commands import Script


@pytest.fixture
def limited() -> Limited:
    """What the service takes at most; a module may have a fixture of its own by this name."""
    return Limited()


@pytest.fixture
def running(ledger_dsn: str, keys: Keys, tmp_path: Path, limited: Limited) -> Iterator[Served]:
    with served(ledger_dsn, keys, folder=tmp_path, limited=limited) as service:
        script = Script(1_000)
        service.execute(*(script.adopt_policy(each) for each in preset_policies()))
        yield service
        assert service.failures == []


@pytest.fixture
def alice(running: Served) -> Holding:
    """A customer with a one-time code generator, by policy D."""
    return holding(running, "alice")


@pytest.fixture
def bob(running: Served) -> Holding:
    return holding(running, "bob")
