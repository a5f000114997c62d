"""One service for all the client's tests, each of which has customers of its own."""

from collections.abc import Iterator

import pytest

from tests.adapters.client.running import Faulty, Holder, Running, faulty, holder, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as begun:
        yield begun


@pytest.fixture
def way(service: Running) -> Iterator[Faulty]:
    """A bad stretch of network between client and service."""
    with faulty(service.address) as stretch:
        yield stretch


@pytest.fixture
def alice(service: Running) -> Holder:
    with service.client() as teller:
        return holder(teller)
