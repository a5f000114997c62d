"""A line to PostgreSQL that breaks, most often after a commit: who asks hears what was done, and it was done once."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.conftest import KeptKeys
from tests.system.postgres_proxy import Trouble, proxied
from tests.system.service_callers import Load
from tests.system.service_ledger import Ledger, ledger_in
from tests.system.service_process import ServiceProcess

HOLDERS = 300
ONE_IN = 3
SEED = 1

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


def behind(ledger: Ledger, folder: Path) -> Ledger:
    """Return the ledger as it is reached by way of the proxy's folder."""
    dsn = make_conninfo(ledger.surroundings["SEALBOOK_DSN"], host=str(folder))
    return replace(ledger, surroundings={**ledger.surroundings, "SEALBOOK_DSN": dsn})


@pytest.mark.parametrize("workers", [1, 2])
def test_a_connection_cut_after_the_commit_loses_and_doubles_nothing(ledger: Ledger, workers: int) -> None:
    def use_all(reached: Ledger) -> dict[UUID, int]:
        with ServiceProcess(reached, workers=workers) as service:
            load = Load(service.port, holders, token=ledger.token())
            asyncio.run(load.run())
        assert (load.refused, len(load.acknowledged)) == ([], HOLDERS)
        return load.acknowledged

    async def work(folder: Path) -> dict[Trouble, int]:
        async with proxied(socket, folder, one_in=ONE_IN, seed=SEED) as proxy:
            acknowledged.update(await asyncio.to_thread(use_all, behind(ledger, folder)))
            return proxy.troubles

    acknowledged = dict[UUID, int]()
    place = conninfo_to_dict(ledger.surroundings["SEALBOOK_DSN"])
    socket = Path(str(place["host"]), f".s.PGSQL.{place['port']}")
    if not socket.is_socket():
        pytest.skip("the server does not listen on a Unix socket")
    holders = ledger.with_holders(HOLDERS)
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        troubles = asyncio.run(work(Path(folder)))
    assert set(troubles) == set(Trouble)
    assert ledger.uses() == acknowledged
