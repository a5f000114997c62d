"""A ledger for services in processes of their own: its holders, and what must be true of it whatever became of them."""

import asyncio
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import NamedTuple
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.cli.session import Place
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.reach import conninfo
from sealbook.adapters.http.access import Role
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.proofs.seed_writer import SecretWriter
from sealbook.adapters.proofs.totp import Seed
from sealbook.application.ledger import execute
from sealbook.application.ports import read_all
from sealbook.domain.credential import SetSecret, Used
from sealbook.domain.values import Kind
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.commands import Script
from tests.conftest import KeptKeys
from tests.system.writing import credential_of, customer_of, device_of

SECRET_BYTES = 20
SEED_OF_SCRIPT = 77


class Holder(NamedTuple):
    """A customer with a mobile OTP and a phone of their own."""

    credential: UUID
    customer: UUID
    device: UUID
    seed: Seed

    def code(self) -> str:
        """Return what the phone shows now."""
        return self.seed.codes.at(int(time()))


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A ledger that services can be begun on, by its `surroundings`. Its `folder` has the key that makes tokens."""

    folder: Path
    surroundings: Mapping[str, str]
    opened: Callable[[], AbstractContextManager[PostgresEventStore]]

    def with_holders(self, count: int) -> Sequence[Holder]:
        """Issue mobile OTPs whose seeds are known. For a ledger that is empty yet."""
        holders = [
            Holder(credential_of(each), customer_of(each), device_of(each), Seed(os.urandom(SECRET_BYTES)))
            for each in range(count)
        ]
        with self.opened() as store:
            _issue(store, holders)
            asyncio.run(_put_seeds(store, holders))
        return holders

    def token(self, subject: str = "teller-1", *, role: Role = Role.TELLER) -> str:
        return DevelopmentKeys(self.folder, clock=time).mint(subject, [role])

    def uses(self) -> dict[UUID, int]:
        """Return the position of every use by the command that brought it.

        The ledger must contradict itself nowhere, its positions must be dense, and no command may have been carried
        out twice.
        """
        with self.opened() as store:
            assert list(Fsck(store.connection, keys=store.keys).findings()) == []
            log = list(read_all(store))
            assert [each.position for each in log] == list(range(1, store.last_position() + 1))
        uses = [each for each in log if isinstance(each.event, Used)]
        found = {each.command_id: each.position for each in uses if each.command_id is not None}
        assert len(found) == len(uses)
        return found


@contextmanager
def ledger_in(dsn: str, kept_keys: KeptKeys, folder: Path) -> Generator[Ledger]:
    """Give the empty ledger of a database, with keys that every process can have."""
    with kept_keys.of_ledger(str(conninfo_to_dict(dsn)["dbname"])) as keystore:

        @contextmanager
        def opened() -> Generator[PostgresEventStore]:
            keys = Keyring(Keystore(keystore), FileRoot(kept_keys.key_file))
            store = PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom)
            try:
                yield store
            finally:
                store.close()
                keys.close()

        surroundings = {
            "SEALBOOK_LEDGER": str(folder),
            "SEALBOOK_DSN": dsn,
            "SEALBOOK_KEYSTORE_DSN": keystore,
            "SEALBOOK_KEYS": str(kept_keys.key_file),
        }
        yield Ledger(folder=folder, surroundings=surroundings, opened=opened)


def embedded_ledger(folder: Path) -> Ledger:
    """Return a ledger with a durable server of its own, which may be killed. To open it begins the server anew."""

    @contextmanager
    def opened() -> Generator[PostgresEventStore]:
        with Wiring(Settings()).open(Place(ledger=folder), create=True) as found:
            assert isinstance(found.store, PostgresEventStore)
            yield found.store

    return Ledger(folder=folder, surroundings={"SEALBOOK_LEDGER": str(folder)}, opened=opened)


def _issue(store: PostgresEventStore, holders: Sequence[Holder]) -> None:
    script, at = Script(SEED_OF_SCRIPT), datetime.now(UTC)
    commands = [script.adopt_policy(at=at)]
    for each in holders:
        issued = script.issue(each.credential, customer=each.customer, device=each.device, kind=Kind.MOBILE_OTP, at=at)
        known = [script.enroll(each.customer, at=at), script.register(each.device, at=at)]
        commands += [*known, issued, script.on(each.credential, SetSecret(at=at, generation=1))]
    refused = [each.message for each in execute(store, commands) if not each.accepted]
    assert refused == []


async def _put_seeds(store: PostgresEventStore, holders: Sequence[Holder]) -> None:
    secrets = SecretWriter(conninfo(store.connection), keys=store.keys, randomness=os.urandom)
    puts = [secrets.put(each.seed, credential=each.credential, owner=each.customer, generation=1) for each in holders]
    await asyncio.gather(*puts)
    await secrets.close()
