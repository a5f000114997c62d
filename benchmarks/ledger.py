"""A ledger for a benchmark: the embedded server with full durability, in a folder that goes away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore import schema
from sealbook.adapters.eventstore.keys import new_keys
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.ids import new_id
from sealbook.adapters.postgres import binaries
from sealbook.adapters.postgres.databases import create_database
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.presets import preset_policies

POLICY = preset_policies()["D"]


@dataclass(frozen=True, slots=True)
class Bench:
    server: EmbeddedServer

    @contextmanager
    def store(self, name: str) -> Generator[PostgresEventStore]:
        """Give a fresh ledger with one policy."""
        keys = new_keys()
        dsn = create_database(self.server, name)
        with connected(dsn) as connection:
            schema.migrate(connection, keys=keys, new_id=new_id)
        store = PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom)
        request = OnPolicy(
            policy_id=POLICY.policy_id,
            stream=new_id(),
            command=policy.Adopt(at=datetime.now(UTC), document=POLICY),
        )
        execute(store, [Command(request=request, command_id=None, actor="bank", channel="bench")])
        try:
            yield store
        finally:
            store.close()

    def pgbench(self, script: str, *, clients: int, seconds: int) -> float:
        """Return the transactions a second of a script, on the same server."""
        parts = conninfo_to_dict(self.server.dsn())
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            command = [str(binaries.find().folder / "pgbench"), "-n", "-M", "prepared", "-T", str(seconds)]
            command += ["-c", str(clients), "-j", "2", "-f", file.name]
            command += ["-h", str(parts["host"]), "-p", str(parts["port"]), "-U", str(parts["user"])]
            done = subprocess.run([*command, str(parts["dbname"])], capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
        return float(line.split()[2])


@contextmanager
def bench() -> Generator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="sealbook-bench-"))
    try:
        with EmbeddedServer.join(folder / "ledger") as server:
            yield Bench(server)
    finally:
        shutil.rmtree(folder)
